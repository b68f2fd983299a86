#include <dunlin/sys/random.hpp>

#include <dunlin/sys/os.hpp>

#include <cerrno>

namespace dunlin::sys {

std::uint64_t random_bits() noexcept {
    std::uint64_t bits = 0;
    // Up to 256 bytes come whole once the pool is ready; a signal can only interrupt the wait for
    // it.
    while (os::getrandom(&bits, sizeof bits, 0) < 0 && errno == EINTR) {
    }
    return bits;
}

} // namespace dunlin::sys
