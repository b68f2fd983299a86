// The recorder itself, and the calls that make, name and end descriptors. Data: recorder_data.cpp;
// waiting, counters and signals: recorder_wait.cpp.
#include "recorder.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace behaviour {

namespace {

const char* how_name(int how) {
    switch (how) {
    case SHUT_RD:
        return "RD";
    case SHUT_WR:
        return "WR";
    case SHUT_RDWR:
        return "RDWR";
    default:
        return "other";
    }
}

const char* descriptor_flag(int flags) { return flags == FD_CLOEXEC ? "CLOEXEC" : "0"; }

/// The number that the next descriptor will get.
int lowest_free() {
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe >= 0) ::close(probe);
    return probe;
}

} // namespace

const outcome& outcome::is(long expected) const {
    if (value_ != expected) t_->fail("expected " + std::to_string(expected));
    return *this;
}

const outcome& outcome::is(std::string_view expected) const {
    if (shown_ != expected) t_->fail("expected " + std::string{expected});
    return *this;
}

const outcome& outcome::fails(int expected) const {
    if (value_ != -1 || error_ != expected) t_->fail("expected " + error_name(expected));
    return *this;
}

std::vector<situation>& situations() {
    static std::vector<situation> all;
    return all;
}

recorder::recorder() : base_{lowest_free()} {}

void recorder::fail(const std::string& what) {
    const auto begin = text_.rfind('\n', text_.size() - 2);
    failures_ += what + ", but:" + text_.substr(begin == std::string::npos ? 0 : begin + 1);
}

void recorder::check(bool holds, const char* claim) {
    if (!holds) fail(std::string{"not so: "} + claim);
}

void recorder::note(const std::string& text) { text_ += "  # " + text + "\n"; }

outcome recorder::line(const std::string& call, long value, int error, const std::string& shown) {
    text_ += "  " + call + " = ";
    text_ += value == -1 ? "-1 " + error_name(error) : std::to_string(value);
    if (!shown.empty()) text_ += " " + shown;
    text_ += "\n";
    return {*this, value, error, shown};
}

outcome recorder::opened(const std::string& call, const std::string& label, int fd, int error,
                         const std::string& shown) {
    text_ += "  " + call + " = ";
    if (fd < 0) {
        text_ += "-1 " + error_name(error);
    } else {
        know(label, fd);
        text_ += label + relative(fd);
    }
    if (!shown.empty()) text_ += " " + shown;
    text_ += "\n";
    return {*this, fd < 0 ? -1 : fd - base_, error, shown};
}

int recorder::number(const std::string& label) const {
    if (const auto found = numbers_.find(label); found != numbers_.end()) return found->second;
    return label == "9999" ? 9999 : -1;
}

void recorder::know(const std::string& label, int fd) {
    numbers_[label] = fd;
    open_.emplace_back(label, fd);
}

void recorder::forget(const std::string& label) {
    std::erase(open_, std::pair{label, number(label)});
}

std::string recorder::relative(int fd) const { return "#" + std::to_string(fd - base_); }

std::string recorder::port_symbol(int port) {
    if (port == 0) return "0";
    auto found = std::find(ports_.begin(), ports_.end(), port);
    if (found == ports_.end()) found = ports_.insert(ports_.end(), port);
    return "p" + std::to_string(found - ports_.begin() + 1);
}

void recorder::parse(const std::string& address, sockaddr_storage& out, socklen_t& size) const {
    out = {};
    if (address == "unspec") {
        out.ss_family = AF_UNSPEC;
        size = sizeof(sockaddr_in);
        return;
    }
    const auto colon = address.rfind(':');
    std::string host = address.substr(0, colon);
    const std::string service = address.substr(colon + 1);
    const auto port = service[0] == 'p'
                          ? ports_.at(static_cast<std::size_t>(std::stoi(service.substr(1))) - 1)
                          : std::stoi(service);
    if (host[0] == '[') {
        host = host.substr(1, host.size() - 2);
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(static_cast<std::uint16_t>(port));
        ::inet_pton(AF_INET6, host == "*" ? "::" : host.c_str(), &six.sin6_addr);
        std::memcpy(&out, &six, sizeof six);
        size = sizeof six;
    } else {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = htons(static_cast<std::uint16_t>(port));
        ::inet_pton(AF_INET, host == "*" ? "0.0.0.0" : host.c_str(), &four.sin_addr);
        std::memcpy(&out, &four, sizeof four);
        size = sizeof four;
    }
}

