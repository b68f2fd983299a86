// The system calls that sys/ makes: here is the cut between dunlin and the kernel below it.
//
// In the library that runs on Linux they are libc's, at no cost. For `libdunlin-sim` the files of
// sys/ are compiled a second time, with DUNLIN_SIMULATED, and these are functions of sys_sim/ with
// the same signatures and the same errno: so what sys/ does around a call (EINTR loops, the
// rounding of timeouts) is simulated too. Everything above sys/ is compiled once and knows nothing
// of it.
#pragma once

#include <csignal>
#include <ctime>

#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441 // headers older than Linux 5.11; the number is the same everywhere
#endif

namespace dunlin::sys::os {

#ifndef DUNLIN_SIMULATED

using ::accept4;
using ::bind;
using ::clock_gettime;
using ::close;
using ::connect;
using ::epoll_create1;
using ::epoll_ctl;
using ::epoll_wait;
using ::eventfd;
using ::fcntl;
using ::getpeername;
using ::getrandom;
using ::getsockname;
using ::getsockopt;
using ::if_indextoname;
using ::if_nametoindex;
using ::ioctl;
using ::isatty;
using ::listen;
using ::open;
using ::poll;
using ::pthread_sigmask;
using ::raise;
using ::read;
using ::recv;
using ::send;
using ::sendmsg;
using ::setsockopt;
using ::shutdown;
using ::sigaction;
using ::signalfd;
using ::socket;
using ::socketpair;
using ::write;

/// Through syscall(2): the kernel may have it where the C library does not (glibc 2.35). `timeout`
/// is the kernel's __kernel_timespec, which has 64 bits on every architecture.
inline int epoll_pwait2(int set, ::epoll_event* events, int room, const void* timeout) noexcept {
    return static_cast<int>(::syscall(SYS_epoll_pwait2, set, events, room, timeout, nullptr, 0L));
}

#else

// What a C library would do with a null pointer or a count below zero, these do too; what Linux
// answers to calls that sys/ and the tests never make, is not here.
int accept4(int listener, ::sockaddr* address, ::socklen_t* size, int flags) noexcept;
int bind(int socket, const ::sockaddr* address, ::socklen_t size) noexcept;
int clock_gettime(::clockid_t clock, ::timespec* now) noexcept;
int close(int fd) noexcept;
int connect(int socket, const ::sockaddr* address, ::socklen_t size) noexcept;
int dup(int fd) noexcept;
int dup3(int fd, int wanted, int flags) noexcept;
int epoll_create1(int flags) noexcept;
int epoll_ctl(int set, int what, int fd, ::epoll_event* event) noexcept;
int epoll_pwait2(int set, ::epoll_event* events, int room, const void* timeout) noexcept;
int epoll_wait(int set, ::epoll_event* events, int room, int milliseconds) noexcept;
int eventfd(unsigned int count, int flags) noexcept;
int fcntl(int fd, int what, long argument = 0) noexcept;
int getpeername(int socket, ::sockaddr* address, ::socklen_t* size) noexcept;
::ssize_t getrandom(void* into, std::size_t size, unsigned int flags) noexcept;
int getsockname(int socket, ::sockaddr* address, ::socklen_t* size) noexcept;
int getsockopt(int socket, int level, int name, void* value, ::socklen_t* size) noexcept;
char* if_indextoname(unsigned int index, char* name) noexcept;
unsigned int if_nametoindex(const char* name) noexcept;
int ioctl(int fd, unsigned long what, void* argument) noexcept;
int isatty(int fd) noexcept;
int kill(int process, int signal) noexcept;
int listen(int socket, int backlog) noexcept;
int open(const char* path, int flags) noexcept;
int pipe2(int* ends, int flags) noexcept;
int poll(::pollfd* entries, ::nfds_t count, int milliseconds) noexcept;
/// sigqueue(3) to this process.
int sigqueue(int signal, ::sigval value) noexcept;
/// RLIMIT_NOFILE.
std::size_t descriptor_limit() noexcept;
void set_descriptor_limit(std::size_t most) noexcept;
int pthread_sigmask(int how, const ::sigset_t* set, ::sigset_t* before) noexcept;
int raise(int signal) noexcept;
::ssize_t read(int fd, void* into, std::size_t size) noexcept;
::ssize_t readv(int fd, const ::iovec* parts, int count) noexcept;
::ssize_t recv(int socket, void* into, std::size_t size, int flags) noexcept;
::ssize_t recvmsg(int socket, ::msghdr* message, int flags) noexcept;
::ssize_t send(int socket, const void* data, std::size_t size, int flags) noexcept;
::ssize_t sendmsg(int socket, const ::msghdr* message, int flags) noexcept;
int setsockopt(int socket, int level, int name, const void* value, ::socklen_t size) noexcept;
int shutdown(int socket, int how) noexcept;
int sigaction(int signal, const struct ::sigaction* wanted, struct ::sigaction* before) noexcept;
int sigpending(::sigset_t* into) noexcept;
int signalfd(int fd, const ::sigset_t* which, int flags) noexcept;
int socket(int family, int type, int protocol) noexcept;
int socketpair(int family, int type, int protocol, int* ends) noexcept;
::ssize_t write(int fd, const void* data, std::size_t size) noexcept;
::ssize_t writev(int fd, const ::iovec* parts, int count) noexcept;

#endif

} // namespace dunlin::sys::os
