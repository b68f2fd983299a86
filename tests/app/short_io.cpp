// Preloaded into the echo program: its calls move 1 to 13 bytes, are interrupted, or find nothing
// yet.
//
// A kernel that does so keeps a promise to edge-triggered readers: what is left over comes with a
// new edge. So each call that is cut short here re-arms the descriptor's registration
// (EPOLL_CTL_MOD with what was registered last), which is exactly such an edge. A descriptor that
// was never registered needs none: adding it reports what is ready.
//
// DUNLIN_SHORT_IO is a list of words: short, eintr, again (EAGAIN, then an edge), aborted
// (ECONNABORTED on accept), enobufs (on send). The dice are seeded by DUNLIN_SHORT_IO_SEED, so a
// failure repeats.
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

struct registration {
    int epoll = -1;
    epoll_event event{};
};
registration registered[65'536];

bool asked_for(const char* word) {
    const char* words = std::getenv("DUNLIN_SHORT_IO");
    return words != nullptr && std::strstr(words, word) != nullptr;
}

struct settings {
    bool is_short = asked_for("short");
    bool eintr = asked_for("eintr");
    bool again = asked_for("again");
    bool aborted = asked_for("aborted");
    bool enobufs = asked_for("enobufs");
};

const settings& wanted() {
    static const settings chosen;
    return chosen;
}

/// True once in `sides` throws. An xorshift generator; the program has one thread that does I/O.
bool throws(unsigned sides, unsigned* value = nullptr) {
    static unsigned state = [] {
        const char* seed = std::getenv("DUNLIN_SHORT_IO_SEED");
        return seed != nullptr ? static_cast<unsigned>(std::atoi(seed)) * 2U + 1U : 1U;
    }();
    state ^= state << 13U;
    state ^= state >> 17U;
    state ^= state << 5U;
    if (value != nullptr) *value = state % sides;
    return state % sides == 0;
}

int give(int error) {
    errno = error;
    return -1;
}

bool is_socket(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    const int before = errno;
    const bool yes =
        ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
    errno = before;
    return yes;
}

/// Makes the kernel report once more what is ready on `fd`.
void raise_edge(int fd) {
    if (fd < 0 || fd >= 65'536 || registered[fd].epoll < 0) return;
    const int before = errno;
    epoll_event event = registered[fd].event;
    ::syscall(SYS_epoll_ctl, registered[fd].epoll, EPOLL_CTL_MOD, fd, &event);
    errno = before;
}

/// What the call must answer instead of doing its work, or 0.
int refused(int fd, bool sends) {
    if (wanted().eintr && throws(5)) return EINTR;
    if (sends && wanted().enobufs && throws(40)) return ENOBUFS;
    if (wanted().again && throws(4)) {
        raise_edge(fd);
        return EAGAIN;
    }
    return 0;
}

size_t cut(size_t size) {
    if (!wanted().is_short) return size;
    unsigned less = 0;
    throws(13, &less);
    return size < less + 1 ? size : less + 1;
}

long transfer(long call, int fd, void* data, size_t size, int flags, bool sends) {
    if (!is_socket(fd)) {
        return ::syscall(sends ? SYS_write : SYS_read, fd, data, size);
    }
    if (const int why = refused(fd, sends)) return give(why);
    const size_t less = cut(size);
    const long moved = ::syscall(call, fd, data, less, flags, nullptr, nullptr);
    if (less < size && moved > 0) raise_edge(fd);
    return moved;
}

/// Gathered and scattered calls move the beginning of their first buffer that is not empty.
long transfer_first(long call, int fd, const iovec* parts, size_t count, int flags, bool sends) {
    for (size_t i = 0; i < count; ++i)
        if (parts[i].iov_len > 0)
            return transfer(call, fd, parts[i].iov_base, parts[i].iov_len, flags, sends);
    return 0;
}

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
    const long done = ::syscall(SYS_epoll_ctl, epoll, operation, fd, event);
    if (done == 0 && fd >= 0 && fd < 65'536) {
        if (operation == EPOLL_CTL_DEL)
            registered[fd] = {};
        else
            registered[fd] = {epoll, *event};
    }
    return static_cast<int>(done);
}

EXPORT int close(int fd) {
    if (fd >= 0 && fd < 65'536) registered[fd] = {};
    return static_cast<int>(::syscall(SYS_close, fd));
}

EXPORT int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
    if (wanted().eintr && throws(3)) return give(EINTR);
    if (wanted().aborted && throws(3)) return give(ECONNABORTED);
    return static_cast<int>(::syscall(SYS_accept4, fd, address, size, flags));
}

EXPORT ssize_t recv(int fd, void* into, size_t size, int flags) {
    return transfer(SYS_recvfrom, fd, into, size, flags, false);
}

EXPORT ssize_t recvmsg(int fd, msghdr* message, int flags) {
    return transfer_first(SYS_recvfrom, fd, message->msg_iov, message->msg_iovlen, flags, false);
}

EXPORT ssize_t send(int fd, const void* data, size_t size, int flags) {
    return transfer(SYS_sendto, fd, const_cast<void*>(data), size, flags, true);
}

EXPORT ssize_t sendmsg(int fd, const msghdr* message, int flags) {
    return transfer_first(SYS_sendto, fd, message->msg_iov, message->msg_iovlen, flags, true);
}

EXPORT ssize_t read(int fd, void* into, size_t size) {
    return transfer(SYS_recvfrom, fd, into, size, 0, false);
}

EXPORT ssize_t write(int fd, const void* data, size_t size) {
    return transfer(SYS_sendto, fd, const_cast<void*>(data), size, MSG_NOSIGNAL, true);
}

EXPORT ssize_t readv(int fd, const iovec* parts, int count) {
    if (!is_socket(fd)) return ::syscall(SYS_readv, fd, parts, count);
    return transfer_first(SYS_recvfrom, fd, parts, static_cast<size_t>(count), 0, false);
}

EXPORT ssize_t writev(int fd, const iovec* parts, int count) {
    if (!is_socket(fd)) return ::syscall(SYS_writev, fd, parts, count);
    return transfer_first(SYS_sendto, fd, parts, static_cast<size_t>(count), MSG_NOSIGNAL, true);
}
