#include <dunlin/loop/clock.hpp>

#include <dunlin/sys/clock.hpp>

namespace dunlin {

time_point monotonic_clock::now() noexcept { return time_point{duration{sys::monotonic_now()}}; }

} // namespace dunlin
