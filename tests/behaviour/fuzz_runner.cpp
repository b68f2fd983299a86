// Runs one random program. Only what a kernel may choose is hidden, and as little of it as
// possible:
//
//  - the order of events inside one epoll batch: sorted, unless in_order;
//  - how much fits into buffers: sends that must fit stay below 24,000 bytes for each direction.
//    `fill`, which sends until nothing more fits, does not say how much that was, and until its
//    receiver has been drained, FIONREAD there shows only that there is something, and a recv only
//    that it got something;
//  - when a full direction becomes writable again: from the first read out of it until it is
//    drained (the generator lets nothing else happen then) the sender's OUT is not shown;
//  - what Nagle's algorithm and delayed acknowledgements do with time: TCP_NODELAY is set on every
//    socket, and TIOCOUTQ is not asked for. A socket that has ended its writing half is not
//    registered edge-triggered, since the acknowledgement of that end is a wake-up (40 ms later, or
//    with the peer's next data). `fill` and `drain` wait longer than an acknowledgement is delayed;
//  - which port an unbound socket gets: it is bound before it connects, since it might get the one
//    it connects to, and then be connected with itself;
//  - numbers of descriptors and ports: not shown. The situations (main.cpp) show the former.
//
// Not generated, since they would block or take seconds: blocking sockets, lingering for a time,
// and what needs a retransmission to arrive.
#include "fuzz_runner.hpp"

#include "symbols.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace behaviour {

namespace {

constexpr int longer_than_delayed_ack_ms = 90; // Linux waits 40 ms
constexpr std::size_t shown_whole = 12;        // bytes

class runner {
public:
    runner(const fuzz_program& program, const fuzz_settings& how, std::uint64_t seed)
        : program_{program}, how_{how}, slots_(static_cast<std::size_t>(program.slots)) {
        // The local ports of ended connections wait a minute: another address for each, so that
        // they never end.
        const auto mix = static_cast<std::uint32_t>(seed * 2654435761ULL >> 8);
        address_ =
            how.address != 0
                ? how.address
                : htonl(0x7f000000U | (1 + static_cast<std::uint32_t>(::getpid()) % 250) << 16 |
                        ((mix & 0xffff) | 1));
        refuses_ = new_socket();
        bind(refuses_);
    }
    runner(const runner&) = delete;
    runner& operator=(const runner&) = delete;
    ~runner() {
        for (auto& s : slots_)
            drop(s);
        ::close(refuses_);
    }

    std::string run(const std::set<int>& skipped) {
        for (int i = 0; i < static_cast<int>(program_.steps.size()); ++i) {
            if (skipped.contains(i)) continue;
            const step& s = program_.steps[static_cast<std::size_t>(i)];
            index_ = i;
            text_ += "  " + std::to_string(i) + " " + to_string(s) + " = " + make(s) + "\n";
            settle();
            show_changes();
        }
        return text_;
    }

private:
    struct place {
        int fd = -1;
        std::string state;       // as it was shown last
        bool any_amount = false; // its peer was filled: how much is there is free
        bool any_room = false;   // and this is the peer, from which something was read
        int fills = -1;          // the slot whose direction here is full
    };

    static std::string value(long result) {
        return result < 0 ? error_name(errno) : std::to_string(result);
    }
    place& at(int i) { return slots_[static_cast<std::size_t>(i)]; }
    int fd(int i) { return i < 0 ? -1 : at(i).fd; }

    void settle() const {
        if (how_.settle_ms >= 0) ::poll(nullptr, 0, how_.settle_ms);
    }

