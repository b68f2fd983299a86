// The system calls that make descriptors, and those that work on any of them.
#include <dunlin/sys/os.hpp>

#include <dunlin/sys_sim/epoll_file.hpp>
#include <dunlin/sys_sim/make_call.hpp>
#include <dunlin/sys_sim/network.hpp>
#include <dunlin/sys_sim/small_files.hpp>
#include <dunlin/sys_sim/socket_file.hpp>
#include <dunlin/sys_sim/tcp.hpp>
#include <dunlin/sys_sim/unix_stream.hpp>

#include <string_view>
#include <utility>

#include <netinet/in.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace dunlin::sys::os {

using namespace sys_sim;

namespace {

constexpr int sock_type_mask = 0xf;

} // namespace

// ---- making them

int socket(int family, int type, int protocol) noexcept {
    return to_errno(make(call::socket, -1, family, [&](kernel&, host& at) -> long {
        const int kind = type & sock_type_mask;
        if ((type & ~(sock_type_mask | SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0) return -EINVAL;
        if (kind > SOCK_PACKET) return -EINVAL;
        if (family == AF_UNIX && protocol != 0) return -EPROTONOSUPPORT;
        if (family != AF_INET && family != AF_INET6) return -EAFNOSUPPORT; // pairs only
        if (kind != SOCK_STREAM) return -ESOCKTNOSUPPORT;                  // UDP is not simulated
        if (protocol != 0 && protocol != IPPROTO_TCP) return -EPROTONOSUPPORT;
        auto made = std::make_shared<tcp>(at, family);
        made->is_nonblocking = opens_nonblocking(type);
        return at.open(std::move(made), opens_close_on_exec(type));
    }));
}

int socketpair(int family, int type, int protocol, int* ends) noexcept {
    return to_errno(make(call::socketpair, -1, family, [&](kernel&, host& at) -> long {
        const int kind = type & sock_type_mask;
        if ((type & ~(sock_type_mask | SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0) return -EINVAL;
        if (family != AF_UNIX)
            return family == AF_INET || family == AF_INET6 ? -EOPNOTSUPP : -EAFNOSUPPORT;
        if (kind != SOCK_STREAM) return -ESOCKTNOSUPPORT;
        if (protocol != 0 && protocol != AF_UNIX) return -EPROTONOSUPPORT;
        auto first = std::make_shared<unix_stream>(at);
        auto second = std::make_shared<unix_stream>(at);
        unix_stream::make_pair(*first, *second);
        first->is_nonblocking = second->is_nonblocking = opens_nonblocking(type);
        const long one = at.open(std::move(first), opens_close_on_exec(type));
        if (one < 0) return one;
        const long two = at.open(std::move(second), opens_close_on_exec(type));
        if (two < 0) {
            at.close(static_cast<int>(one));
            return two;
        }
        ends[0] = static_cast<int>(one);
        ends[1] = static_cast<int>(two);
        return 0;
    }));
}

int pipe2(int* ends, int flags) noexcept {
    return to_errno(make(call::pipe2, -1, -1, [&](kernel&, host& at) -> long {
        auto between = std::make_shared<pipe_end::middle>();
        auto reader = std::make_shared<pipe_end>(at, between, false);
        auto writer = std::make_shared<pipe_end>(at, between, true);
        reader->is_nonblocking = writer->is_nonblocking = (flags & O_NONBLOCK) != 0;
        const long one = at.open(std::move(reader), (flags & O_CLOEXEC) != 0);
        if (one < 0) return one;
        const long two = at.open(std::move(writer), (flags & O_CLOEXEC) != 0);
        if (two < 0) {
            at.close(static_cast<int>(one));
            return two;
        }
        ends[0] = static_cast<int>(one);
        ends[1] = static_cast<int>(two);
        return 0;
    }));
}

int eventfd(unsigned int count, int flags) noexcept {
    return to_errno(make(call::eventfd, -1, -1, [&](kernel&, host& at) -> long {
        if ((flags & ~(EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)) != 0) return -EINVAL;
        auto made = std::make_shared<event_counter>(at, count, (flags & EFD_SEMAPHORE) != 0);
        made->is_nonblocking = (flags & EFD_NONBLOCK) != 0;
        return at.open(std::move(made), (flags & EFD_CLOEXEC) != 0);
    }));
}

int epoll_create1(int flags) noexcept {
    return to_errno(make(call::epoll_create1, -1, -1, [&](kernel&, host& at) -> long {
        if ((flags & ~EPOLL_CLOEXEC) != 0) return -EINVAL;
        return at.open(std::make_shared<epoll_file>(at), (flags & EPOLL_CLOEXEC) != 0);
    }));
}

int open(const char* path, int flags) noexcept {
    return to_errno(make(call::open, -1, flags, [&](kernel&, host& at) -> long {
        if (std::string_view{path} != "/dev/null") return -ENOENT; // there are no files
        return at.open(std::make_shared<null_device>(at), (flags & O_CLOEXEC) != 0);
    }));
}

std::size_t descriptor_limit() noexcept { return kernel::current().here().most_descriptors; }

void set_descriptor_limit(std::size_t most) noexcept {
    kernel::current().here().most_descriptors = most;
}

// ---- using them

int close(int fd) noexcept {
    kernel& in = kernel::current();
    const int failed = in.begin_call(call::close, fd);
    long result = 0;
    {
        const network::batch together{in.net()};
        result = in.here().close(fd);
    }
    // The number is free whatever close(2) answers.
    if (failed != 0 && result == 0) result = -failed;
    in.end_call(call::close, fd, -1, result);
    return to_errno(result);
}

int dup(int fd) noexcept {
    return to_errno(make(call::dup, fd, -1, [&](kernel&, host& at) -> long {
        auto description = at.share(fd);
        return description == nullptr ? -EBADF : at.open(std::move(description), false);
    }));
}

int dup3(int fd, int wanted, int flags) noexcept {
    return to_errno(make(call::dup, fd, wanted, [&](kernel&, host& at) -> long {
        auto description = at.share(fd);
        if (fd == wanted) return description == nullptr ? -EBADF : flags < 0 ? wanted : -EINVAL;
        if (description == nullptr || wanted < 0) return -EBADF;
        if (at.find(wanted) != nullptr) at.close(wanted);
        return at.open(std::move(description), flags > 0 && (flags & O_CLOEXEC) != 0, wanted);
    }));
}

int fcntl(int fd, int what, long argument) noexcept {
    return to_errno(make(call::fcntl, fd, what, [&](kernel&, host& at) -> long {
        auto description = at.share(fd);
        if (description == nullptr) return -EBADF;
        switch (what) {
        case F_DUPFD:
        case F_DUPFD_CLOEXEC:
            if (argument < 0 || argument >= static_cast<long>(at.most_descriptors)) return -EINVAL;
            return at.open(std::move(description), what == F_DUPFD_CLOEXEC,
                           static_cast<int>(argument));
        case F_GETFD:
            return at.is_close_on_exec(fd) ? FD_CLOEXEC : 0;
        case F_SETFD:
            at.set_close_on_exec(fd, (argument & FD_CLOEXEC) != 0);
            return 0;
        case F_GETFL: {
            long flags = description->other_flags | (description->is_nonblocking ? O_NONBLOCK : 0);
            if (const auto* const end = dynamic_cast<pipe_end*>(description.get()))
                return flags | (end->writes() ? O_WRONLY : O_RDONLY);
            return flags | O_RDWR;
        }
        case F_SETFL:
            description->is_nonblocking = (argument & O_NONBLOCK) != 0;
            description->other_flags =
                static_cast<int>(argument) & (O_APPEND | O_ASYNC | O_NOATIME);
            return 0;
        default:
            return -EINVAL;
        }
    }));
}

int ioctl(int fd, unsigned long what, void* argument) noexcept {
    return to_errno(make(call::ioctl, fd, static_cast<long>(what), [&](kernel&, host& at) -> long {
        file* const description = at.find(fd);
        if (description == nullptr) return -EBADF;
        if (what == FIONBIO) {
            description->is_nonblocking = *static_cast<int*>(argument) != 0;
            return 0;
        }
        auto* const socket = dynamic_cast<socket_file*>(description);
        if (socket == nullptr || (what != FIONREAD && what != TIOCOUTQ)) return -ENOTTY;
        const long bytes = what == FIONREAD ? socket->unread() : socket->unsent();
        if (bytes < 0) return bytes;
        *static_cast<int*>(argument) = static_cast<int>(bytes);
        return 0;
    }));
}

int isatty(int fd) noexcept {
    errno = kernel::current().here().find(fd) == nullptr ? EBADF : ENOTTY;
    return 0;
}

::ssize_t read(int fd, void* into, std::size_t size) noexcept {
    return to_errno(make_on<file>(
        call::read, fd, static_cast<long>(size), EBADF, [&](kernel& in, host&, file& from) {
            return until_done(in, from.is_nonblocking, 0, [&] { return from.read(into, size); });
        }));
}

::ssize_t write(int fd, const void* data, std::size_t size) noexcept {
    // What an assertion says in a world that has no host yet.
    if (kernel::current().host_count() == 0) return ::syscall(SYS_write, fd, data, size);
    return to_errno(make_on<file>(
        call::write, fd, static_cast<long>(size), EBADF, [&](kernel& in, host&, file& to) {
            return until_done(in, to.is_nonblocking, 0, [&] { return to.write(data, size); });
        }));
}

} // namespace dunlin::sys::os
