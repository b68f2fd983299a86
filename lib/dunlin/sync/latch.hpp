// Waiting until so many things have happened.
#pragma once

#include <dunlin/sync/event.hpp>
#include <dunlin/util/api.hpp>
#include <dunlin/util/assert.hpp>

#include <cstddef>

namespace dunlin {

/// Counts down to zero, once; then everybody who waits goes on, and nobody waits any more. The same
/// as std::latch, for tasks.
///
/// It outlives the waits for it (asserted). Neither copied nor moved. Allocates nothing. Loop
/// thread.
class latch {
public:
    explicit latch(std::size_t count) noexcept : left_{count} {
        if (left_ == 0) done_.set();
    }

    /// Counts down by `by`, which must not be more than is left (asserted).
    void count_down(std::size_t by = 1) noexcept {
        DUNLIN_ASSERT(by <= left_);
        left_ -= by;
        if (left_ == 0) done_.set();
    }

    /// Whether it has reached zero.
    [[nodiscard]] bool is_ready() const noexcept { return left_ == 0; }

    /// What is left to count.
    [[nodiscard]] std::size_t left() const noexcept { return left_; }

    /// Waits until it has reached zero. Error: `stopped`, `timeout`.
    [[nodiscard]] event_wait_operation wait() noexcept { return done_.wait(); }

    /// Counts down by one, then waits. It counts when it is called, not when it is awaited:
    /// whatever becomes of the wait, this arrival has been counted.
    [[nodiscard]] event_wait_operation arrive_and_wait() noexcept {
        count_down();
        return done_.wait();
    }

private:
    std::size_t left_;
    event done_;
};

} // namespace dunlin
