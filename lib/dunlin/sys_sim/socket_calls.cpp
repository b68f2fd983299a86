// The system calls on sockets.
#include <dunlin/sys/os.hpp>

#include <dunlin/sys_sim/make_call.hpp>
#include <dunlin/sys_sim/socket_file.hpp>

#include <algorithm>
#include <climits>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace dunlin::sys::os {

namespace {

using namespace sys_sim;

raw_address to_raw_address(const ::sockaddr* address, ::socklen_t size) noexcept {
    raw_address raw;
    raw.size = std::min<std::uint32_t>(size, sizeof raw.storage);
    std::memcpy(raw.storage, address, raw.size);
    return raw;
}

void give_address(const raw_address& raw, ::sockaddr* into, ::socklen_t* size) noexcept {
    if (into == nullptr || size == nullptr) return;
    std::memcpy(into, raw.storage, std::min<std::size_t>(*size, raw.size));
    *size = raw.size;
}

/// A fault that says that the connection is gone: then it is.
bool is_of_a_broken_connection(int error_number) noexcept {
    return error_number == ECONNRESET || error_number == ETIMEDOUT || error_number == EPIPE ||
           error_number == EHOSTUNREACH || error_number == ENETDOWN;
}

/// Bytes through a socket. A failure that was injected breaks the connection if it says so.
template <class Body>
long transfer(call which, int fd, std::size_t size, const Body& body) noexcept {
    kernel& in = kernel::current();
    host& at = in.here();
    const std::shared_ptr<file> kept = at.share(fd);
    auto* const socket = dynamic_cast<socket_file*>(kept.get());
    long result = 0;
    if (kept == nullptr) {
        static_cast<void>(in.begin_call(which, fd));
        result = -EBADF;
    } else if (socket == nullptr) {
        static_cast<void>(in.begin_call(which, fd));
        result = -ENOTSOCK;
    } else if (const int failed = in.begin_call(which, fd); failed != 0) {
        if (is_of_a_broken_connection(failed)) socket->break_connection();
        result = -failed;
    } else {
        result = body(in, *socket);
    }
    in.end_call(which, fd, static_cast<long>(size), result);
    return result;
}

} // namespace

int bind(int fd, const ::sockaddr* address, ::socklen_t size) noexcept {
    return to_errno(make_on<socket_file>(call::bind, fd, -1, ENOTSOCK,
                                         [&](kernel&, host&, socket_file& socket) {
                                             return socket.bind(to_raw_address(address, size));
                                         }));
}

int listen(int fd, int backlog) noexcept {
    return to_errno(make_on<socket_file>(
        call::listen, fd, backlog, ENOTSOCK,
        [&](kernel&, host&, socket_file& socket) { return socket.listen(backlog); }));
}

namespace {

long start_connect(kernel& in, socket_file& socket, const raw_address& to) {
    const long begun = socket.connect(to);
    if (socket.is_nonblocking || (begun != -EINPROGRESS && begun != -EALREADY)) return begun;
    const std::int64_t limit = socket.send_timeout;
    const bool is_over = in.wait_until([&] { return !socket.is_connecting(); },
                                       limit > 0 ? deadline_after(in, limit) : -1);
    return is_over ? socket.finish_connect() : -EINPROGRESS;
}

} // namespace

int connect(int fd, const ::sockaddr* address, ::socklen_t size) noexcept {
    kernel& in = kernel::current();
    const int failed = in.begin_call(call::connect, fd);
    const std::shared_ptr<file> kept = in.here().share(fd);
    auto* const socket = dynamic_cast<socket_file*>(kept.get());
    long result = kept == nullptr ? -EBADF : -ENOTSOCK;
    if (socket != nullptr) {
        // An interrupted one goes on all the same (connect(2)).
        if (failed == EINTR)
            static_cast<void>(socket->connect(to_raw_address(address, size)));
        else if (failed == 0)
            result = start_connect(in, *socket, to_raw_address(address, size));
    }
    if (failed != 0) result = -failed;
    in.end_call(call::connect, fd, -1, result);
    return to_errno(result);
}

