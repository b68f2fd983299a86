// A stretch of a task that has a deadline of its own, or that no stop reaches.
//
// Scopes are nested like the coroutines that they stand around and form a stack on the task's
// context, the innermost first; each lies in the frame of whoever awaits what is inside
// (task/scoped_task.hpp). An operation needs none: its own timeout is a member. There is one timer
// per task, for the earliest deadline in force. Loop thread.
#pragma once

#include <dunlin/util/api.hpp>

#include <cstdint>
#include <limits>

namespace dunlin {

class task_context;

namespace detail {

class promise_base;

/// Later than any deadline.
inline constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

/// Hears that a stop, or a deadline that has passed, has come to a scope: from outside, or its own.
class stop_hearer {
public:
    /// May be called more than once, from within whatever asked: it must not touch tasks.
    virtual void hear_stop() noexcept = 0;

protected:
    stop_hearer() noexcept = default;
    stop_hearer(const stop_hearer&) = default;
    stop_hearer& operator=(const stop_hearer&) = default;
    ~stop_hearer() = default;
};

struct time_scope {
    constexpr time_scope() noexcept {} // not an aggregate; see docs/design.md on g++ 12

    time_scope* outer = nullptr;
    std::int64_t deadline = never; ///< Nanoseconds of the monotonic clock.
    bool has_expired = false;      ///< Then every wait inside ends with `stopped`.
    bool is_shield = false;        ///< What comes from outside, deadlines too, waits at its edge.
    bool keeps_stopped = false;    ///< What ends because it has expired ends with `stopped`.
    stop_hearer* hearer = nullptr;
};

/// `ended`, around which the task's innermost scope stands, has ended: leaves the scope. If its
/// deadline is why `ended` was told `stopped`, that becomes `timeout`; any other end is as it was.
DUNLIN_API void leave_scope(task_context& task, promise_base& ended) noexcept;

} // namespace detail
} // namespace dunlin
