// What each system call that dunlin makes may fail with, and what must come of it.
//
// From the section ERRORS of each manual page (man-pages 6.03), and of its POSIX page (3p) where
// that allows more. A row is used at every position at which a program makes the call, so what
// cannot be said of a call in general is not here: `left_out` has those, each with the reason.
#pragma once

#include <cerrno>
#include <cstdint>
#include <string_view>

#include <netdb.h>

namespace dunlin::test {

/// What a single failure may do to a program.
enum class effect : std::uint8_t {
    none,      ///< Nothing that anybody could tell: all goes on as without it.
    one,       ///< One connection or task at most fails, and says why. All others go on.
    listener,  ///< The same, or, if it is the listener's, the service ends with this error.
    loop,      ///< The scheduler cannot go on: its program ends with this error.
    loop_once, ///< Like `loop` for epoll_wait, and like `none` for epoll_pwait2, which has another.
};

struct failure {
    std::string_view call;
    int error;
    effect what;
};

inline constexpr failure failures[] = {
    // The first is about the call, the next four about what is short (dunlin waits for it), all
    // others about the one connection: "treat them like EAGAIN by retrying" (accept(2)).
    {"accept4", EINTR, effect::none},
    {"accept4", EMFILE, effect::none},
    {"accept4", ENFILE, effect::none},
    {"accept4", ENOBUFS, effect::none},
    {"accept4", ENOMEM, effect::none},
    {"accept4", ENOSR, effect::none},
    {"accept4", ECONNABORTED, effect::none},
    {"accept4", EPERM, effect::none},
    {"accept4", EPROTO, effect::none},
    {"accept4", ENETDOWN, effect::none},
    {"accept4", ENOPROTOOPT, effect::none},
    {"accept4", EHOSTDOWN, effect::none},
    {"accept4", ENONET, effect::none},
    {"accept4", EHOSTUNREACH, effect::none},
    {"accept4", EOPNOTSUPP, effect::none},
    {"accept4", ENETUNREACH, effect::none},
    {"accept4", ETIMEDOUT, effect::none},
    {"accept4", ESOCKTNOSUPPORT, effect::none},
    {"accept4", EPROTONOSUPPORT, effect::none},

    // EAFNOSUPPORT is a kernel without IPv6, EACCES a policy.
    {"socket", EACCES, effect::listener},
    {"socket", EAFNOSUPPORT, effect::listener},
    {"socket", EMFILE, effect::listener},
    {"socket", ENFILE, effect::listener},
    {"socket", ENOBUFS, effect::listener},
    {"socket", ENOMEM, effect::listener},

    {"bind", EACCES, effect::listener},
    {"bind", EADDRINUSE, effect::listener},
    {"bind", EADDRNOTAVAIL, effect::listener},
    {"bind", ENOBUFS, effect::listener}, // bind(3p)
    {"bind", ENOMEM, effect::listener},

    {"listen", EADDRINUSE, effect::listener},
    {"listen", EACCES, effect::listener},  // listen(3p)
    {"listen", ENOBUFS, effect::listener}, // listen(3p)

    {"connect", EINTR, effect::none}, // the connection is being made all the same
    {"connect", EACCES, effect::one},
    {"connect", EPERM, effect::one},
    {"connect", EADDRINUSE, effect::one},
    {"connect", EADDRNOTAVAIL, effect::one},
    {"connect", EAGAIN, effect::one}, // no entry in the routing cache
    {"connect", ECONNREFUSED, effect::one},
    {"connect", ENETUNREACH, effect::one},
    {"connect", ETIMEDOUT, effect::one},
    {"connect", EHOSTUNREACH, effect::one}, // connect(3p), as are the next two
    {"connect", ENETDOWN, effect::one},
    {"connect", ENOBUFS, effect::one},

    {"recv", EINTR, effect::none},
    {"recv", ECONNREFUSED, effect::one},
    {"recv", ENOMEM, effect::one},
    {"recv", ECONNRESET, effect::one}, // recv(3p), as are the next three
    {"recv", ETIMEDOUT, effect::one},
    {"recv", ENOBUFS, effect::one},
    {"recv", EIO, effect::one},

    {"send", EINTR, effect::none},
    {"send", ECONNRESET, effect::one},
    {"send", EPIPE, effect::one},
    {"send", ENOBUFS, effect::one},
    {"send", ENOMEM, effect::one},
    {"send", EACCES, effect::one}, // a firewall's rule; send(3p), as are the next three
    {"send", EIO, effect::one},
    {"send", ENETDOWN, effect::one},
    {"send", ENETUNREACH, effect::one},
    {"send", ETIMEDOUT, effect::one}, // tcp(7)

    {"sendmsg", EINTR, effect::none},
    {"sendmsg", ECONNRESET, effect::one},
    {"sendmsg", EPIPE, effect::one},
    {"sendmsg", ENOBUFS, effect::one},
    {"sendmsg", ENOMEM, effect::one},
    {"sendmsg", EACCES, effect::one},
    {"sendmsg", EIO, effect::one},
    {"sendmsg", ENETDOWN, effect::one},
    {"sendmsg", ENETUNREACH, effect::one},
    {"sendmsg", ETIMEDOUT, effect::one},

    // A sandbox that lacks the option; memory: setsockopt(3p) and getsockopt(3p).
    {"setsockopt", ENOPROTOOPT, effect::listener},
    {"setsockopt", ENOBUFS, effect::listener},
    {"setsockopt", ENOMEM, effect::listener},
    {"getsockopt", ENOPROTOOPT, effect::one},
    {"getsockopt", ENOBUFS, effect::one},

    {"getsockname", ENOBUFS, effect::one},
    {"getpeername", ENOBUFS, effect::one},

    {"shutdown", ENOTCONN, effect::one}, // the peer has reset it
    {"shutdown", ENOBUFS, effect::one},  // shutdown(3p)

    {"close", EINTR, effect::none}, // the descriptor is gone whatever it answers
    {"close", EIO, effect::none},

    {"epoll_create1", EMFILE, effect::loop},
    {"epoll_create1", ENFILE, effect::loop},
    {"epoll_create1", ENOMEM, effect::loop},

    {"epoll_ctl", ENOMEM, effect::listener},
    {"epoll_ctl", ENOSPC, effect::listener},

    // Somebody has closed it behind our back. ENOSYS and EPERM are epoll_pwait2's, on kernels
    // before 5.11 and under the seccomp filters of older container runtimes.
    {"epoll_wait", EINTR, effect::none},
    {"epoll_wait", EBADF, effect::loop},
    {"epoll_wait", ENOSYS, effect::loop_once},
    {"epoll_wait", EPERM, effect::loop_once},

    {"eventfd", EMFILE, effect::loop},
    {"eventfd", ENFILE, effect::loop},
    {"eventfd", ENODEV, effect::loop},
    {"eventfd", ENOMEM, effect::loop},

    // Of an eventfd, a signalfd, and what a `descriptor` has.
    {"read", EINTR, effect::none},
    {"write", EINTR, effect::none},

    {"fcntl", EMFILE, effect::listener}, // F_DUPFD_CLOEXEC: of a lingering connection, or above 2

    {"signalfd", EMFILE, effect::one},
    {"signalfd", ENFILE, effect::one},
    {"signalfd", ENODEV, effect::one},
    {"signalfd", ENOMEM, effect::one},

    {"ioctl", ENOTTY, effect::one}, // a sandbox that does not know FIONREAD or TIOCOUTQ

    {"getrandom", EINTR, effect::none},
    {"getrandom", ENOSYS, effect::one}, // before Linux 3.17, or under a seccomp filter

    {"socketpair", EAFNOSUPPORT, effect::one},
    {"socketpair", EMFILE, effect::one},
    {"socketpair", ENFILE, effect::one},

    {"poll", EINTR, effect::none},
    {"poll", ENOMEM, effect::one},

    // Not getaddrinfo(3) itself, whose EAI_ codes have a table of their own, but the thread to ask
    // on (pthread_create(3)), and EAI_SYSTEM.
    {"getaddrinfo", EAGAIN, effect::listener},
    {"getaddrinfo", ENOMEM, effect::listener},
    {"getaddrinfo", EIO, effect::listener},
};

/// What getaddrinfo(3) may answer, and the number of the error that comes of it.
struct resolver_answer {
    int code;
    int error;
};

inline constexpr resolver_answer resolver_answers[] = {
    {EAI_AGAIN, EAI_AGAIN},   {EAI_FAIL, EAI_FAIL},       {EAI_NODATA, EAI_NODATA},
    {EAI_NONAME, EAI_NONAME}, {EAI_SERVICE, EAI_SERVICE}, {EAI_MEMORY, ENOMEM},
    {EAI_SYSTEM, EIO}, // of the simulated kernel
};

struct omission {
    std::string_view calls; ///< Several are separated by blanks; "*": of all.
    std::string_view errors;
    std::string_view reason;
};

inline constexpr omission left_out[] = {
    {"*", "EFAULT", "an address that is not ours: a bug of the caller"},
    {"*", "EBADF",
     "a descriptor that is closed: a bug of the caller. But for epoll_wait, see there"},
    {"*", "ENOTSOCK", "a descriptor of another kind: a bug of the caller"},
    {"*", "EINVAL",
     "an argument out of its range: a bug of the caller; what users pass is checked before"},
    {"*", "EAGAIN EWOULDBLOCK",
     "the normal answer when there is nothing to do, after which epoll is sure to have an event; "
     "said of a socket that is ready it would be a kernel that lies. But for connect, getaddrinfo"},
    {"socket socketpair", "EPROTONOSUPPORT EOPNOTSUPP", "of the constant arguments of sys/"},
    {"bind connect send sendmsg", "ELOOP ENAMETOOLONG ENOENT ENOTDIR EROFS EPROTOTYPE",
     "of Unix sockets with a path, which dunlin neither binds nor connects"},
    {"listen", "EOPNOTSUPP", "of sockets that are no streams: ours are"},
    {"connect", "EAFNOSUPPORT", "the socket is made for the address's family"},
    {"connect", "EALREADY EISCONN", "a second connect(2) on one socket, which dunlin never makes"},
    {"connect", "EINPROGRESS", "not a failure: every connect but those refused at once has it"},
    {"recv send sendmsg", "ENOTCONN", "of sockets never connected: a bug of the caller"},
    {"send sendmsg", "EALREADY EDESTADDRREQ EISCONN EMSGSIZE EOPNOTSUPP",
     "of datagrams, Fast Open, and flags or addresses that dunlin does not pass"},
    {"getpeername", "ENOTCONN",
     "while connecting it says that an event is still to come, see EAGAIN; for `peer_endpoint` "
     "tests/net has it from a kernel that means it"},
    {"close", "ENOSPC EDQUOT", "of files on network file systems"},
    {"epoll_ctl", "EEXIST ENOENT",
     "that a number is known, or is not, is the truth or a lie: tests/loop has the true ones"},
    {"epoll_ctl", "ELOOP EPERM", "of epoll sets within epoll sets, and of files"},
    {"read", "EIO EISDIR", "of terminals, files and directories: dunlin itself reads counters"},
    {"write", "EDESTADDRREQ EDQUOT EFBIG EIO ENOSPC EPERM EPIPE",
     "of files, and of pipes: dunlin itself writes to counters"},
    {"fcntl", "EACCES EDEADLK EINTR ENOLCK EPERM", "of locks, leases and seals"},
    {"getaddrinfo", "EAI_BADFLAGS EAI_FAMILY EAI_SOCKTYPE EAI_ADDRFAMILY",
     "of the constant hints of sys/"},
    {"clock_gettime sigaction sigmask", "EFAULT EINVAL ENOTSUP EPERM ENODEV EACCES",
     "all they have: the clocks and signals that sys/ names exist, and are constants or checked"},
};

} // namespace dunlin::test
