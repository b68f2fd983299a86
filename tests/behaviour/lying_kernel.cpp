// The real kernel, but for two lies: linked with --wrap it shows that compare.py finds a kernel
// that lies.
#include <sys/epoll.h>
#include <sys/socket.h>

extern "C" {

int __real_shutdown(int fd, int how);
int __real_epoll_ctl(int set, int operation, int fd, epoll_event* event);

/// Ending the reading half is claimed and not done.
int __wrap_shutdown(int fd, int how) {
    int error = 0;
    socklen_t size = sizeof error;
    const bool socket = ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &error, &size) == 0;
    return socket && how == SHUT_RD ? 0 : __real_shutdown(fd, how);
}

/// One-shot registrations are not.
int __wrap_epoll_ctl(int set, int operation, int fd, epoll_event* event) {
    epoll_event changed = *event;
    changed.events &= ~static_cast<unsigned>(EPOLLONESHOT);
    return __real_epoll_ctl(set, operation, fd, &changed);
}

} // extern "C"
