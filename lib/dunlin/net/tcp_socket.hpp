// A TCP connection.
//
//     auto sock = co_await tcp_socket::connect("example.org:80").or_return();
//     co_await sock.write("hello\n").or_return();
//     auto answer = co_await sock.read().or_return();
//
// One task may read while another writes; a second reader (or writer) is told `busy`. Reading,
// writing and waiting are documented in socket_sides.hpp. Small writes go out at once: TCP_NODELAY
// is on unless `set_no_delay(false)` says otherwise. See tcp(7).
#pragma once

#include <dunlin/loop/clock.hpp>
#include <dunlin/net/connect.hpp>
#include <dunlin/net/endpoint.hpp>
#include <dunlin/net/lingering_close.hpp>
#include <dunlin/net/socket_sides.hpp>
#include <dunlin/result.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/util/api.hpp>
#include <dunlin/util/chrono.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace dunlin {

/// The reading half of a split socket. The connection closes when both halves are gone.
class tcp_reader : public detail::with_reads<detail::stream_end> {
public:
    tcp_reader() noexcept = default;

    /// Gives this half up; a read that waits is told `closed` once the other half is gone, too.
    void close() noexcept { fd_.close(); }

private:
    friend class tcp_socket;
    using with_reads::with_reads;
};

/// The writing half of a split socket. When it goes, the peer reads the end of the stream.
class DUNLIN_API tcp_writer : public detail::with_writes<detail::stream_end> {
public:
    tcp_writer() noexcept = default;
    tcp_writer(tcp_writer&&) noexcept = default;
    tcp_writer& operator=(tcp_writer&& other) noexcept {
        if (this == &other) return *this;
        close();
        fd_ = std::move(other.fd_);
        return *this;
    }
    ~tcp_writer() { close(); }

    /// Ends our half of the connection: the peer reads what was sent, then the end of the stream.
    result<void> shutdown_write() noexcept;

    /// The same, and gives this half up.
    void close() noexcept;

private:
    friend class tcp_socket;
    using with_writes::with_writes;
};

