// The kernel's event counter, used to wake a scheduler from another thread or a signal handler.
// See eventfd(2).
#pragma once

#include <dunlin/result.hpp>
#include <dunlin/sys/fd.hpp>

namespace dunlin::sys {

/// A counter at zero, non-blocking and close-on-exec.
[[nodiscard]] result<unique_fd> make_eventfd() noexcept;

/// Makes the counter readable. A full counter is readable already, so EAGAIN counts as done.
/// Async-signal-safe: errno is left as it was.
void signal_eventfd(int eventfd) noexcept;

/// Sets the counter to zero.
void clear_eventfd(int eventfd) noexcept;

} // namespace dunlin::sys
