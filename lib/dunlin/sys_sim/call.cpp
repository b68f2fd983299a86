#include <dunlin/sys_sim/call.hpp>

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

std::string_view name_of_error(int error_number) noexcept {
    const char* const name = ::strerrorname_np(error_number);
    return name != nullptr ? name : "an unknown error";
}

} // namespace dunlin::sys_sim