/// A connection, closed when it dies. Move-only; not while an operation on it is pending. It
/// belongs to the scheduler that first waited for it, and is used and destroyed on that thread.
class [[nodiscard]] DUNLIN_API tcp_socket
    : public detail::with_reads<detail::with_writes<detail::stream_end>> {
public:
    /// No connection: every operation gives `closed`.
    tcp_socket() noexcept = default;

    /// Takes over a connected stream socket. It is made non-blocking by its owner, once and for all
    /// (sockets made here are). No options are touched.
    explicit tcp_socket(unique_fd connected) noexcept
        : with_reads{detail::watched_fd{std::move(connected)}} {}

    /// Connects to `where`, waiting until it succeeds or fails. Errors: the kernel's
    /// (connection_refused, timed_out, network_unreachable …; see connect(2)), `stopped`. A socket
    /// that the kernel connected to itself, which it can do on an ephemeral port, counts as
    /// refused. `options.from` is the address of our end; one that this machine does not have is
    /// address_not_available, one of the other family invalid_argument or
    /// address_family_not_supported.
    [[nodiscard]] static connect_operation connect(const endpoint& where,
                                                   connect_options options = {}) noexcept {
        return connect_operation{where, options};
    }

    /// Connects to `host:port`, `[::1]:port` or `host:service` (see `resolve` for what they may
    /// be): looks the name up, then tries its addresses as RFC 8305 says, IPv6 and IPv4 in turn.
    /// One that fails lets the next begin at once, one that takes more than 250 ms lets the next
    /// begin beside it; the first that connects wins, and the others are closed when this returns.
    ///
    /// Errors: those of `resolve`; if all addresses fail, the last one's (but one that the server
    /// gave rather than one about a network that this machine lacks); `stopped`. A `.timeout()`
    /// covers all of it. Allocates, also a little per address.
    [[nodiscard]] static io_task<tcp_socket> connect(std::string where);
    [[nodiscard]] static io_task<tcp_socket> connect(std::string host, std::uint16_t port);

    /// Ends our half of the connection: the peer reads what was sent, then the end of the stream.
    /// What it sends can still be read. See shutdown(2).
    result<void> shutdown_write() noexcept;

    /// Closes now; a task that waits on it is told `closed`. What was written is still sent by the
    /// kernel, unless bytes are left unread: then it resets the connection, and our last words may
    /// be lost with it. `lingering_close` is the way around that. Idempotent.
    void close() noexcept { fd_.close(); }

    /// Closes without destroying our last answer: ends our half, then reads and drops what the peer
    /// still sends, until it has finished, `grace` is over or more than 1 MiB was dropped; then
    /// closes. Closed it is in the end whatever happens, also when this is stopped or destroyed.
    template <class Rep, class Period>
    [[nodiscard]] lingering_close_operation
    lingering_close(std::chrono::duration<Rep, Period> grace) noexcept {
        return lingering_close_operation{
            fd_, detail::deadline_after(now().time_since_epoch().count(),
                                        detail::clamp_to_nanoseconds(grace))};
    }
    [[nodiscard]] lingering_close_operation lingering_close() noexcept {
        return lingering_close(std::chrono::seconds{2});
    }

    /// Two handles for two tasks, one to read and one to write. This one is closed then.
    [[nodiscard]] std::pair<tcp_reader, tcp_writer> split() &&;

    /// Who is on the other side. Error: not_connected when the peer has reset the connection
    /// already.
    [[nodiscard]] result<endpoint> peer_endpoint() const noexcept;
    [[nodiscard]] result<endpoint> local_endpoint() const noexcept;

    /// TCP_NODELAY: small writes are not held back. On from the start.
    result<void> set_no_delay(bool on) noexcept;
    [[nodiscard]] result<bool> no_delay() const noexcept;

    /// SO_KEEPALIVE, and when it probes (TCP_KEEPIDLE, TCP_KEEPINTVL; whole seconds, at least one).
    result<void> set_keep_alive(bool on) noexcept;
    result<void> set_keep_alive(std::chrono::seconds idle, std::chrono::seconds interval,
                                int probes) noexcept;
    [[nodiscard]] result<bool> keep_alive() const noexcept;

    /// SO_SNDBUF and SO_RCVBUF, bytes. The kernel doubles what is set; see socket(7).
    result<void> set_send_buffer(std::size_t bytes) noexcept;
    result<void> set_receive_buffer(std::size_t bytes) noexcept;
    [[nodiscard]] result<std::size_t> send_buffer() const noexcept;
    [[nodiscard]] result<std::size_t> receive_buffer() const noexcept;

    /// TCP_USER_TIMEOUT: how long sent bytes may stay unacknowledged; zero is the kernel's default.
    result<void> set_user_timeout(std::chrono::milliseconds longest) noexcept;

    /// SO_LINGER of zero seconds: closing resets the connection and drops what is unsent.
    result<void> set_reset_on_close(bool on) noexcept;

    // What follows is for `serve`.

    /// What its watch is called, attached now; `task_context::no_key` without memory.
    [[nodiscard]] std::uint64_t watch_key() noexcept;

private:
    friend class accept_operation;
    friend class connect_operation;
    friend result<std::pair<tcp_socket, tcp_socket>> socket_pair() noexcept;
    using with_reads::with_reads;
};

/// Two connected sockets of this process (AF_UNIX), for tests and for tasks that talk to each
/// other. They have no endpoints and none of TCP's options. See socketpair(2).
[[nodiscard]] DUNLIN_API result<std::pair<tcp_socket, tcp_socket>> socket_pair() noexcept;

// Implementation

inline tcp_socket connect_operation::take() noexcept { return tcp_socket{std::move(socket_)}; }

} // namespace dunlin
