#include <dunlin/sys/socket.hpp>

#include <dunlin/sys/above_standard.hpp>
#include <dunlin/sys/os.hpp>
#include <dunlin/util/planted.hpp>

#include <cerrno>
#include <climits>
#include <netinet/in.h>
#include <netinet/tcp.h>

namespace dunlin::sys {

namespace {

static_assert(sizeof(slice) == sizeof(iovec));
static_assert(offsetof(slice, data) == offsetof(iovec, iov_base));
static_assert(offsetof(slice, size) == offsetof(iovec, iov_len));
static_assert(max_slices == IOV_MAX);

std::error_code last_error() noexcept { return {errno, std::system_category()}; }

result<void> check(int answer) noexcept {
    if (answer < 0) return last_error();
    return success();
}

const sockaddr* as_sockaddr(const raw_address& address) noexcept {
    return reinterpret_cast<const sockaddr*>(address.storage);
}

struct option_name {
    int level;
    int name;
};

option_name name_of(option which) noexcept {
    switch (which) {
    case option::reuse_address:
        return {SOL_SOCKET, SO_REUSEADDR};
    case option::reuse_port:
        return {SOL_SOCKET, SO_REUSEPORT};
    case option::v6_only:
        return {IPPROTO_IPV6, IPV6_V6ONLY};
    case option::bind_address_no_port:
        return {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT};
    case option::no_delay:
        return {IPPROTO_TCP, TCP_NODELAY};
    case option::keep_alive:
        return {SOL_SOCKET, SO_KEEPALIVE};
    case option::keep_alive_idle:
        return {IPPROTO_TCP, TCP_KEEPIDLE};
    case option::keep_alive_interval:
        return {IPPROTO_TCP, TCP_KEEPINTVL};
    case option::keep_alive_count:
        return {IPPROTO_TCP, TCP_KEEPCNT};
    case option::send_buffer:
        return {SOL_SOCKET, SO_SNDBUF};
    case option::receive_buffer:
        return {SOL_SOCKET, SO_RCVBUF};
    case option::user_timeout:
        return {IPPROTO_TCP, TCP_USER_TIMEOUT};
    }
    return {-1, -1};
}

using name_call = int (*)(int, sockaddr*, socklen_t*);

result<raw_address> ask_address(borrowed_fd socket, name_call call) noexcept {
    raw_address answer;
    socklen_t size = sizeof answer.storage;
    if (call(socket.get(), reinterpret_cast<sockaddr*>(answer.storage), &size) < 0)
        return last_error();
    answer.size = size;
    return answer;
}

} // namespace

result<unique_fd> stream_socket(const raw_address& like) noexcept {
    const int fd = above_standard(
        os::socket(as_sockaddr(like)->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd < 0) return last_error();
    return unique_fd{fd};
}

int socket_pair(unique_fd& first, unique_fd& second) noexcept {
    int pair[2];
    if (os::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    first = unique_fd{above_standard(pair[0])};
    second = unique_fd{above_standard(pair[1])};
    return first.is_open() && second.is_open() ? 0 : -errno;
}

result<void> bind(borrowed_fd socket, const raw_address& address) noexcept {
    return check(os::bind(socket.get(), as_sockaddr(address), address.size));
}

result<void> listen(borrowed_fd socket, int backlog) noexcept {
    return check(os::listen(socket.get(), backlog));
}

result<raw_address> local_address(borrowed_fd socket) noexcept {
    return ask_address(socket, &os::getsockname);
}

result<raw_address> peer_address(borrowed_fd socket) noexcept {
    return ask_address(socket, &os::getpeername);
}

int connect(int socket, const raw_address& address) noexcept {
    if (os::connect(socket, as_sockaddr(address), address.size) == 0) return 0;
    return errno == EINTR ? -EINPROGRESS : -errno;
}

int accept(int listener) noexcept {
    for (;;) {
        const int fd =
            above_standard(os::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (fd >= 0) return fd;
        if (errno != EINTR || DUNLIN_PLANTED(accept_without_eintr)) return -errno;
    }
}

long receive_once(int socket, std::byte* into, std::size_t size) noexcept {
    const ssize_t n = os::recv(socket, into, size, 0);
    return n >= 0 ? n : -errno;
}

long send_once(int socket, const std::byte* data, std::size_t size) noexcept {
    const ssize_t n = os::send(socket, data, size, MSG_NOSIGNAL);
    return n >= 0 ? n : -errno;
}

long send(int socket, const slice* slices, std::size_t count) noexcept {
    msghdr message{};
    // The kernel only reads through these pointers when it sends.
    message.msg_iov = reinterpret_cast<iovec*>(const_cast<slice*>(slices));
    message.msg_iovlen = count < max_slices ? count : max_slices;
    for (;;) {
        const ssize_t n = os::sendmsg(socket, &message, MSG_NOSIGNAL);
        if (n >= 0) return n;
        if (errno != EINTR) return -errno;
    }
}

int take_error(int socket) noexcept {
    int error = 0;
    socklen_t size = sizeof error;
    if (os::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) < 0) return -errno;
    return error;
}

bool is_tcp(int socket) noexcept {
    int protocol = 0;
    socklen_t size = sizeof protocol;
    return os::getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
           protocol == IPPROTO_TCP;
}

long unacknowledged(int socket) noexcept {
    int bytes = 0;
    return is_tcp(socket) && os::ioctl(socket, TIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

result<unique_fd> duplicate(borrowed_fd socket) noexcept {
    const int copy = os::fcntl(socket.get(), F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return std::error_code{errno, std::system_category()};
    return unique_fd{copy};
}

long unread(int socket) noexcept {
    int bytes = 0;
    return os::ioctl(socket, FIONREAD, &bytes) == 0 ? bytes : 0;
}

int shutdown_write(int socket) noexcept { return os::shutdown(socket, SHUT_WR) == 0 ? 0 : -errno; }

result<void> set_option(borrowed_fd socket, option which, int value) noexcept {
    const auto [level, name] = name_of(which);
    return check(os::setsockopt(socket.get(), level, name, &value, sizeof value));
}

result<int> get_option(borrowed_fd socket, option which) noexcept {
    const auto [level, name] = name_of(which);
    int value = 0;
    socklen_t size = sizeof value;
    if (os::getsockopt(socket.get(), level, name, &value, &size) < 0) return last_error();
    return value;
}

result<void> set_reset_on_close(borrowed_fd socket, bool on) noexcept {
    const linger value{on ? 1 : 0, 0};
    return check(os::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &value, sizeof value));
}

} // namespace dunlin::sys
