// The only dice of the framework: the kernel's, or under simulation the seed's.
#pragma once

#include <dunlin/util/api.hpp>

#include <cstdint>

namespace dunlin {

/// 64 unpredictable bits. Any thread. See getrandom(2).
[[nodiscard]] DUNLIN_API std::uint64_t random_bits() noexcept;

} // namespace dunlin
