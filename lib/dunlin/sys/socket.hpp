// Sockets, one typed function per system call. No policy: what to do with a failure is the
// caller's.
//
// Every socket is born non-blocking and close-on-exec. What stands on the hot path answers with a
// plain number, n or -errno, and builds no `result`. EINTR never gets out; sending never raises
// SIGPIPE (MSG_NOSIGNAL). Thread-safe as far as the kernel is.
#pragma once

#include <dunlin/result.hpp>
#include <dunlin/sys/address.hpp>
#include <dunlin/sys/fd.hpp>
#include <dunlin/util/planted.hpp>
#include <dunlin/util/slice.hpp>

#include <cerrno>
#include <cstddef>

namespace dunlin::sys {

using detail::slice;

/// At most this many slices go into one call (IOV_MAX).
inline constexpr std::size_t max_slices = 1024;

/// A stream socket of the family of `like`. See socket(2).
[[nodiscard]] result<unique_fd> stream_socket(const raw_address& like) noexcept;

/// Two connected stream sockets (AF_UNIX). See socketpair(2). Returns 0 or -errno.
[[nodiscard]] int socket_pair(unique_fd& first, unique_fd& second) noexcept;

[[nodiscard]] result<void> bind(borrowed_fd socket, const raw_address& address) noexcept;
[[nodiscard]] result<void> listen(borrowed_fd socket, int backlog) noexcept;
[[nodiscard]] result<raw_address> local_address(borrowed_fd socket) noexcept;
[[nodiscard]] result<raw_address> peer_address(borrowed_fd socket) noexcept;

/// 0, or -errno: -EINPROGRESS when it goes on in the background (EINTR is reported so too, since a
/// connect that was interrupted goes on). See connect(2).
[[nodiscard]] int connect(int socket, const raw_address& address) noexcept;

/// The accepted descriptor, or -errno. See accept4(2).
[[nodiscard]] int accept(int listener) noexcept;

/// One call, EINTR included: what `receive` and `send` repeat, inline, where their arguments are.
[[nodiscard]] long receive_once(int socket, std::byte* into, std::size_t size) noexcept;
[[nodiscard]] long send_once(int socket, const std::byte* data, std::size_t size) noexcept;

/// Bytes received, 0 at the end of the stream, or -errno. See recv(2).
[[nodiscard]] inline long receive(int socket, std::byte* into, std::size_t size) noexcept {
    for (;;) {
        const long n = receive_once(socket, into, size);
        if (n != -EINTR || DUNLIN_PLANTED(recv_without_eintr)) [[likely]]
            return n;
    }
}

/// Bytes taken by the kernel, or -errno. See send(2).
[[nodiscard]] inline long send(int socket, const std::byte* data, std::size_t size) noexcept {
    for (;;) {
        const long n = send_once(socket, data, size);
        if (n != -EINTR || DUNLIN_PLANTED(send_without_eintr)) [[likely]]
            return n;
    }
}
[[nodiscard]] long send(int socket, const slice* slices, std::size_t count) noexcept;

/// Takes the pending error off the socket (SO_ERROR): 0 or a positive errno; -errno if that failed.
[[nodiscard]] int take_error(int socket) noexcept;

/// Whether it is a TCP socket, of IPv4 or IPv6; false for everything else, also for no socket at
/// all.
[[nodiscard]] bool is_tcp(int socket) noexcept;

/// Bytes of a TCP connection that the peer's kernel has not acknowledged (SIOCOUTQ, tcp(7)); 0 for
/// everything else.
[[nodiscard]] long unacknowledged(int socket) noexcept;

/// A second descriptor of the same socket. See fcntl(2), F_DUPFD_CLOEXEC.
[[nodiscard]] result<unique_fd> duplicate(borrowed_fd socket) noexcept;

/// Bytes that have come and were not read (FIONREAD, tcp(7)); 0 if that cannot be told.
[[nodiscard]] long unread(int socket) noexcept;

/// Ends our half of the connection: the peer reads an end of stream. 0 or -errno. See shutdown(2).
[[nodiscard]] int shutdown_write(int socket) noexcept;

/// What the public types can set and ask; the names say which option of socket(7) or tcp(7) is
/// meant.
enum class option {
    reuse_address,
    reuse_port,
    v6_only,
    bind_address_no_port,
    no_delay,
    keep_alive,
    keep_alive_idle,
    keep_alive_interval,
    keep_alive_count,
    send_buffer,
    receive_buffer,
    user_timeout,
};

[[nodiscard]] result<void> set_option(borrowed_fd socket, option which, int value) noexcept;
[[nodiscard]] result<int> get_option(borrowed_fd socket, option which) noexcept;

/// Closing discards what is unsent and resets the connection (SO_LINGER with zero seconds).
[[nodiscard]] result<void> set_reset_on_close(borrowed_fd socket, bool on) noexcept;

} // namespace dunlin::sys
