// For tests of tasks side by side: work that takes so long by the fake clock, and a way to see
// whether its frame is still there.
#pragma once

#include <dunlin/task/sleep.hpp>

#include <support/fake_clock.hpp>
#include <support/test_loop.hpp>

#include <chrono>
#include <memory>
#include <system_error>

namespace dunlin::test {

/// Lies in a frame and says how many are alive.
class in_frame {
public:
    in_frame() noexcept { ++alive; }
    in_frame(const in_frame&) = delete;
    in_frame& operator=(const in_frame&) = delete;
    ~in_frame() { --alive; }
    static inline int alive = 0;
};

inline io_task<int> value_after(std::chrono::nanoseconds span, int value) {
    const in_frame here;
    co_await sleep_for(span).or_return();
    co_return value;
}
inline io_task<> nothing_after(std::chrono::nanoseconds span) {
    const in_frame here;
    co_await sleep_for(span).or_return();
}
inline io_task<std::unique_ptr<int>> owned_after(std::chrono::nanoseconds span, int value) {
    const in_frame here;
    co_await sleep_for(span).or_return();
    co_return std::make_unique<int>(value);
}

/// Ignores a stop until its nap is over.
inline io_task<int> stubborn(std::chrono::nanoseconds span, std::error_code* why = nullptr) {
    const in_frame here;
    const auto slept = co_await sleep_for(1h);
    if (why != nullptr && !slept) *why = slept.error();
    co_await shield(sleep_for(span)).ignore();
    co_return 99;
}

/// It ends after so long, and not a nanosecond earlier.
template <class T>
void advance_to_end(test_loop& loop, std::chrono::nanoseconds span, pending<T>& started) {
    loop.run_until_idle();
    for (; span > 1s; span -= 1s) { // in steps, as one wait may begin when another ends
        fake_clock::advance(1s);
        loop.run_until_idle();
    }
    fake_clock::advance(span - 1ns);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(1ns);
    loop.run_until_idle();
    REQUIRE(started.is_done());
}

} // namespace dunlin::test
