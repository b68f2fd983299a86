#include <dunlin/sys/foreign.hpp>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

namespace dunlin::sys {

namespace {

int is_ready(int fd, short events) noexcept {
    pollfd entry{fd, events, 0};
    for (;;) {
        const int n = ::poll(&entry, 1, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n > 0 && (entry.revents & POLLNVAL) != 0) return -EBADF;
        return n;
    }
}

/// True if calls on this descriptor come back with EAGAIN by themselves.
bool is_nonblocking(int fd) noexcept {
    const int flags = ::fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

} // namespace

int is_readable_now(int fd) noexcept {
    if (fd < 0) return -EBADF; // poll(2) would pass over it
    return is_ready(fd, POLLIN | POLLRDHUP);
}

int is_writable_now(int fd) noexcept {
    if (fd < 0) return -EBADF;
    return is_ready(fd, POLLOUT);
}

bool is_terminal(int fd) noexcept { return ::isatty(fd) == 1; }

long read_some(int fd, std::byte* into, std::size_t size) noexcept {
    if (!is_nonblocking(fd)) {
        const int ready = is_readable_now(fd);
        if (ready < 0) return ready;
        if (ready == 0) return -EAGAIN;
    }
    for (;;) {
        const ssize_t n = ::read(fd, into, size);
        if (n >= 0) return n;
        if (errno != EINTR) return -errno;
    }
}

long write_some(int fd, const std::byte* data, std::size_t size) noexcept {
    if (!is_nonblocking(fd)) {
        const int ready = is_writable_now(fd);
        if (ready < 0) return ready;
        if (ready == 0) return -EAGAIN;
        // A pipe that poll(2) calls writable takes this many bytes without blocking (pipe(7)).
        size = std::min<std::size_t>(size, PIPE_BUF);
    }
    for (;;) {
        const ssize_t n = ::write(fd, data, size);
        if (n >= 0) return n;
        if (errno != EINTR) return -errno;
    }
}

void write_to_stderr(std::string_view words) noexcept {
    while (!words.empty()) {
        const ssize_t n = ::write(STDERR_FILENO, words.data(), words.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        words.remove_prefix(static_cast<std::size_t>(n));
    }
}

} // namespace dunlin::sys
