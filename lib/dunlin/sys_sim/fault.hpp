// What the kernel does by chance, though a real one seldom does it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dunlin::sys_sim {

enum class fault : std::uint8_t {
    short_transfer, ///< Less is taken, or has arrived, than could be.
    interrupted,    ///< EINTR, where the manual allows it.
    passing_time,   ///< A few microseconds pass within a call, and what is due happens.
    spurious_wake,  ///< epoll_wait reports a descriptor about which nothing is new.
    small_batch,    ///< epoll_wait gives one event, though there are more.
    shuffled,       ///< epoll_wait gives its events in another order.
    late,           ///< A segment takes far longer (up to 50 times the latency).
    reset,          ///< A connection is reset, as seen from a send or recv.
    refused_memory, ///< ENOBUFS or ENOMEM from send, socket, accept4, epoll_ctl.
    no_descriptor,  ///< EMFILE or ENFILE from accept4 and socket.
    aborted,        ///< ECONNABORTED from accept4.
    pause,          ///< A host's program stands still for a while.
    partition,      ///< Nothing gets through between two hosts for a while.
    clock_jump,     ///< A host's wall clock is set.
};
inline constexpr std::size_t fault_count = 14;

/// How often each strikes where it can: 0 to 1.
using fault_odds = std::array<double, fault_count>;

[[nodiscard]] std::string_view name_of(fault which) noexcept;

} // namespace dunlin::sys_sim