std::string recorder::show(const sockaddr_storage& address, socklen_t size) {
    if (size == 0) return "none";
    char host[INET6_ADDRSTRLEN] = {};
    if (address.ss_family == AF_INET) {
        sockaddr_in four;
        std::memcpy(&four, &address, sizeof four);
        ::inet_ntop(AF_INET, &four.sin_addr, host, sizeof host);
        return host + (":" + port_symbol(ntohs(four.sin_port)));
    }
    if (address.ss_family == AF_INET6) {
        sockaddr_in6 six;
        std::memcpy(&six, &address, sizeof six);
        ::inet_ntop(AF_INET6, &six.sin6_addr, host, sizeof host);
        return "[" + std::string{host} + "]:" + port_symbol(ntohs(six.sin6_port));
    }
    return family_name(address.ss_family) + "/" + std::to_string(size);
}

outcome recorder::socket(const std::string& label, int family, int type, int protocol) {
    const int fd = ::socket(family, type, protocol);
    const int error = errno;
    return opened("socket(" + family_name(family) + ", " + socket_type(type) + ", " +
                      std::to_string(protocol) + ")",
                  label, fd, error);
}

outcome recorder::pair(const std::string& a, const std::string& b, int type, int family) {
    int both[2] = {-1, -1};
    const int result = ::socketpair(family, type, 0, both);
    const int error = errno;
    std::string shown;
    if (result == 0) {
        know(a, both[0]);
        know(b, both[1]);
        shown = a + relative(both[0]) + " " + b + relative(both[1]);
    }
    return line("socketpair(" + family_name(family) + ", " + socket_type(type) + ")", result, error,
                shown);
}

outcome recorder::bind(const std::string& label, const std::string& address) {
    sockaddr_storage room;
    socklen_t size = 0;
    parse(address, room, size);
    const int result = ::bind(number(label), reinterpret_cast<const sockaddr*>(&room), size);
    return line("bind(" + label + ", " + address + ")", result, errno);
}

outcome recorder::listen(const std::string& label, int backlog) {
    const int result = ::listen(number(label), backlog);
    return line("listen(" + label + ", " + std::to_string(backlog) + ")", result, errno);
}

outcome recorder::connect(const std::string& label, const std::string& address) {
    sockaddr_storage room;
    socklen_t size = 0;
    parse(address, room, size);
    const int result = ::connect(number(label), reinterpret_cast<const sockaddr*>(&room), size);
    return line("connect(" + label + ", " + address + ")", result, errno);
}

outcome recorder::accept(const std::string& label, const std::string& listener, int flags) {
    sockaddr_storage room{};
    socklen_t size = sizeof room;
    const int fd = ::accept4(number(listener), reinterpret_cast<sockaddr*>(&room), &size, flags);
    const int error = errno;
    return opened("accept4(" + listener + ", " + socket_type(flags) + ")", label, fd, error,
                  fd < 0 ? "" : show(room, size));
}

outcome recorder::shutdown(const std::string& label, int how) {
    const int result = ::shutdown(number(label), how);
    return line("shutdown(" + label + ", " + how_name(how) + ")", result, errno);
}

outcome recorder::close(const std::string& label) {
    const int result = ::close(number(label));
    const int error = errno;
    if (result == 0) forget(label);
    return line("close(" + label + ")", result, error);
}

outcome recorder::getsockname(const std::string& label) {
    sockaddr_storage room{};
    socklen_t size = sizeof room;
    const int result = ::getsockname(number(label), reinterpret_cast<sockaddr*>(&room), &size);
    const int error = errno;
    return line("getsockname(" + label + ")", result, error, result == 0 ? show(room, size) : "");
}

outcome recorder::getpeername(const std::string& label) {
    sockaddr_storage room{};
    socklen_t size = sizeof room;
    const int result = ::getpeername(number(label), reinterpret_cast<sockaddr*>(&room), &size);
    const int error = errno;
    return line("getpeername(" + label + ")", result, error, result == 0 ? show(room, size) : "");
}

outcome recorder::get(const std::string& label, int level, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    const int result = ::getsockopt(number(label), level, option, &value, &size);
    const int error = errno;
    const std::string call = "getsockopt(" + label + ", " + option_name(level, option) + ")";
    if (result != 0) return line(call, result, error);
    if (option == SO_ERROR && level == SOL_SOCKET)
        return line(call, 0, 0, value == 0 ? "0" : error_name(value));
    return line(call, 0, 0, std::to_string(value));
}

outcome recorder::set(const std::string& label, int level, int option, int value) {
    const int result = ::setsockopt(number(label), level, option, &value, sizeof value);
    return line("setsockopt(" + label + ", " + option_name(level, option) + ", " +
                    std::to_string(value) + ")",
                result, errno);
}

outcome recorder::linger(const std::string& label, int on, int seconds) {
    const ::linger value{on, seconds};
    const int result = ::setsockopt(number(label), SOL_SOCKET, SO_LINGER, &value, sizeof value);
    return line("setsockopt(" + label + ", SO_LINGER, " + std::to_string(on) + "/" +
                    std::to_string(seconds) + " s)",
                result, errno);
}

