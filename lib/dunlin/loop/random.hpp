// The only dice of the framework: the kernel's, or under simulation the seed's.
#pragma once

#include <dunlin/util/api.hpp>

#include <cstdint>

namespace dunlin {

/// 64 unpredictable bits. Any thread. See getrandom(2). Where the kernel refuses (before
/// Linux 3.17, or under a seccomp filter that knows no better) they are 0, always.
[[nodiscard]] DUNLIN_API std::uint64_t random_bits() noexcept;

} // namespace dunlin
