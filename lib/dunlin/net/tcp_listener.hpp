// A TCP socket that waits for connections.
//
//     auto listener = co_await tcp_listener::bind("localhost:8888").or_return();
//     auto client = co_await listener.accept().or_return();
#pragma once

#include <dunlin/loop/watched_fd.hpp>
#include <dunlin/net/accept.hpp>
#include <dunlin/net/endpoint.hpp>
#include <dunlin/result.hpp>
#include <dunlin/sys/fd.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/util/api.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace dunlin {

/// Settings of a listener.
struct listen_options {
    /// Connections that wait to be accepted; the kernel cuts it to net.core.somaxconn (4096 on
    /// most machines). What comes beyond it is dropped, and the peer tries again. See listen(2).
    int backlog = 4096;

    /// SO_REUSEPORT: several listeners on one port, among which the kernel spreads connections. Off
    /// by default, since it hides that another server has the port.
    bool reuse_port = false;

    /// IPV6_V6ONLY: an IPv6 listener takes no IPv4 connections.
    bool v6_only = true;
};

/// Closed when it dies. Move-only; not while an accept on it is pending.
class [[nodiscard]] DUNLIN_API tcp_listener {
public:
    /// Listens at `where`; port 0 lets the kernel choose one (`local_endpoint` tells which).
    ///
    /// SO_REUSEADDR is on, so that a restart does not wait for old connections in TIME_WAIT.
    /// TCP_NODELAY is on and inherited by what is accepted. Errors: address_in_use,
    /// address_not_available, permission_denied … see bind(2). Needs no scheduler. A plain
    /// function: in a coroutine `co_await or_return(tcp_listener::bind(where))`.
    [[nodiscard]] static result<tcp_listener> bind(const endpoint& where,
                                                   listen_options options = {}) noexcept;

    /// Listens at `host:port`, `[::1]:port` or `host:service` (see `resolve` for what they may be):
    /// at the first address of the name where it can. If it can nowhere, the error is that of the
    /// first. Numbers take no lookup, and then nothing is waited for.
    [[nodiscard]] static io_task<tcp_listener> bind(std::string where, listen_options options = {});
    [[nodiscard]] static io_task<tcp_listener> bind(std::string host, std::uint16_t port,
                                                    listen_options options = {});

    /// Takes over a listening socket that was made elsewhere (socket activation). It is
    /// non-blocking.
    explicit tcp_listener(unique_fd listening) noexcept : fd_{std::move(listening)} {}

    /// Waits for a connection and takes one.
    ///
    /// Errors: `closed`, `stopped`, `busy` when another task accepts. What goes wrong with a single
    /// connection is no error, and running out of descriptors only pauses it: see accept.hpp.
    [[nodiscard]] accept_operation accept() noexcept { return accept_operation{fd_}; }

    /// Stops listening; an `accept` that waits is told `closed`. Idempotent.
    void close() noexcept { fd_.close(); }
    [[nodiscard]] bool is_open() const noexcept { return fd_.is_open(); }

    /// Where it listens, with the port that the kernel chose.
    [[nodiscard]] result<endpoint> local_endpoint() const noexcept;

    /// The descriptor's number, for what has no name here. Do not close it.
    [[nodiscard]] borrowed_fd fd() noexcept { return fd_.share(); }

private:
    explicit tcp_listener(detail::watched_fd made) noexcept : fd_{std::move(made)} {}

    detail::watched_fd fd_;
};

} // namespace dunlin
