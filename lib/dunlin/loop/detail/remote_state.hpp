// What a scheduler shares with its remotes: a lock-free queue, a flag, an eventfd. Not installed.
//
// The sleep protocol, whose model is in tests/loop/wake_protocol.pml: the loop announces that it
// will sleep and only then looks at the queue again; a poster links its node and only then looks
// at the announcement. All four steps are sequentially consistent, so one of the two sees the other.
// Looking first and announcing second loses a wake-up.
#pragma once

#include <dunlin/loop/remote.hpp>
#include <dunlin/sys/fd.hpp>

#include <atomic>
#include <cstdint>

namespace dunlin::detail {

struct remote_state {
    explicit remote_state(unique_fd eventfd) noexcept : wake{std::move(eventfd)} {}

    std::atomic<std::uint32_t> references{1};
    std::atomic<post_node*> newest{nullptr}; ///< A stack; `closed_mark()` once the scheduler is gone.
    std::atomic<bool> is_asleep{false};
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
