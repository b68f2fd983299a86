#include <dunlin/sys_sim/call.hpp>

#include <dunlin/sys_sim/fault.hpp>

#include <cerrno>
#include <cstring>

namespace dunlin::sys_sim {

std::string_view name_of(call which) noexcept {
    static constexpr std::string_view names[] = {
        "accept4",       "bind",        "clock_gettime", "close",    "connect",     "dup",
        "epoll_create1", "epoll_ctl",   "epoll_wait",    "eventfd",  "fcntl",       "getpeername",
        "getrandom",     "getsockname", "getsockopt",    "ioctl",    "kill",        "listen",
        "open",          "pipe2",       "poll",          "read",     "recv",        "recvmsg",
        "send",          "sendmsg",     "setsockopt",    "shutdown", "sigaction",   "sigmask",
        "signalfd",      "socket",      "socketpair",    "write",    "getaddrinfo",
    };
    static_assert(sizeof names / sizeof *names == call_count);
    return names[static_cast<std::size_t>(which)];
}

std::string_view name_of(fault which) noexcept {
    static constexpr std::string_view names[] = {
        "short transfer", "interrupted", "passing time", "spurious wake",  "small batch",
        "shuffled",       "late",        "reset",        "refused memory", "no descriptor",
        "aborted",        "pause",       "partition",    "clock jump",
    };
    static_assert(sizeof names / sizeof *names == fault_count);
    return names[static_cast<std::size_t>(which)];
}

std::string_view name_of_error(int error_number) noexcept {
    const char* const name = ::strerrorname_np(error_number);
    return name != nullptr ? name : "an unknown error";
}

} // namespace dunlin::sys_sim
