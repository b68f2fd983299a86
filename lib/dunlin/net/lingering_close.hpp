// The awaiter behind `tcp_socket::lingering_close`.
//
// A close with unread input resets the connection, and the reset destroys our last answer on its
// way (RFC 2525, section 2.17). So the end of our half is sent first, and what still comes is
// dropped.
#pragma once

#include <dunlin/loop/io_operation.hpp>
#include <dunlin/loop/watched_fd.hpp>
#include <dunlin/util/api.hpp>

#include <cstddef>
#include <cstdint>

namespace dunlin {

/// A drain lets it finish; a stop ends it. Errors: `closed` (already), `busy` (somebody reads: then
/// it is not closed), `stopped`. Allocates nothing. Loop thread.
class [[nodiscard]] DUNLIN_API lingering_close_operation final
    : public io_operation,
      public spellings<lingering_close_operation> {
public:
    using value_type = void;
    /// `deadline`: nanoseconds of the monotonic clock.
    lingering_close_operation(detail::watched_fd& socket, std::int64_t deadline) noexcept
        : io_operation{socket.attach(), detail::direction::input}, socket_{&socket},
          deadline_{deadline} {
        drain_as_ = drain_as::busy;
    }
    ~lingering_close_operation();

    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override {
        return described_as("lingering_close");
    }
    /// Also as the loser of a race it stays with its watch, to hear of a close.
    void interrupt() noexcept override { operation::interrupt(); }
    void take() noexcept {}

private:
    friend class io_operation;
    bool try_now() noexcept override;

    detail::watched_fd* socket_;
    std::int64_t deadline_;
    std::size_t dropped_ = 0;
};

} // namespace dunlin
