#include <dunlin/sys/eventfd.hpp>

#include <dunlin/sys/above_standard.hpp>
#include <dunlin/sys/os.hpp>
#include <dunlin/util/planted.hpp>

#include <cerrno>
#include <cstdint>

namespace dunlin::sys {

result<unique_fd> make_eventfd() noexcept {
    const int fd = above_standard(os::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (fd < 0) return std::error_code{errno, std::system_category()};
    return unique_fd{fd};
}

void signal_eventfd(int eventfd) noexcept {
    const int kept = errno;
    const std::uint64_t one = 1;
    while (os::write(eventfd, &one, sizeof one) < 0 && errno == EINTR &&
           !DUNLIN_PLANTED(wake_without_eintr)) {
    }
    errno = kept;
}

void clear_eventfd(int eventfd) noexcept {
    std::uint64_t count = 0;
    while (os::read(eventfd, &count, sizeof count) < 0 && errno == EINTR) {
    }
}

} // namespace dunlin::sys
