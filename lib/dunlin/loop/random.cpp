#include <dunlin/loop/random.hpp>

#include <dunlin/sys/random.hpp>

namespace dunlin {

std::uint64_t random_bits() noexcept { return sys::random_bits(); }

} // namespace dunlin
