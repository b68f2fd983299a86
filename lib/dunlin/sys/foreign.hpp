// Reading, writing and polling descriptors that somebody else made: pipes, terminals, files. Their
// O_NONBLOCK is shared with other processes, so it is never changed here; what would block is
// recognised beforehand.
#pragma once

#include <cstddef>
#include <string_view>

namespace dunlin::sys {

/// Whether poll(2) would say so now: 1 yes, 0 no, or -errno (-EBADF for a number that is not open).
/// Hang-up and error count as both, as they do for a read(2) or write(2) that would not block.
[[nodiscard]] int is_readable_now(int fd) noexcept;
[[nodiscard]] int is_writable_now(int fd) noexcept;

/// See isatty(3).
[[nodiscard]] bool is_terminal(int fd) noexcept;

/// read(2) and write(2) that do not block on a pipe, socket or terminal, whatever the flags of the
/// descriptor: bytes moved, 0 at the end, or -errno, -EAGAIN instead of blocking. A regular file or
/// a disk may take its time: the kernel never calls them unready.
///
/// Between the look and the call another reader may take what was there; then the call may block.
[[nodiscard]] long read_some(int fd, std::byte* into, std::size_t size) noexcept;
[[nodiscard]] long write_some(int fd, const std::byte* data, std::size_t size) noexcept;

/// Puts words on standard error as they are. For assertions and `run`: nobody hears of a failure.
void write_to_stderr(std::string_view words) noexcept;

} // namespace dunlin::sys
