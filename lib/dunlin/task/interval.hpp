// Ticks: the same span of time over and over.
//
//     interval ticker{100ms, missed_ticks::skip};
//     for (;;) {
//         co_await ticker.tick().or_return();     // the first one at once, then every 100 ms
//         co_await send_heartbeat(peer).or_return();
//     }
//
// It is four numbers, not a timer: nothing is armed while nobody awaits a tick, so ticks that come
// meanwhile are *missed*, and the policy says what becomes of them. For one span see sleep.hpp.
#pragma once

#include <dunlin/loop/clock.hpp>
#include <dunlin/loop/operation.hpp>
#include <dunlin/util/api.hpp>
#include <dunlin/util/chrono.hpp>

#include <cstdint>

namespace dunlin {

class interval;

/// What becomes of the ticks that came due while nobody awaited one (or the loop was busy).
///
/// With a period of 100 ms and a task that awaits its next tick only at 250 ms, ticks come at
/// burst: 0, 250 (late), 250 (late), 300, 400; delay: 0, 250, 350, 450; skip: 0, 250, 300, 400.
enum class missed_ticks : std::uint8_t {
    burst, ///< Each is made up for, one after the other and at once, until the schedule is caught
           ///< up with. As many ticks as periods, and no drift.
    delay, ///< The next one comes a whole period after this one was taken: never two closer to each
           ///< other than that. The schedule moves, by however late each tick was taken.
    skip,  ///< They are dropped; the next one is the next on the old schedule. No drift.
};

/// The awaiter behind `interval::tick`:   idle ──▶ waiting ◀──▶ queued ──▶ over
///
/// Queued by its timer. It takes the tick in the turn in which it resumes, so one that is stopped,
/// timed out or destroyed before has left the tick to the next. Allocates nothing. Loop thread.
class [[nodiscard]] DUNLIN_API tick_operation final : public operation,
                                                      public spellings<tick_operation> {
public:
    using value_type = time_point;
    explicit tick_operation(interval& ticks) noexcept : interval_{&ticks} {}
    ~tick_operation() {
        if (is_waiting_) abandon();
    }

    bool begin() noexcept;
    bool attempt() noexcept override;
    time_point take() noexcept { return time_point{std::chrono::nanoseconds{taken_}}; }

private:
    bool is_over() noexcept;

    interval* interval_;
    std::int64_t taken_ = 0;      ///< When the tick was due.
    bool waits_for_turn_ = false; ///< Its budget was spent when it began.
};

/// A schedule of ticks. A value: copied freely, but neither moved nor destroyed while one of its
/// ticks is awaited. Several tasks may await ticks of one; each tick goes to one of them.
class DUNLIN_API interval {
public:
    /// The first tick is due now, each further one a period later. `period` must be more than
    /// nothing: asserted. One beyond the clock's range means that the first tick is the last.
    template <class Rep, class Period>
    explicit interval(std::chrono::duration<Rep, Period> period,
                      missed_ticks policy = missed_ticks::burst) noexcept
        : interval{now(), period, policy} {}

    /// The same with the first tick at `first`, which may have passed already.
    template <class Rep, class Period>
    interval(time_point first, std::chrono::duration<Rep, Period> period,
             missed_ticks policy = missed_ticks::burst) noexcept
        : next_{first.time_since_epoch().count()},
          period_{positive(detail::clamp_to_nanoseconds(period))}, policy_{policy} {}

    /// Waits for the next tick; not at all if it is due already. Never early: it reads a fresh
    /// clock. Gives the point in time at which this tick was due.
    ///
    /// Error: `stopped`. A tick that is due still succeeds under a stop, and only then the stop is
    /// heard.
    [[nodiscard]] tick_operation tick() noexcept { return tick_operation{*this}; }

    /// The next tick is due one period from now, those after it as from there. Whoever awaits a
    /// tick already gets it at the new time, or at the old one if that is later.
    void restart() noexcept {
        next_ = detail::deadline_after(now().time_since_epoch().count(), period());
    }

    /// When the next tick is due; in the past if it has been missed so far.
    [[nodiscard]] time_point next_tick() const noexcept {
        return time_point{std::chrono::nanoseconds{next_}};
    }
    [[nodiscard]] std::chrono::nanoseconds period() const noexcept {
        return std::chrono::nanoseconds{period_};
    }
    [[nodiscard]] missed_ticks policy() const noexcept { return policy_; }

private:
    friend class tick_operation;

    /// Asserts that it is.
    [[nodiscard]] static std::int64_t positive(std::chrono::nanoseconds period) noexcept;

    /// The tick is taken at `present`: when is the next one due?
    void advance(std::int64_t present) noexcept;

    std::int64_t next_; ///< Nanoseconds of the monotonic clock.
    std::int64_t period_;
    missed_ticks policy_;
};

} // namespace dunlin
