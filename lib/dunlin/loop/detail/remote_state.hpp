// What a scheduler shares with its remotes: a lock-free queue, a flag, an eventfd. Not installed.
//
// The protocol, whose model is in tests/loop/wake_protocol.pml. A poster links its node and only
// then looks at the announcement `wants_wake`; if it is there, the poster takes it away and writes
// to the eventfd. The loop, woken by the eventfd, announces again and only then looks at the queue.
// All four steps are sequentially consistent, so one of the two sees the other: what was linked too
// late to be seen in the queue finds the announcement. Looking first and announcing second loses a
// wake-up. Between wake-ups it costs the loop nothing.
#pragma once

#include <dunlin/loop/remote.hpp>
#include <dunlin/sys/fd.hpp>

#include <atomic>
#include <cstdint>

namespace dunlin::detail {

struct remote_state {
    explicit remote_state(unique_fd eventfd) noexcept : wake{std::move(eventfd)} {}

    std::atomic<std::uint32_t> references{1};
    std::atomic<post_node*> newest{
        nullptr};                       ///< A stack; `closed_mark()` once the scheduler is gone.
    std::atomic<bool> wants_wake{true}; ///< The next poster writes to the eventfd.
    const unique_fd wake; ///< Lives as long as the last remote: nobody writes to a reused number.

    /// What `newest` points to when nothing is taken any more.
    [[nodiscard]] static post_node* closed_mark() noexcept;

    void acquire() noexcept { references.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    /// Takes everything posted so far, oldest first, and leaves `mark` behind.
    [[nodiscard]] post_node* take_all(post_node* mark) noexcept;
};

} // namespace dunlin::detail
