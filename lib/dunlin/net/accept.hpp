// The awaiter behind `tcp_listener::accept`.
#pragma once

#include <dunlin/loop/io_operation.hpp>
#include <dunlin/loop/starved_acceptor.hpp>
#include <dunlin/net/tcp_socket.hpp>
#include <dunlin/util/api.hpp>

namespace dunlin {

/// Waits for a connection and takes one. Single step: stopped or destroyed, it has taken none.
///
/// Connections that died in the queue are passed over (ECONNABORTED and its kin, see accept(2)).
/// When descriptors or memory have run out it pauses until a descriptor is closed here, and tries
/// again ten times a second in case one is closed elsewhere; the connections wait in the kernel's
/// queue. So it does when the kernel refuses one connection after the other (EPERM, EOPNOTSUPP and
/// the like), more than it may look at in a turn. That epoll has no room (no_space_on_device,
/// not_enough_memory) is an error. Allocates nothing. Loop thread.
class [[nodiscard]] DUNLIN_API accept_operation final : public io_operation,
                                                        public spellings<accept_operation> {
public:
    using value_type = tcp_socket;
    explicit accept_operation(detail::watched_fd& listener) noexcept
        : io_operation{listener.attach(), detail::direction::input} {}
    ~accept_operation();

    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override {
        return described_as("accept");
    }
    tcp_socket take() noexcept;

private:
    friend class io_operation;
    bool try_now() noexcept override;
    void starve(int why) noexcept;
    void recover() noexcept;

    detail::starved_acceptor starved_;
};

} // namespace dunlin
