// How an operation keeps what became of it, in one number: n >= 0 on success, else why not.
//
// The kernel's errors are -errno, ours lie far below them, so that nothing on the hot path builds a
// `result` before somebody looks at it.
#pragma once

#include <dunlin/sys/error.hpp>
#include <dunlin/util/api.hpp>

#include <cstdint>
#include <system_error>

namespace dunlin::detail {

/// Half a word: a call moves 0x7ffff000 bytes at most (read(2), send(2) in NOTES).
using outcome = std::int32_t;

/// That of what a system call, or a count, came to.
[[nodiscard]] constexpr outcome to_outcome(long n) noexcept { return static_cast<outcome>(n); }

/// The outcome of an operation that failed for a reason of ours.
[[nodiscard]] constexpr outcome failure(errc why) noexcept {
    return -0x10000 - static_cast<outcome>(why);
}

/// The error code of a negative outcome.
[[nodiscard]] DUNLIN_API std::error_code to_error(long failed) noexcept;

} // namespace dunlin::detail
