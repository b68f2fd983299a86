// What an operation that can fail gives back: a value or an error code.
//
// This is the one file that names Boost.Outcome. `result<T>` is its `std_result<T>`: `has_value()`,
// `value()`, `error()`, `assume_value()`, true in a condition when there is a value. In a plain
// function `BOOST_OUTCOME_TRY` (<boost/outcome/try.hpp>) passes an error up; in a coroutine
// `.or_return()` does. See the documentation of Boost.Outcome and docs/tour.md.
#pragma once

#include <boost/outcome/std_result.hpp>

#include <system_error>

namespace dunlin {

/// A value of type `T`, or the `std::error_code` that says why there is none.
template <class T = void>
using result = BOOST_OUTCOME_V2_NAMESPACE::std_result<T>;

/// Success without a value: `return dunlin::success();` in a function of `result<void>`.
[[nodiscard]] inline result<void> success() noexcept {
    return BOOST_OUTCOME_V2_NAMESPACE::success();
}

} // namespace dunlin