int accept4(int fd, ::sockaddr* address, ::socklen_t* size, int flags) noexcept {
    return to_errno(make_on<socket_file>(
        call::accept4, fd, -1, ENOTSOCK, [&](kernel& in, host& at, socket_file& listener) -> long {
            if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0) return -EINVAL;
            // A number is reserved before a connection is taken: none is lost when there is none.
            if (at.is_full()) return -EMFILE;
            std::shared_ptr<socket_file> made;
            const long taken = until_done(in, listener.is_nonblocking, listener.receive_timeout,
                                          [&] { return listener.accept(made); });
            if (taken < 0) return taken;
            made->is_nonblocking = opens_nonblocking(flags);
            if (raw_address peer; address != nullptr) {
                made->name_of_peer(peer);
                give_address(peer, address, size);
            }
            return at.open(std::move(made), opens_close_on_exec(flags));
        }));
}

::ssize_t recv(int fd, void* into, std::size_t size, int flags) noexcept {
    return to_errno(transfer(call::recv, fd, size, [&](kernel& in, socket_file& socket) -> long {
        const bool does_not_wait = socket.is_nonblocking || (flags & (MSG_DONTWAIT | MSG_OOB)) != 0;
        std::size_t got = 0;
        for (;;) {
            const long n = until_done(in, does_not_wait, socket.receive_timeout, [&] {
                return socket.receive(static_cast<char*>(into) + got, size - got, flags);
            });
            if (n <= 0) return got != 0 ? static_cast<long>(got) : n;
            got += static_cast<std::size_t>(n);
            if ((flags & MSG_WAITALL) == 0 || (flags & MSG_PEEK) != 0 || does_not_wait ||
                got == size)
                return static_cast<long>(got);
        }
    }));
}

namespace {

/// All of it if the socket is blocking, else what fits.
long send_all(kernel& in, socket_file& socket, const char* data, std::size_t size, int flags) {
    const bool does_not_wait = socket.is_nonblocking || (flags & MSG_DONTWAIT) != 0;
    std::size_t sent = 0;
    for (;;) {
        const long n = until_done(in, does_not_wait, socket.send_timeout,
                                  [&] { return socket.send(data + sent, size - sent, flags); });
        if (n < 0) return sent != 0 ? static_cast<long>(sent) : n;
        sent += static_cast<std::size_t>(n);
        if (does_not_wait || sent == size) return static_cast<long>(sent);
    }
}

} // namespace

::ssize_t send(int fd, const void* data, std::size_t size, int flags) noexcept {
    return to_errno(transfer(call::send, fd, size, [&](kernel& in, socket_file& socket) {
        return send_all(in, socket, static_cast<const char*>(data), size, flags);
    }));
}

namespace {

/// The bytes of all parts; more than IOV_MAX of them are refused by who calls.
std::string gathered(const ::iovec* parts, std::size_t count) {
    std::string whole;
    for (std::size_t i = 0; i < count && i < IOV_MAX; ++i)
        whole.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
    return whole;
}

std::size_t room_in(const ::iovec* parts, std::size_t count) noexcept {
    std::size_t room = 0;
    for (std::size_t i = 0; i < count && i < IOV_MAX; ++i)
        room += parts[i].iov_len;
    return room;
}

void scatter(std::string_view bytes, const ::iovec* parts) noexcept {
    for (std::size_t i = 0; !bytes.empty(); ++i) {
        const std::size_t size = std::min(parts[i].iov_len, bytes.size());
        std::memcpy(parts[i].iov_base, bytes.data(), size);
        bytes.remove_prefix(size);
    }
}

} // namespace

