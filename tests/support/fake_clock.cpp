#include <support/fake_clock.hpp>

#include <dunlin/sys/clock.hpp>

#include <atomic>
#include <cstdint>

namespace {

std::atomic<std::int64_t> present{1'000'000'000'000};

} // namespace

namespace dunlin {

// In place of lib/dunlin/sys/clock.cpp, which holds nothing else, so that the linker leaves it out.
std::int64_t sys::monotonic_now() noexcept { return present.load(); }

void test::fake_clock::advance(std::chrono::nanoseconds span) noexcept { present += span.count(); }

} // namespace dunlin
