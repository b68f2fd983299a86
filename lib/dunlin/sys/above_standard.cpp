#include <dunlin/sys/above_standard.hpp>

#include <dunlin/sys/os.hpp>

#include <cerrno>

namespace dunlin::sys {

int duplicated_above_standard(int made) noexcept {
    const int higher = os::fcntl(made, F_DUPFD_CLOEXEC, 3);
    const int why = errno;
    os::close(made);
    errno = why;
    return higher;
}

} // namespace dunlin::sys
