// The awaiter behind `tcp_socket::connect`.
#pragma once

#include <dunlin/loop/io_operation.hpp>
#include <dunlin/loop/watched_fd.hpp>
#include <dunlin/net/endpoint.hpp>
#include <dunlin/util/api.hpp>
#include <dunlin/util/planted.hpp>

#include <new>

namespace dunlin {

class tcp_socket;

/// Settings of `tcp_socket::connect`.
struct connect_options {
    /// The address (and port) of our end; 0.0.0.0:0 leaves both to the kernel. With port 0 it
    /// chooses one that is free for this peer (IP_BIND_ADDRESS_NO_PORT, ip(7)), so each address of
    /// ours has all its ports again for each peer.
    endpoint from = {};
};

/// Makes a socket, starts to connect, and waits for the outcome. Stopped or destroyed, it closes
/// the socket: the peer may have seen a connection that ends at once. Allocates nothing. Loop
/// thread.
class [[nodiscard]] DUNLIN_API connect_operation final : public io_operation,
                                                         public spellings<connect_operation> {
public:
    using value_type = tcp_socket;
    connect_operation(const endpoint& where, connect_options options) noexcept
        : io_operation{nullptr, detail::direction::output}, where_{where}, options_{options} {}
    ~connect_operation() { // before the base leaves the watch
        if (DUNLIN_PLANTED(loser_left_open) && is_lost())
            ::new (static_cast<void*>(&socket_)) detail::watched_fd{};
        socket_.close();
    }

    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override;
    tcp_socket take() noexcept;

private:
    friend class io_operation;
    bool try_now() noexcept override;
    [[nodiscard]] detail::outcome start() noexcept;

    endpoint where_;
    connect_options options_;
    detail::watched_fd socket_;
};

} // namespace dunlin
