// The system calls by name: for faults that are meant for one of them, and for the transcript.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dunlin::sys_sim {

enum class call : std::uint8_t {
    accept4,
    bind,
    clock_gettime,
    close,
    connect,
    dup,
    epoll_create1,
    epoll_ctl,
    epoll_wait,
    eventfd,
    fcntl,
    getpeername,
    getrandom,
    getsockname,
    getsockopt,
    ioctl,
    kill,
    listen,
    open,
    pipe2,
    poll,
    read,
    recv,
    recvmsg,
    send,
    sendmsg,
    setsockopt,
    shutdown,
    sigaction,
    sigmask,
    signalfd,
    socket,
    socketpair,
    write,
    getaddrinfo,
};
inline constexpr std::size_t call_count = 35;

/// As it is called in section 2 of the manual.
[[nodiscard]] std::string_view name_of(call which) noexcept;

/// "ECONNRESET" of ECONNRESET; its number in digits if it has no name here.
[[nodiscard]] std::string_view name_of_error(int error_number) noexcept;

} // namespace dunlin::sys_sim
