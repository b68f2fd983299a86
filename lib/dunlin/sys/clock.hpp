// The kernel's clock. Time that decides anything in dunlin comes from here and nowhere else, so
// that a simulated kernel can move it; users call `dunlin::now()` (loop/clock.hpp).
#pragma once

#include <cstdint>

namespace dunlin::sys {

/// Nanoseconds of CLOCK_MONOTONIC, which no wall-clock change moves. See clock_gettime(2).
[[nodiscard]] std::int64_t monotonic_now() noexcept;

} // namespace dunlin::sys
