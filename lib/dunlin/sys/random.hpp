// The kernel's dice. Users call `dunlin::random_bits()` (loop/random.hpp). See getrandom(2).
#pragma once

#include <cstdint>

namespace dunlin::sys {

/// 64 unpredictable bits.
[[nodiscard]] std::uint64_t random_bits() noexcept;

} // namespace dunlin::sys
