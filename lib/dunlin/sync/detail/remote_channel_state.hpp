// What the two ends of a remote channel share, and how it wakes tasks of other threads' schedulers.
// See remote_channel.hpp.
#pragma once

#include <dunlin/loop/remote.hpp>
#include <dunlin/loop/scheduler.hpp>
#include <dunlin/sync/remote_channel.hpp>

#include <atomic>
#include <cstddef>
#include <limits>
#include <mutex>
#include <new>

namespace dunlin::detail {

/// Wakes tasks of one scheduler that have been served or refused by other threads. A channel makes
/// one for each scheduler whose tasks wait at it. While it is posted it holds a reference to the
/// channel, since it may have its turn when everybody else is gone.
class remote_port final : public post_node {
public:
    remote_port(remote_channel_state& of, scheduler& wakes) noexcept
        : home{&wakes}, remote_{wakes.get_remote()}, state_{of} {}

    void run() noexcept override;
    void abandon() noexcept override;

    /// Wakes it: on its thread, if that is not this one. Under the lock, as all that follows.
    void call(remote_waiter& woken) noexcept;
    void uncall(remote_waiter& gone) noexcept;

    [[nodiscard]] bool is_alive() const noexcept { return remote_.is_alive(); }
    [[nodiscard]] bool is_idle() const noexcept { return users == 0 && !is_posted_; }

    remote_port* next_port = nullptr;
    scheduler* home;       ///< Only compared, unless in `run`: it may be gone.
    std::size_t users = 0; ///< Operations that wait.

private:
    remote remote_;
    remote_channel_state& state_;
    remote_waiter* called_ = nullptr; ///< By `waiter::next`; the newest first.
    bool is_posted_ = false;
};

class remote_channel_state {
public:
    remote_channel_state(std::size_t capacity, std::size_t item_size, std::size_t alignment,
                         void (*destroy)(void*) noexcept)
        : ring{capacity}, item_size_{item_size}, alignment_{alignment}, destroy_{destroy},
          places_{allocate(capacity)} {}
    ~remote_channel_state();
    remote_channel_state(const remote_channel_state&) = delete;
    remote_channel_state& operator=(const remote_channel_state&) = delete;

    void acquire() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    [[nodiscard]] wait_queue& queue_at(channel_end end) noexcept {
        return end == channel_end::send ? ring.room : ring.items;
    }
    [[nodiscard]] void* place_at(channel_end end) const noexcept {
        return places_ + item_size_ * (end == channel_end::send ? ring.back() : ring.front());
    }
    void moved(channel_end end) noexcept {
        if (end == channel_end::send)
            ring.pushed();
        else
            ring.popped();
    }

    /// The port of a living scheduler; null if memory is refused.
    [[nodiscard]] remote_port* port_of(scheduler& home) noexcept;
    void clear_dead_ports() noexcept;

    std::mutex lock;
    // All below under the lock.
    channel_ring ring;
    scheduler* here = nullptr; ///< On whose thread the lock is held, if that is known.

private:
    [[nodiscard]] std::byte* allocate(std::size_t capacity) const {
        // More than there are addresses for is refused by operator new, in the usual way.
        constexpr std::size_t too_much = std::numeric_limits<std::size_t>::max() / 2;
        const std::size_t size =
            capacity > too_much / item_size_ ? too_much : capacity * item_size_;
        return static_cast<std::byte*>(::operator new(size, std::align_val_t{alignment_}));
    }

    std::atomic<std::size_t> references_{1};
    std::size_t item_size_;
    std::size_t alignment_;
    void (*destroy_)(void*) noexcept;
    std::byte* places_;
    remote_port* ports_ = nullptr;
};

/// Holds the lock, on the thread of `here` if that is given.
class locked {
public:
    locked(remote_channel_state& state, scheduler* here) noexcept : state_{state} {
        state_.lock.lock();
        state_.here = here;
    }
    ~locked() {
        state_.here = nullptr;
        state_.lock.unlock();
    }
    locked(const locked&) = delete;
    locked& operator=(const locked&) = delete;

private:
    remote_channel_state& state_;
};

} // namespace dunlin::detail
