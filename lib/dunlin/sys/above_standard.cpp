#include <dunlin/sys/above_standard.hpp>

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace dunlin::sys {

int duplicated_above_standard(int made) noexcept {
    const int higher = ::fcntl(made, F_DUPFD_CLOEXEC, 3);
    const int why = errno;
    ::close(made);
    errno = why;
    return higher;
}

} // namespace dunlin::sys