    int new_socket() const {
        const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        const int on = 1;
        ::setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        ::setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        return made;
    }
    int bind(int socket) const {
        sockaddr_in here{};
        here.sin_family = AF_INET;
        here.sin_addr.s_addr = address_;
        return ::bind(socket, reinterpret_cast<const sockaddr*>(&here), sizeof here);
    }
    static int reset_at_close(int socket) {
        const ::linger at_once{1, 0};
        return ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    /// Ends it without leaving a port waiting.
    static void drop(place& s) {
        if (s.fd < 0) return;
        reset_at_close(s.fd);
        ::close(s.fd);
        s = {};
    }
    std::string put(int i, int made) {
        const std::string text = made < 0 ? error_name(errno) : "ok";
        drop(at(i)); // only where a close was left out
        at(i) = {};
        at(i).fd = made;
        return text;
    }

    std::string connect(const step& s) {
        // Unbound it might get, by chance, the very port that it connects to: itself.
        sockaddr_in own{};
        socklen_t own_size = sizeof own;
        if (::getsockname(fd(s.slot), reinterpret_cast<sockaddr*>(&own), &own_size) == 0 &&
            own.sin_family == AF_INET && own.sin_port == 0)
            bind(fd(s.slot));
        sockaddr_in to{};
        socklen_t size = sizeof to;
        const bool named =
            ::getsockname(fd(s.other), reinterpret_cast<sockaddr*>(&to), &size) == 0 &&
            to.sin_family == AF_INET && to.sin_port != 0;
        if (!named) {
            size = sizeof to;
            ::getsockname(refuses_, reinterpret_cast<sockaddr*>(&to), &size);
        }
        return value(::connect(fd(s.slot), reinterpret_cast<const sockaddr*>(&to), size));
    }

    std::string send(const step& s) const {
        std::string data(static_cast<std::size_t>(s.size), ' ');
        for (std::size_t i = 0; i < data.size(); ++i)
            data[i] = static_cast<char>('a' + (i + static_cast<std::size_t>(index_) * 7) % 26);
        return value(::send(slots_[static_cast<std::size_t>(s.slot)].fd, data.data(), data.size(),
                            static_cast<int>(s.flags) | MSG_NOSIGNAL));
    }

    std::string recv(const step& s) {
        std::string room(static_cast<std::size_t>(s.size), '?');
        const auto n = ::recv(fd(s.slot), room.data(), room.size(), static_cast<int>(s.flags));
        if (n < 0) return error_name(errno);
        if (s.any_amount && n > 0) {
            if (at(s.slot).fills >= 0) at(at(s.slot).fills).any_room = true;
            return "some";
        }
        room.resize(static_cast<std::size_t>(n));
        if (room.size() <= shown_whole) return std::to_string(n) + " " + room;
        std::uint32_t hash = 2166136261U;
        for (const char c : room)
            hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
        return std::to_string(n) + " #" + std::to_string(hash);
    }

    std::string fill(const step& s) {
        const std::string data(16384, 'f');
        const auto fits = [&](std::size_t size) {
            bool any = false;
            while (::send(fd(s.slot), data.data(), size, MSG_NOSIGNAL) > 0)
                any = true;
            return any;
        };
        pollfd room{fd(s.slot), POLLOUT, 0};
        do {
            bool any = true;
            while (any) {
                any = fits(data.size());
                any = fits(256) || any;
                any = fits(1) || any;
            }
            if (errno != EAGAIN) return error_name(errno);
        } while (::poll(&room, 1, longer_than_delayed_ack_ms) > 0 || fits(1));
        for (int i = 0; i < program_.slots; ++i)
            if (is_peer(i, s.slot)) {
                at(i).any_amount = true;
                at(i).fills = s.slot;
            }
        return "full";
    }
    /// Whether one is the other's peer, as the program made them: fills come only in such programs.
    bool is_peer(int a, int b) const {
        int peer = -1;
        for (int i = 0; i <= index_; ++i) {
            const step& s = program_.steps[static_cast<std::size_t>(i)];
            if (s.what == call::make_pair && s.slot == b) peer = s.other;
            if (s.what == call::make_pair && s.other == b) peer = s.slot;
            if (s.what == call::connect && s.slot == b)
                peer = program_.steps[static_cast<std::size_t>(i) + 1].slot;
            if (s.what == call::accept && s.slot == b)
                peer = program_.steps[static_cast<std::size_t>(i) - 1].slot;
        }
        return peer == a;
    }

    std::string drain(const step& s) {
        std::string room(65536, '?');
        std::string end = "EBADF";
        pollfd more{fd(s.slot), POLLIN, 0};
        do {
            ssize_t n = 0;
            do
                n = ::recv(fd(s.slot), room.data(), room.size(), 0);
            while (n > 0);
            end = n == 0 ? "0" : error_name(errno);
        } while (end == "EAGAIN" && ::poll(&more, 1, longer_than_delayed_ack_ms) > 0);
        at(s.slot).any_amount = false;
        if (at(s.slot).fills >= 0) at(at(s.slot).fills).any_room = false;
        at(s.slot).fills = -1;
        return end;
    }

    std::string wait(const step& s) const {
        epoll_event events[32] = {};
        const int n = ::epoll_wait(slots_[static_cast<std::size_t>(s.slot)].fd, events, 32, 0);
        if (n < 0) return error_name(errno);
        std::vector<std::string> shown;
        for (int i = 0; i < n; ++i)
            shown.push_back("d" + std::to_string(events[i].data.u64) + ":" +
                            event_bits(events[i].events));
        if (!how_.in_order) std::sort(shown.begin(), shown.end());
        std::string text = std::to_string(n);
        for (const auto& event : shown)
            text += " " + event;
        return text;
    }

    std::string control(const step& s, int operation) {
        epoll_event event{};
        event.events = s.flags;
        event.data.u64 = static_cast<std::uint64_t>(s.slot);
        return value(::epoll_ctl(fd(s.other), operation, fd(s.slot), &event));
    }

    std::string get_option(int slot, const fuzz_option& which) {
        int result = -1;
        socklen_t size = sizeof result;
        if (::getsockopt(fd(slot), which.level, which.option, &result, &size) != 0)
            return error_name(errno);
        return which.option == SO_ERROR && which.level == SOL_SOCKET && result != 0
                   ? error_name(result)
                   : std::to_string(result);
    }

    std::string make(const step& s) {
        switch (s.what) {
        case call::make_tcp:
            return put(s.slot, new_socket());
        case call::make_pair: {
            int both[2] = {-1, -1};
            ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both);
            put(s.slot, both[0]);
            return put(s.other, both[1]);
        }
        case call::make_epoll:
            return put(s.slot, ::epoll_create1(EPOLL_CLOEXEC));
        case call::make_counter:
            return put(s.slot, ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        case call::bind:
            return value(bind(fd(s.slot)));
        case call::listen:
            return value(::listen(fd(s.slot), static_cast<int>(s.size)));
        case call::connect:
            return connect(s);
        case call::accept:
            return put(s.slot,
                       ::accept4(fd(s.other), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        case call::dup:
            return put(s.slot, ::dup(fd(s.other)));
        case call::send:
            return send(s);
        case call::recv:
            return recv(s);
        case call::shutdown:
            return value(::shutdown(fd(s.slot), static_cast<int>(s.flags)));
        case call::close: {
            const std::string text = value(::close(fd(s.slot)));
            at(s.slot).fd = -1;
            return text;
        }
        case call::linger:
            return value(reset_at_close(fd(s.slot)));
        case call::set_option: {
            const auto& [level, option] = fuzz_options()[s.flags];
            const int to = static_cast<int>(s.size);
            return value(::setsockopt(fd(s.slot), level, option, &to, sizeof to));
        }
        case call::get_option:
            return get_option(s.slot, fuzz_options()[s.flags]);
        case call::so_error:
            return get_option(s.slot, {SOL_SOCKET, SO_ERROR});
        case call::peer_name: {
            sockaddr_storage room{};
            socklen_t size = sizeof room;
            return value(::getpeername(fd(s.slot), reinterpret_cast<sockaddr*>(&room), &size));
        }
        case call::add:
            return control(s, EPOLL_CTL_ADD);
        case call::mod:
            return control(s, EPOLL_CTL_MOD);
        case call::del:
            return control(s, EPOLL_CTL_DEL);
        case call::wait:
            return wait(s);
        case call::counter_add: {
            const auto added = static_cast<std::uint64_t>(s.size);
            return value(::write(fd(s.slot), &added, sizeof added));
        }
        case call::counter_take: {
            std::uint64_t taken = 0;
            const auto n = ::read(fd(s.slot), &taken, sizeof taken);
            return n < 0 ? error_name(errno) : std::to_string(taken);
        }
        case call::fill:
            return fill(s);
        case call::drain:
            return drain(s);
        }
        return "?";
    }

    /// One line for each descriptor whose poll bits or FIONREAD are not as they were.
    void show_changes() {
        std::vector<pollfd> all;
        for (const auto& s : slots_)
            all.push_back({s.fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0});
        ::poll(all.data(), all.size(), 0);
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            place& s = slots_[i];
            std::string now;
            if (s.fd >= 0) {
                auto bits = static_cast<unsigned short>(all[i].revents);
                if (s.any_room) bits &= static_cast<unsigned short>(~POLLOUT);
                now = event_bits(bits);
                int readable = -1;
                if (::ioctl(s.fd, FIONREAD, &readable) == 0)
                    now += " " + (s.any_amount && readable > 0 ? "some" : std::to_string(readable));
            }
            if (now != s.state)
                text_ += "      d" + std::to_string(i) + " " + (now.empty() ? "-" : now) + "\n";
            s.state = now;
        }
    }

    const fuzz_program& program_;
    const fuzz_settings& how_;
    std::vector<place> slots_;
    std::uint32_t address_ = 0;
    int refuses_ = -1;
    int index_ = 0;
    std::string text_;
};

} // namespace

std::string run_program(const fuzz_program& program, const fuzz_settings& how, std::uint64_t seed,
                        const std::set<int>& skipped) {
    return runner{program, how, seed}.run(skipped);
}

} // namespace behaviour
