// The one clock of the framework: monotonic, in nanoseconds, and moved by the simulation.
//
// `std::chrono::steady_clock` would read the same hardware but escape a simulated kernel, so
// deadlines here have a type of their own. See clock_gettime(2), CLOCK_MONOTONIC.
#pragma once

#include <dunlin/util/api.hpp>
#include <dunlin/util/chrono.hpp>

#include <cstdint>
#include <type_traits>

namespace dunlin {

/// A Clock in the sense of <chrono>.
struct monotonic_clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<monotonic_clock>;
    static constexpr bool is_steady = true;

    /// What time it is, asked of the kernel. Any thread.
    [[nodiscard]] DUNLIN_API static time_point now() noexcept;
};

/// A point in time; a deadline.
using time_point = monotonic_clock::time_point;

/// What time it is, asked of the kernel. Any thread.
[[nodiscard]] inline time_point now() noexcept { return monotonic_clock::now(); }

namespace detail {

/// `from + span` for any span, without overflow: what lies beyond the clock's range is its end.
[[nodiscard]] constexpr std::int64_t deadline_after(std::int64_t from,
                                                    std::chrono::nanoseconds span) noexcept {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(from, span.count(), &sum))
        return span.count() > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

/// A span of any unit in nanoseconds, clamped to what they can count.
template <class Rep, class Period>
[[nodiscard]] constexpr std::chrono::nanoseconds
clamp_to_nanoseconds(std::chrono::duration<Rep, Period> span) noexcept {
    using std::chrono::nanoseconds;
    if constexpr (std::is_floating_point_v<Rep>) {
        // Compared as what it is cast from: the conversion itself may round up to the range's end.
        const std::chrono::duration<Rep, std::nano> fine{span};
        constexpr auto end = static_cast<Rep>(9223372036854775808.0L); // 2^63
        if (!(fine.count() < end)) return nanoseconds::max();          // NaN, too
        if (fine.count() <= -end) return nanoseconds::min();
        return std::chrono::ceil<nanoseconds>(fine);
    }
    // Compared in the span's own unit: converting first is what would overflow.
    using wide = std::chrono::duration<long double, std::nano>;
    if (!(wide{span} < wide{nanoseconds::max()})) return nanoseconds::max();
    if (wide{span} <= wide{nanoseconds::min()}) return nanoseconds::min();
    return std::chrono::ceil<nanoseconds>(span);
}

} // namespace detail

} // namespace dunlin
