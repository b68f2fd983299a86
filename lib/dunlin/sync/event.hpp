// A flag that tasks can wait for.
#pragma once

#include <dunlin/sync/wait_queue.hpp>
#include <dunlin/util/api.hpp>

namespace dunlin {

/// The awaiter behind `event::wait` and `latch::wait`.
///
/// Error: `stopped`, `timeout`. One that was waiting when the event was set goes on, whatever
/// happens to the event or to the task before its turn. Stopped or destroyed, it has changed
/// nothing. Allocates nothing. Loop thread.
class [[nodiscard]] DUNLIN_API event_wait_operation final : public detail::queued_operation,
                                                            public spellings<event_wait_operation> {
public:
    using value_type = void;
    explicit event_wait_operation(detail::wait_queue& queue) noexcept
        : queued_operation{queue, 1} {}
    ~event_wait_operation() = default;

    void take() noexcept {}
};

/// A flag: unset at first, then set and reset as often as you like. Everybody who waits goes on
/// when it is set, in the order in which they came.
///
/// It outlives the waits for it (asserted); those that it has let go on already may outlive it.
/// Neither copied nor moved. Allocates nothing. Loop thread.
class event {
public:
    event() noexcept = default;

    /// Lets all go on who wait, and who come, until `reset`.
    void set() noexcept { queue_.open(); }

    /// From now on tasks wait again. Those that `set` has let go on are not held up.
    void reset() noexcept { queue_.shut(); }

    [[nodiscard]] bool is_set() const noexcept { return queue_.is_open(); }

    /// Waits until it is set; not at all if it is.
    [[nodiscard]] event_wait_operation wait() noexcept { return event_wait_operation{queue_}; }

private:
    detail::wait_queue queue_{0};
};

} // namespace dunlin
