// The recorder's calls that move bytes.
#include "recorder.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

namespace behaviour {

namespace {

constexpr std::size_t longest_shown = 24; // bytes
constexpr std::size_t most_shown = 8;     // parts

/// Short data as it is, longer or unprintable data as its length and FNV-1a.
std::string show_data(std::string_view data) {
    const bool printable =
        std::all_of(data.begin(), data.end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (printable && data.size() <= longest_shown) return std::string{data};
    std::uint32_t hash = 2166136261U;
    for (const char c : data)
        hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
    return std::to_string(data.size()) + " bytes, hash " + std::to_string(hash);
}

std::string quoted(std::string_view data) {
    const std::string shown = show_data(data);
    return shown == data ? '"' + shown + '"' : shown;
}

std::string sizes_of(const std::vector<std::size_t>& sizes) {
    if (sizes.size() > most_shown) return std::to_string(sizes.size()) + " parts";
    std::string text = "[";
    for (const auto size : sizes)
        text += (text.size() > 1 ? " " : "") + std::to_string(size);
    return text + "]";
}

std::string joined(const std::vector<std::string>& parts) {
    if (parts.size() > most_shown) return std::to_string(parts.size()) + " parts";
    std::string text = "[";
    for (const auto& part : parts)
        text += (text.size() > 1 ? " " : "") + quoted(part);
    return text + "]";
}

std::vector<iovec> vectors_of(std::vector<std::string>& parts) {
    std::vector<iovec> out;
    out.reserve(parts.size());
    for (auto& part : parts)
        out.push_back({part.data(), part.size()});
    return out;
}

/// Room in pieces of these sizes, one behind the other.
struct scattered {
    explicit scattered(const std::vector<std::size_t>& sizes) {
        std::size_t total = 0;
        for (const auto size : sizes)
            total += size;
        room.resize(total);
        std::size_t at = 0;
        for (const auto size : sizes) {
            vectors.push_back({room.data() + at, size});
            at += size;
        }
    }
    std::string room;
    std::vector<iovec> vectors;
};

} // namespace

outcome recorder::transferred(const std::string& call, long n, int error, const char* data,
                              const std::string& also) {
    text_ += "  " + call + " = ";
    std::string shown;
    if (n < 0) {
        text_ += "-1 " + error_name(error);
    } else {
        shown = show_data({data, static_cast<std::size_t>(n)});
        text_ += std::to_string(n) + " " + quoted({data, static_cast<std::size_t>(n)});
    }
    if (!also.empty()) text_ += " " + also;
    text_ += "\n";
    return {*this, n, error, shown};
}

outcome recorder::send(const std::string& label, std::string_view data, int flags) {
    const auto n = ::send(number(label), data.data(), data.size(), flags);
    return line("send(" + label + ", " + quoted(data) + ", " + message_flags(flags) + ")", n,
                errno);
}

outcome recorder::send_many(const std::string& label, std::size_t size, int flags) {
    std::string data(size, ' ');
    for (auto& c : data)
        c = static_cast<char>('a' + pattern_++ % 23);
    return send(label, data, flags);
}

outcome recorder::recv(const std::string& label, std::size_t size, int flags) {
    // MSG_TRUNC gives the length of the whole message, which need not have fitted.
    constexpr std::size_t longest = 65'536;
    std::string room((flags & MSG_TRUNC) != 0 ? longest : size, '?');
    const auto n = ::recv(number(label), room.data(), size, flags);
    const int error = errno;
    return transferred("recv(" + label + ", " + std::to_string(size) + ", " + message_flags(flags) +
                           ")",
                       n, error, room.data());
}

outcome recorder::write(const std::string& label, std::string_view data) {
    const auto n = ::write(number(label), data.data(), data.size());
    return line("write(" + label + ", " + quoted(data) + ")", n, errno);
}

outcome recorder::read(const std::string& label, std::size_t size) {
    std::string room(size, '?');
    const auto n = ::read(number(label), room.data(), size);
    const int error = errno;
    return transferred("read(" + label + ", " + std::to_string(size) + ")", n, error, room.data());
}

outcome recorder::writev(const std::string& label, const std::vector<std::string>& parts) {
    auto copy = parts;
    const auto vectors = vectors_of(copy);
    const auto n = ::writev(number(label), vectors.data(), static_cast<int>(vectors.size()));
    return line("writev(" + label + ", " + joined(parts) + ")", n, errno);
}

outcome recorder::readv(const std::string& label, const std::vector<std::size_t>& sizes) {
    scattered into{sizes};
    const auto n =
        ::readv(number(label), into.vectors.data(), static_cast<int>(into.vectors.size()));
    const int error = errno;
    return transferred("readv(" + label + ", " + sizes_of(sizes) + ")", n, error, into.room.data());
}

outcome recorder::sendmsg_parts(const std::string& label, std::size_t parts) {
    char byte = 'x';
    std::vector<iovec> vectors(parts, iovec{&byte, 1});
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = parts;
    const auto n = ::sendmsg(number(label), &message, MSG_NOSIGNAL);
    return line("sendmsg(" + label + ", " + std::to_string(parts) + " parts of 1)", n, errno);
}

outcome recorder::sendmsg(const std::string& label, const std::vector<std::string>& parts,
                          int flags) {
    auto copy = parts;
    auto vectors = vectors_of(copy);
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = vectors.size();
    const auto n = ::sendmsg(number(label), &message, flags);
    return line("sendmsg(" + label + ", " + joined(parts) + ", " + message_flags(flags) + ")", n,
                errno);
}

outcome recorder::recvmsg(const std::string& label, const std::vector<std::size_t>& sizes,
                          int flags) {
    scattered into{sizes};
    msghdr message{};
    message.msg_iov = into.vectors.data();
    message.msg_iovlen = into.vectors.size();
    const auto n = ::recvmsg(number(label), &message, flags);
    const int error = errno;
    const auto kept =
        n > static_cast<ssize_t>(into.room.size()) ? into.room.size() : static_cast<std::size_t>(n);
    const std::string call =
        "recvmsg(" + label + ", " + sizes_of(sizes) + ", " + message_flags(flags) + ")";
    if (n < 0) return line(call, -1, error);
    return line(call, n, 0,
                quoted({into.room.data(), kept}) + " flags " + message_flags(message.msg_flags));
}

outcome recorder::sendto(const std::string& label, std::string_view data,
                         const std::string& address, int flags) {
    sockaddr_storage to;
    socklen_t size = 0;
    parse(address, to, size);
    const auto n = ::sendto(number(label), data.data(), data.size(), flags,
                            reinterpret_cast<const sockaddr*>(&to), size);
    return line("sendto(" + label + ", " + quoted(data) + ", " + address + ")", n, errno);
}

outcome recorder::recvfrom(const std::string& label, std::size_t size, int flags) {
    std::string room(size, '?');
    sockaddr_storage from{};
    socklen_t from_size = sizeof from;
    const auto n = ::recvfrom(number(label), room.data(), size, flags,
                              reinterpret_cast<sockaddr*>(&from), &from_size);
    const int error = errno;
    const std::string call =
        "recvfrom(" + label + ", " + std::to_string(size) + ", " + message_flags(flags) + ")";
    if (n < 0) return line(call, -1, error);
    const auto kept = static_cast<std::size_t>(n) < size ? static_cast<std::size_t>(n) : size;
    return line(call, n, 0, quoted({room.data(), kept}) + " from " + show(from, from_size));
}

void recorder::fill(const std::string& label) {
    constexpr int longer_than_delayed_ack_ms = 90; // Linux waits 40 ms, tcp(7) knows no number
    const std::string large(16384, 'f');
    const auto fits = [&](std::size_t size) {
        bool any = false;
        while (::send(number(label), large.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
            any = true;
        return any;
    };
    pollfd room{number(label), POLLOUT, 0};
    do {
        // Large pieces fill most of it, single bytes the rest.
        bool any = true;
        while (any) {
            any = fits(large.size());
            any = fits(512) || any;
            any = fits(1) || any;
        }
    } while (::poll(&room, 1, longer_than_delayed_ack_ms) > 0 || fits(1));
    note("fill(" + label + ")");
}

outcome recorder::drain(const std::string& label) {
    std::string room(65536, '?');
    bool any = false;
    for (;;) {
        const auto n = ::recv(number(label), room.data(), room.size(), MSG_DONTWAIT);
        const int error = errno;
        if (n > 0) {
            any = true;
            continue;
        }
        return line("drain(" + label + ")", n, error, any ? "after data" : "after nothing");
    }
}

void recorder::drain_while_full(const std::string& receiver, const std::string& sender) {
    std::string room(65536, '?');
    pollfd full{number(sender), POLLOUT, 0};
    int rounds = 0;
    while (::poll(&full, 1, 0) == 0 && ++rounds < 1000) {
        ::recv(number(receiver), room.data(), room.size(), MSG_DONTWAIT);
        settle();
    }
    note("drain_while_full(" + receiver + ", " + sender + ")");
}

outcome recorder::drain_to_end(const std::string& label) {
    std::string room(65536, '?');
    for (int waits = 0; waits < 3000;) {
        const auto n = ::recv(number(label), room.data(), room.size(), MSG_DONTWAIT);
        const int error = errno;
        if (n > 0) continue;
        if (n == 0 || error != EAGAIN) return line("drain_to_end(" + label + ")", n, error);
        ++waits;
        settle();
    }
    return line("drain_to_end(" + label + ")", -1, ETIMEDOUT);
}

outcome recorder::send_part(const std::string& label, std::size_t size) {
    const std::string data(size, 'p');
    const auto n = ::send(number(label), data.data(), data.size(), MSG_NOSIGNAL);
    const int error = errno;
    const bool part = n > 0 && static_cast<std::size_t>(n) < size;
    return line("send(" + label + ", " + std::to_string(size) + ")", part ? 1 : n, error,
                part ? "in part" : "");
}

outcome recorder::recv_unseen(const std::string& label, std::size_t size, int flags) {
    std::string room(size, '?');
    const auto n = ::recv(number(label), room.data(), size, flags);
    const int error = errno;
    return line("recv(" + label + ", " + std::to_string(size) + ", " + message_flags(flags) + ")",
                n, error);
}

outcome recorder::pump(const std::string& from, const std::string& to, std::size_t size) {
    std::string data(size, ' '), room(65536, '?'), came;
    for (std::size_t i = 0; i < size; ++i)
        data[i] = static_cast<char>('a' + i * 7 / 5 % 23);
    std::size_t sent = 0;
    for (int idle = 0; came.size() < size && idle < 3000;) {
        const auto n = ::send(number(from), data.data() + sent, size - sent, MSG_NOSIGNAL);
        if (n > 0) sent += static_cast<std::size_t>(n);
        const auto m = ::recv(number(to), room.data(), room.size(), MSG_DONTWAIT);
        if (m > 0) came.append(room, 0, static_cast<std::size_t>(m));
        if (n > 0 || m > 0) continue;
        ++idle;
        settle();
    }
    return line("pump(" + from + ", " + to + ", " + std::to_string(size) + ")",
                static_cast<long>(came.size()), 0, came == data ? "intact" : "damaged");
}

} // namespace behaviour
