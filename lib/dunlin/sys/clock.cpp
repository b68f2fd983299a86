#include <dunlin/sys/clock.hpp>

#include <dunlin/sys/os.hpp>
#include <dunlin/util/planted.hpp>

namespace dunlin::sys {

std::int64_t monotonic_now() noexcept {
    timespec now;
    os::clock_gettime(DUNLIN_PLANTED(wall_clock) ? CLOCK_REALTIME : CLOCK_MONOTONIC,
                      &now); // cannot fail: the clock exists on every Linux
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

} // namespace dunlin::sys
