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

/// Makes a socket, starts to connect, and waits for the outcome. Stopped or destroyed, it closes
/// the socket: the peer may have seen a connection that ends at once. Allocates nothing. Loop
/// thread.
class [[nodiscard]] DUNLIN_API connect_operation final : public io_operation,
                                                         public spellings<connect_operation> {
public:
    using value_type = tcp_socket;
    explicit connect_operation(const endpoint& where) noexcept
        : io_operation{nullptr, detail::direction::output}, where_{where} {}
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
    detail::watched_fd socket_;
};

} // namespace dunlin
