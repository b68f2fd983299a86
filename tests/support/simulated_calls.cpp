// libc's system calls, sent to the simulated kernel: for programs that make them directly
// (hand-made peers, the behaviour suite) and are linked a second time, with `-Wl,--wrap=…` for each
// of these
// (`simulated_calls` in meson.build) and with libdunlin-sim.
#define DUNLIN_SIMULATED
#include <dunlin/sys/os.hpp>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstring>

#include <sys/resource.h>

namespace os = dunlin::sys::os;

extern "C" {

int __wrap_accept(int, sockaddr*, socklen_t*);
int __wrap_accept4(int, sockaddr*, socklen_t*, int);
int __wrap_bind(int, const sockaddr*, socklen_t);
int __wrap_clock_gettime(clockid_t, timespec*);
int __wrap_close(int);
int __wrap_connect(int, const sockaddr*, socklen_t);
int __wrap_dup(int);
int __wrap_dup2(int, int);
int __wrap_dup3(int, int, int);
int __wrap_epoll_create(int);
int __wrap_epoll_create1(int);
int __wrap_epoll_ctl(int, int, int, epoll_event*);
int __wrap_epoll_pwait2(int, epoll_event*, int, const timespec*, const sigset_t*);
int __wrap_epoll_wait(int, epoll_event*, int, int);
int __wrap_eventfd(unsigned int, int);
int __wrap_fcntl(int, int, ...);
int __wrap_fcntl64(int, int, ...);
int __wrap_getpeername(int, sockaddr*, socklen_t*);
int __wrap_getsockname(int, sockaddr*, socklen_t*);
int __wrap_getsockopt(int, int, int, void*, socklen_t*);
int __wrap_ioctl(int, unsigned long, ...);
int __wrap_kill(pid_t, int);
int __wrap_listen(int, int);
int __wrap_nanosleep(const timespec*, timespec*);
int __wrap_pipe(int*);
int __wrap_pipe2(int*, int);
int __wrap_poll(pollfd*, nfds_t, int);
int __wrap_pthread_sigmask(int, const sigset_t*, sigset_t*);
int __wrap_raise(int);
int __wrap_sigqueue(pid_t, int, sigval);
int __wrap_getrlimit(__rlimit_resource_t, rlimit*);
int __wrap_setrlimit(__rlimit_resource_t, const rlimit*);
int __wrap_getrlimit64(__rlimit_resource_t, rlimit*);
int __wrap_setrlimit64(__rlimit_resource_t, const rlimit*);
ssize_t __wrap_read(int, void*, size_t);
ssize_t __wrap_recv(int, void*, size_t, int);
ssize_t __wrap_recvfrom(int, void*, size_t, int, sockaddr*, socklen_t*);
ssize_t __wrap_recvmsg(int, msghdr*, int);
ssize_t __wrap_send(int, const void*, size_t, int);
ssize_t __wrap_sendmsg(int, const msghdr*, int);
ssize_t __wrap_sendto(int, const void*, size_t, int, const sockaddr*, socklen_t);
int __wrap_setsockopt(int, int, int, const void*, socklen_t);
int __wrap_shutdown(int, int);
int __wrap_sigaction(int, const struct sigaction*, struct sigaction*);
sighandler_t __wrap_signal(int, sighandler_t);
int __wrap_signalfd(int, const sigset_t*, int);
int __wrap_sigprocmask(int, const sigset_t*, sigset_t*);
int __wrap_socket(int, int, int);
int __wrap_socketpair(int, int, int, int*);
ssize_t __wrap_write(int, const void*, size_t);
ssize_t __wrap_readv(int, const iovec*, int);
ssize_t __wrap_writev(int, const iovec*, int);
int __wrap_sigpending(sigset_t*);
int __wrap_open(const char*, int, ...);
int __wrap_open64(const char*, int, ...);

int __wrap_accept(int listener, sockaddr* address, socklen_t* size) {
    return os::accept4(listener, address, size, 0);
}
int __wrap_accept4(int listener, sockaddr* address, socklen_t* size, int flags) {
    return os::accept4(listener, address, size, flags);
}
int __wrap_bind(int socket, const sockaddr* address, socklen_t size) {
    return os::bind(socket, address, size);
}
int __wrap_clock_gettime(clockid_t clock, timespec* now) { return os::clock_gettime(clock, now); }
int __wrap_close(int fd) { return os::close(fd); }
int __wrap_connect(int socket, const sockaddr* address, socklen_t size) {
    return os::connect(socket, address, size);
}
int __wrap_dup(int fd) { return os::dup(fd); }
int __wrap_dup2(int fd, int wanted) { return os::dup3(fd, wanted, -1); }
int __wrap_dup3(int fd, int wanted, int flags) { return os::dup3(fd, wanted, flags); }
int __wrap_epoll_create(int size) {
    if (size > 0) return os::epoll_create1(0);
    errno = EINVAL;
    return -1;
}
int __wrap_epoll_create1(int flags) { return os::epoll_create1(flags); }
int __wrap_epoll_ctl(int set, int what, int fd, epoll_event* event) {
    return os::epoll_ctl(set, what, fd, event);
}
int __wrap_epoll_pwait2(int set, epoll_event* events, int room, const timespec* timeout,
                        const sigset_t*) {
    if (timeout == nullptr) return os::epoll_pwait2(set, events, room, nullptr);
    const std::int64_t span[2] = {timeout->tv_sec, timeout->tv_nsec};
    return os::epoll_pwait2(set, events, room, span);
}
int __wrap_epoll_wait(int set, epoll_event* events, int room, int milliseconds) {
    return os::epoll_wait(set, events, room, milliseconds);
}
int __wrap_eventfd(unsigned int count, int flags) { return os::eventfd(count, flags); }
int __wrap_fcntl(int fd, int what, ...) {
    va_list arguments;
    va_start(arguments, what);
    const long argument = va_arg(arguments, long);
    va_end(arguments);
    return os::fcntl(fd, what, argument);
}
int __wrap_fcntl64(int fd, int what, ...) {
    va_list arguments;
    va_start(arguments, what);
    const long argument = va_arg(arguments, long);
    va_end(arguments);
    return os::fcntl(fd, what, argument);
}
int __wrap_getpeername(int socket, sockaddr* address, socklen_t* size) {
    return os::getpeername(socket, address, size);
}
int __wrap_getsockname(int socket, sockaddr* address, socklen_t* size) {
    return os::getsockname(socket, address, size);
}
int __wrap_getsockopt(int socket, int level, int name, void* value, socklen_t* size) {
    return os::getsockopt(socket, level, name, value, size);
}
int __wrap_ioctl(int fd, unsigned long what, ...) {
    va_list arguments;
    va_start(arguments, what);
    void* const argument = va_arg(arguments, void*);
    va_end(arguments);
    return os::ioctl(fd, what, argument);
}
int __wrap_kill(pid_t process, int signal) { return os::kill(process, signal); }
int __wrap_listen(int socket, int backlog) { return os::listen(socket, backlog); }
int __wrap_nanosleep(const timespec* span, timespec*) {
    const std::int64_t ms =
        std::int64_t{span->tv_sec} * 1000 + (span->tv_nsec + 999'999) / 1'000'000;
    return os::poll(nullptr, 0, static_cast<int>(ms));
}
int __wrap_pipe(int* ends) { return os::pipe2(ends, 0); }
int __wrap_pipe2(int* ends, int flags) { return os::pipe2(ends, flags); }
int __wrap_poll(pollfd* entries, nfds_t count, int milliseconds) {
    return os::poll(entries, count, milliseconds);
}
int __wrap_pthread_sigmask(int how, const sigset_t* set, sigset_t* before) {
    return os::pthread_sigmask(how, set, before);
}
int __wrap_raise(int signal) { return os::raise(signal); }
int __wrap_sigqueue(pid_t, int signal, sigval value) { return os::sigqueue(signal, value); }
int __wrap_getrlimit(__rlimit_resource_t, rlimit* into) { // of descriptors: no test asks for others
    into->rlim_cur = os::descriptor_limit();
    into->rlim_max = RLIM_INFINITY;
    return 0;
}
int __wrap_setrlimit(__rlimit_resource_t, const rlimit* limit) {
    os::set_descriptor_limit(limit->rlim_cur);
    return 0;
}
int __wrap_getrlimit64(__rlimit_resource_t which, rlimit* into) {
    return __wrap_getrlimit(which, into);
}
int __wrap_setrlimit64(__rlimit_resource_t which, const rlimit* limit) {
    return __wrap_setrlimit(which, limit);
}
ssize_t __wrap_read(int fd, void* into, size_t size) { return os::read(fd, into, size); }
ssize_t __wrap_recv(int socket, void* into, size_t size, int flags) {
    return os::recv(socket, into, size, flags);
}
ssize_t __wrap_recvfrom(int socket, void* into, size_t size, int flags, sockaddr*,
                        socklen_t* used) {
    if (used != nullptr) *used = 0; // of a stream: no address is given
    return os::recv(socket, into, size, flags);
}
ssize_t __wrap_recvmsg(int socket, msghdr* message, int flags) {
    return os::recvmsg(socket, message, flags);
}
ssize_t __wrap_send(int socket, const void* data, size_t size, int flags) {
    return os::send(socket, data, size, flags);
}
ssize_t __wrap_sendmsg(int socket, const msghdr* message, int flags) {
    return os::sendmsg(socket, message, flags);
}
ssize_t __wrap_sendto(int socket, const void* data, size_t size, int flags, const sockaddr*,
                      socklen_t) {
    return os::send(socket, data, size, flags);
}
int __wrap_setsockopt(int socket, int level, int name, const void* value, socklen_t size) {
    return os::setsockopt(socket, level, name, value, size);
}
int __wrap_shutdown(int socket, int how) { return os::shutdown(socket, how); }
int __wrap_sigaction(int signal, const struct sigaction* wanted, struct sigaction* before) {
    return os::sigaction(signal, wanted, before);
}
sighandler_t __wrap_signal(int signal, sighandler_t wanted) {
    struct sigaction ours{};
    ours.sa_handler = wanted;
    ours.sa_flags = SA_RESTART;
    struct sigaction before{};
    return os::sigaction(signal, &ours, &before) == 0 ? before.sa_handler : SIG_ERR;
}
int __wrap_signalfd(int fd, const sigset_t* which, int flags) {
    return os::signalfd(fd, which, flags);
}
int __wrap_sigprocmask(int how, const sigset_t* set, sigset_t* before) {
    const int failed = os::pthread_sigmask(how, set, before);
    if (failed == 0) return 0;
    errno = failed;
    return -1;
}
int __wrap_socket(int family, int type, int protocol) { return os::socket(family, type, protocol); }
int __wrap_socketpair(int family, int type, int protocol, int* ends) {
    return os::socketpair(family, type, protocol, ends);
}
ssize_t __wrap_write(int fd, const void* data, size_t size) { return os::write(fd, data, size); }
ssize_t __wrap_readv(int fd, const iovec* parts, int count) { return os::readv(fd, parts, count); }
ssize_t __wrap_writev(int fd, const iovec* parts, int count) {
    return os::writev(fd, parts, count);
}
int __wrap_sigpending(sigset_t* into) { return os::sigpending(into); }
int __wrap_open(const char* path, int flags, ...) { return os::open(path, flags); }
int __wrap_open64(const char* path, int flags, ...) { return os::open(path, flags); }
}
