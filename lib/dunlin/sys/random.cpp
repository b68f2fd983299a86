#include <dunlin/sys/random.hpp>

#include <cerrno>
#include <sys/random.h>

namespace dunlin::sys {

std::uint64_t random_bits() noexcept {
    std::uint64_t bits = 0;
    // Up to 256 bytes come whole once the pool is ready; a signal can only interrupt the wait for
    // it.
    while (::getrandom(&bits, sizeof bits, 0) < 0 && errno == EINTR) {
    }
    return bits;
}

} // namespace dunlin::sys
