#include <dunlin/sys/foreign.hpp>

#include <dunlin/sys/os.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>

namespace dunlin::sys {

namespace {

int is_ready(int fd, short events) noexcept {
    pollfd entry{fd, events, 0};
    for (;;) {
        const int n = os::poll(&entry, 1, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n > 0 && (entry.revents & POLLNVAL) != 0) return -EBADF;
        return n;
    }
}

/// True if calls on this descriptor come back with EAGAIN by themselves.
bool is_nonblocking(int fd) noexcept {
    const int flags = os::fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

/// A terminal is writable when it has room for one byte, and a write(2) of more then blocks. Opened
/// anew its O_NONBLOCK is ours alone; where that is not to be had, one byte is what it has room
/// for.
long write_to_terminal(int fd, const std::byte* data, std::size_t size) noexcept {
    char path[32] = "/proc/self/fd/";
    char* const digits = path + sizeof "/proc/self/fd/" - 1;
    *std::to_chars(digits, path + sizeof path - 1, fd).ptr = '\0';
    const int own = os::open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own < 0) size = 1;
    ssize_t n = 0;
    do
        n = os::write(own < 0 ? fd : own, data, size);
    while (n < 0 && errno == EINTR);
    const long outcome = n < 0 ? -errno : n;
    if (own >= 0) os::close(own);
    return outcome;
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

bool is_terminal(int fd) noexcept { return os::isatty(fd) == 1; }

long read_some(int fd, std::byte* into, std::size_t size) noexcept {
    if (!is_nonblocking(fd)) {
        const int ready = is_readable_now(fd);
        if (ready < 0) return ready;
        if (ready == 0) return -EAGAIN;
    }
    for (;;) {
        const ssize_t n = os::read(fd, into, size);
        if (n >= 0) return n;
        if (errno != EINTR) return -errno;
    }
}

long write_some(int fd, const std::byte* data, std::size_t size) noexcept {
    if (!is_nonblocking(fd)) {
        const int ready = is_writable_now(fd);
        if (ready < 0) return ready;
        if (ready == 0) return -EAGAIN;
        if (is_terminal(fd)) return write_to_terminal(fd, data, size);
        // A pipe that poll(2) calls writable takes this many bytes without blocking (pipe(7)).
        size = std::min<std::size_t>(size, PIPE_BUF);
    }
    for (;;) {
        const ssize_t n = os::write(fd, data, size);
        if (n >= 0) return n;
        if (errno != EINTR) return -errno;
    }
}

void write_to_stderr(std::string_view words) noexcept {
    while (!words.empty()) {
        const ssize_t n = os::write(STDERR_FILENO, words.data(), words.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        words.remove_prefix(static_cast<std::size_t>(n));
    }
}

} // namespace dunlin::sys
