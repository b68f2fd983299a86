// Signals as something to read: which are blocked in this thread, and a descriptor that gives those
// that have come. See signalfd(2), pthread_sigmask(3).
#pragma once

#include <dunlin/result.hpp>
#include <dunlin/sys/fd.hpp>

#include <cstdint>
#include <span>

namespace dunlin::sys {

/// A set of signals: bit n - 1 stands for signal n.
using signal_bits = std::uint64_t;

/// The set of these. Errors: invalid_argument if one is no signal, or SIGKILL or SIGSTOP, which
/// nobody can wait for.
[[nodiscard]] result<signal_bits> to_signal_bits(std::span<const int> numbers) noexcept;

/// Blocks them in this thread; gives those that were not blocked before.
[[nodiscard]] signal_bits block_signals(signal_bits which) noexcept;

/// Lets them through again in this thread; one that is pending is delivered at once.
void unblock_signals(signal_bits which) noexcept;

/// A descriptor from which these are read, as far as they are blocked. Non-blocking, close-on-exec.
[[nodiscard]] result<unique_fd> make_signalfd(signal_bits which) noexcept;

/// One signal that came.
struct signal_record {
    int number = 0;
    int code = 0;           ///< si_code: SI_USER, SI_QUEUE, … See sigaction(2).
    std::int32_t pid = 0;   ///< Who sent it, for those that a process sent.
    std::uint32_t uid = 0;  ///< The sender's real user.
    std::int32_t value = 0; ///< What sigqueue(3) was given.
};

/// Takes one signal: its number, or -errno; -EAGAIN when none is pending.
[[nodiscard]] long read_signal(int signalfd, signal_record& into) noexcept;

} // namespace dunlin::sys
