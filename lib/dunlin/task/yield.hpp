// Letting others run in the middle of long work, and hearing of a stop there.
//
//     for (const block& each : blocks) {
//         digest.update(each);
//         co_await dunlin::yield().or_return();   // others have their turn; a stop ends it here
//     }
#pragma once

#include <dunlin/loop/operation.hpp>
#include <dunlin/util/api.hpp>

namespace dunlin {

/// The awaiter behind `yield`:   queued ──▶ over
///
/// It never completes at once and is never early: while it lasts its task is in the queue of the
/// next turn, so whatever else would wake it changes nothing.
class [[nodiscard]] DUNLIN_API yield_operation final : public operation,
                                                       public spellings<yield_operation> {
public:
    using value_type = void;
    yield_operation() noexcept = default;
    ~yield_operation() {
        if (is_waiting_) abandon();
    }

    bool begin() noexcept;
    bool attempt() noexcept override;
    void take() noexcept {}
};

/// Lets every other task that can run do so, and epoll and the timers have their look, before this
/// task goes on: it is queued behind them, for the next turn. Its budget of completions is full
/// again then.
///
/// Error: `stopped`, if the task has been asked to stop by then (or an outer deadline has passed).
/// It lets the others run all the same, so a loop that says `.ignore()` stays fair under a stop. A
/// `.timeout()` has nothing to cut short. Cancelling it loses nothing. Allocates nothing. Loop
/// thread. (Not sched_yield(2): the thread goes on.)
[[nodiscard]] inline yield_operation yield() noexcept { return yield_operation{}; }

/// Whether the running task has been asked to stop, or an outer deadline has passed: for work that
/// would rather look than wait. False inside a `shield`, and where no task runs. Loop thread.
[[nodiscard]] DUNLIN_API bool stop_requested() noexcept;

} // namespace dunlin