::ssize_t sendmsg(int fd, const ::msghdr* message, int flags) noexcept {
    const std::string whole = gathered(message->msg_iov, message->msg_iovlen);
    return to_errno(
        transfer(call::sendmsg, fd, whole.size(), [&](kernel& in, socket_file& socket) -> long {
            if (message->msg_iovlen > IOV_MAX) return -EMSGSIZE;
            return send_all(in, socket, whole.data(), whole.size(), flags);
        }));
}

::ssize_t recvmsg(int fd, ::msghdr* message, int flags) noexcept {
    std::string whole(room_in(message->msg_iov, message->msg_iovlen), '\0');
    return to_errno(
        transfer(call::recvmsg, fd, whole.size(), [&](kernel& in, socket_file& socket) -> long {
            if (message->msg_iovlen > IOV_MAX) return -EMSGSIZE;
            const bool does_not_wait = socket.is_nonblocking || (flags & MSG_DONTWAIT) != 0;
            const long n = until_done(in, does_not_wait, socket.receive_timeout, [&] {
                return socket.receive(whole.data(), whole.size(), flags);
            });
            if (n > 0)
                scatter(std::string_view{whole}.substr(0, static_cast<std::size_t>(n)),
                        message->msg_iov);
            if (n >= 0) {
                message->msg_flags = 0;
                message->msg_controllen = 0;
            }
            return n;
        }));
}

::ssize_t writev(int fd, const ::iovec* parts, int count) noexcept {
    if (count < 0 || count > IOV_MAX) {
        errno = EINVAL;
        return -1;
    }
    const std::string whole = gathered(parts, static_cast<std::size_t>(count));
    return write(fd, whole.data(), whole.size());
}

::ssize_t readv(int fd, const ::iovec* parts, int count) noexcept {
    if (count < 0 || count > IOV_MAX) {
        errno = EINVAL;
        return -1;
    }
    std::string whole(room_in(parts, static_cast<std::size_t>(count)), '\0');
    const ::ssize_t n = read(fd, whole.data(), whole.size());
    if (n > 0) scatter(std::string_view{whole}.substr(0, static_cast<std::size_t>(n)), parts);
    return n;
}

int shutdown(int fd, int how) noexcept {
    return to_errno(make_on<socket_file>(
        call::shutdown, fd, how, ENOTSOCK,
        [&](kernel&, host&, socket_file& socket) { return socket.shutdown(how); }));
}

int getsockname(int fd, ::sockaddr* address, ::socklen_t* size) noexcept {
    return to_errno(make_on<socket_file>(call::getsockname, fd, -1, ENOTSOCK,
                                         [&](kernel&, host&, socket_file& socket) {
                                             raw_address raw;
                                             const long failed = socket.name(raw);
                                             if (failed == 0) give_address(raw, address, size);
                                             return failed;
                                         }));
}

int getpeername(int fd, ::sockaddr* address, ::socklen_t* size) noexcept {
    return to_errno(make_on<socket_file>(call::getpeername, fd, -1, ENOTSOCK,
                                         [&](kernel&, host&, socket_file& socket) {
                                             raw_address raw;
                                             const long failed = socket.peer_name(raw);
                                             if (failed == 0) give_address(raw, address, size);
                                             return failed;
                                         }));
}

int setsockopt(int fd, int level, int name, const void* value, ::socklen_t size) noexcept {
    return to_errno(make_on<socket_file>(call::setsockopt, fd, name, ENOTSOCK,
                                         [&](kernel&, host&, socket_file& socket) {
                                             return socket.set_option(level, name, value, size);
                                         }));
}

int getsockopt(int fd, int level, int name, void* value, ::socklen_t* size) noexcept {
    return to_errno(make_on<socket_file>(call::getsockopt, fd, name, ENOTSOCK,
                                         [&](kernel&, host&, socket_file& socket) {
                                             return socket.get_option(level, name, value, *size);
                                         }));
}

} // namespace dunlin::sys::os
