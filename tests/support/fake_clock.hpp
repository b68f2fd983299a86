// A clock that only the test moves. A program that links fake_clock.cpp (`fake_clock_tests` in
// meson.build) has it in place of the kernel's: it defines `dunlin::sys::monotonic_now()` itself.
#pragma once

#include <chrono>

namespace dunlin::test::fake_clock {

/// Time passes. Nothing is woken by that alone: take a turn.
void advance(std::chrono::nanoseconds span) noexcept;

} // namespace dunlin::test::fake_clock
