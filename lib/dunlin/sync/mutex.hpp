// Mutual exclusion between tasks, across their awaits.
//
//     auto guard = co_await mutex.lock().or_return();
//     ... // nobody else is in here, though this task may wait
//
// Between two awaits a task is alone on its scheduler anyhow: what does not wait needs no mutex.
#pragma once

#include <dunlin/sync/wait_queue.hpp>
#include <dunlin/util/api.hpp>

#include <utility>

namespace dunlin {

class mutex;

/// Holds a mutex, and unlocks it in the end. Movable; may be empty. Loop thread.
class [[nodiscard]] mutex_guard {
public:
    mutex_guard() noexcept = default;
    mutex_guard(mutex_guard&& other) noexcept : held_{std::exchange(other.held_, nullptr)} {}
    mutex_guard& operator=(mutex_guard&& other) noexcept {
        if (this != &other) {
            unlock();
            held_ = std::exchange(other.held_, nullptr);
        }
        return *this;
    }
    ~mutex_guard() { unlock(); }

    /// Whether it holds a mutex.
    explicit operator bool() const noexcept { return held_ != nullptr; }

    /// Before its end. Nothing if it is empty. The first who waits has the mutex from here on.
    inline void unlock() noexcept;

private:
    friend class mutex;
    friend class mutex_lock_operation;
    explicit mutex_guard(detail::wait_queue& held) noexcept : held_{&held} {}

    detail::wait_queue* held_ = nullptr;
};

/// The awaiter behind `mutex::lock`.
///
/// Error: `stopped`, `timeout`; then the mutex is not held. Destroyed between the unlock that made
/// it the holder and its turn, it hands the mutex on. Allocates nothing. Loop thread.
class [[nodiscard]] DUNLIN_API mutex_lock_operation final : public detail::queued_operation,
                                                            public spellings<mutex_lock_operation> {
public:
    using value_type = mutex_guard;
    explicit mutex_lock_operation(detail::wait_queue& queue) noexcept
        : queued_operation{queue, 1} {}
    ~mutex_lock_operation() = default;

    mutex_guard take() noexcept { return mutex_guard{*queue_}; }
};

/// At most one task holds it; the others wait in the order in which they came, and nobody gets in
/// between. It does not know who holds it: locking it twice waits for ever.
///
/// It outlives its guards and those who wait for it (the latter is asserted). Neither copied nor
/// moved. Allocates nothing. Loop thread.
class mutex {
public:
    mutex() noexcept = default;

    /// Waits until nobody holds it and it is our turn; then holds it.
    [[nodiscard]] mutex_lock_operation lock() noexcept { return mutex_lock_operation{queue_}; }

    /// An empty guard if somebody holds it or waits for it. Never waits.
    mutex_guard try_lock() noexcept {
        if (!queue_.try_take(1)) return mutex_guard{};
        return mutex_guard{queue_};
    }

    /// Whether somebody holds it, or is about to.
    [[nodiscard]] bool is_locked() const noexcept { return queue_.units() == 0; }

private:
    detail::wait_queue queue_{1};
};

// Implementation

inline void mutex_guard::unlock() noexcept {
    if (held_ != nullptr) std::exchange(held_, nullptr)->release(1);
}

} // namespace dunlin