outcome recorder::get_linger(const std::string& label) {
    ::linger value{};
    socklen_t size = sizeof value;
    const int result = ::getsockopt(number(label), SOL_SOCKET, SO_LINGER, &value, &size);
    const int error = errno;
    return line("getsockopt(" + label + ", SO_LINGER)", result, error,
                std::to_string(value.l_onoff) + "/" + std::to_string(value.l_linger) + " s");
}

outcome recorder::readable_bytes(const std::string& label) {
    int value = -1;
    const int result = ::ioctl(number(label), FIONREAD, &value);
    const int error = errno;
    return line("ioctl(" + label + ", FIONREAD)", result, error,
                result == 0 ? std::to_string(value) : "");
}

outcome recorder::unsent_bytes(const std::string& label) {
    int value = -1;
    const int result = ::ioctl(number(label), TIOCOUTQ, &value);
    const int error = errno;
    return line("ioctl(" + label + ", TIOCOUTQ)", result, error,
                result == 0 ? std::to_string(value) : "");
}

outcome recorder::set_nonblocking(const std::string& label, bool on) {
    int value = on ? 1 : 0;
    const int result = ::ioctl(number(label), FIONBIO, &value);
    return line("ioctl(" + label + ", FIONBIO, " + std::to_string(value) + ")", result, errno);
}

outcome recorder::getfd(const std::string& label) {
    const int result = ::fcntl(number(label), F_GETFD);
    const int error = errno;
    return line("fcntl(" + label + ", F_GETFD)", result, error,
                result < 0 ? "" : descriptor_flag(result));
}

outcome recorder::setfd(const std::string& label, int flags) {
    const int result = ::fcntl(number(label), F_SETFD, flags);
    return line("fcntl(" + label + ", F_SETFD, " + descriptor_flag(flags) + ")", result, errno);
}

outcome recorder::getfl(const std::string& label) {
    const int result = ::fcntl(number(label), F_GETFL);
    const int error = errno;
    // The number itself has bits that belong to the kernel's build; the names are what is promised.
    return line("fcntl(" + label + ", F_GETFL)", result < 0 ? -1 : 0, error,
                result < 0 ? "" : status_flags(result));
}

outcome recorder::setfl(const std::string& label, int flags) {
    const int result = ::fcntl(number(label), F_SETFL, flags);
    return line("fcntl(" + label + ", F_SETFL, " + status_flags(flags) + ")", result, errno);
}

outcome recorder::dup(const std::string& label, const std::string& original) {
    const int fd = ::dup(number(original));
    return opened("dup(" + original + ")", label, fd, errno);
}

outcome recorder::dup2(const std::string& original, const std::string& onto) {
    const int fd = ::dup2(number(original), number(onto));
    const int error = errno;
    return line("dup2(" + original + ", " + onto + ")", fd < 0 ? -1 : 0, error,
                fd < 0 ? "" : relative(fd));
}

outcome recorder::dup3(const std::string& original, const std::string& onto, int flags) {
    const int fd = ::dup3(number(original), number(onto), flags);
    const int error = errno;
    return line("dup3(" + original + ", " + onto + ", " + (flags == O_CLOEXEC ? "CLOEXEC" : "0") +
                    ")",
                fd < 0 ? -1 : 0, error, fd < 0 ? "" : relative(fd));
}

outcome recorder::dup_from(const std::string& label, const std::string& original, int lowest,
                           bool close_on_exec) {
    const int command = close_on_exec ? F_DUPFD_CLOEXEC : F_DUPFD;
    const int fd = ::fcntl(number(original), command, base_ + lowest);
    const int error = errno;
    return opened("fcntl(" + original + ", F_DUPFD" + (close_on_exec ? "_CLOEXEC" : "") + ", #" +
                      std::to_string(lowest) + ")",
                  label, fd, error);
}

void recorder::listener(const std::string& label, int backlog) {
    tcp(label);
    set(label, SO_REUSEADDR, 1).is(0);
    bind(label, "127.0.0.1:0").is(0);
    getsockname(label).is(0);
    listen(label, backlog).is(0);
}

void recorder::connected(const std::string& client, const std::string& server,
                         const std::string& listener) {
    tcp(client);
    connect(client, getsockname(listener).shown()).fails(EINPROGRESS);
    poll(client, POLLOUT, 1000).is("OUT");
    poll(listener, POLLIN, 1000).is("IN");
    accept(server, listener);
}

void recorder::tcp_pair() {
    listener("l");
    connected("c", "s", "l");
}

void recorder::reset(const std::string& label) {
    linger(label, 1, 0).is(0);
    close(label).is(0);
    settle();
}

void recorder::finish() {
    while (!open_.empty()) {
        const auto [label, fd] = open_.front();
        numbers_[label] = fd; // a label given twice names two
        close(label).is(0);
    }
    if (const int now = lowest_free(); now != base_)
        failures_ += "the lowest free descriptor was " + std::to_string(base_) + ", and is " +
                     std::to_string(now) + " at the end\n";
}

} // namespace behaviour
