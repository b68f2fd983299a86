// How an operation keeps what became of it, in one word: n >= 0 on success, else why not.
//
// The kernel's errors are -errno, ours lie far below them, so that nothing on the hot path builds a
// `result` before somebody looks at it.
#pragma once

#include <dunlin/sys/error.hpp>
#include <dunlin/util/api.hpp>

#include <system_error>

namespace dunlin::detail {

using outcome = long;

/// The outcome of an operation that failed for a reason of ours.
[[nodiscard]] constexpr outcome failure(errc why) noexcept {
    return -0x10000 - static_cast<outcome>(why);
}

/// The error code of a negative outcome.
[[nodiscard]] DUNLIN_API std::error_code to_error(outcome failed) noexcept;

} // namespace dunlin::detail
