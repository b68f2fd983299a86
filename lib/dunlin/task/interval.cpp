#include <dunlin/task/interval.hpp>

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/assert.hpp>

namespace dunlin {

std::int64_t interval::positive(std::chrono::nanoseconds period) noexcept {
    DUNLIN_ASSERT(period.count() > 0); // a schedule that never gets anywhere
    return period.count();
}

void interval::advance(std::int64_t present) noexcept {
    switch (policy_) {
    case missed_ticks::burst:
        next_ = detail::deadline_after(next_, period());
        break;
    case missed_ticks::delay:
        next_ = detail::deadline_after(present, period());
        break;
    case missed_ticks::skip: {
        // Unsigned, as the first tick may lie further back than the clock can count.
        const std::uint64_t late =
            static_cast<std::uint64_t>(present) - static_cast<std::uint64_t>(next_);
        const auto into_this =
            static_cast<std::int64_t>(late % static_cast<std::uint64_t>(period_));
        next_ = detail::deadline_after(present, std::chrono::nanoseconds{period_ - into_this});
        break;
    }
    }
}

bool tick_operation::is_over() noexcept {
    const std::int64_t present = now().time_since_epoch().count();
    const bool is_due = present >= interval_->next_;
    if (is_due && !is_lost()) {
        taken_ = interval_->next_;
        interval_->advance(present);
        return true;
    }
    outcome_ = why_not_wait();
    return outcome_ != 0;
}

bool tick_operation::begin() noexcept {
    if (!spend()) { // missed ticks that are made up for let others run, too
        waits_for_turn_ = true;
        context_->sched->schedule_later(*context_);
        wait();
        return false;
    }
    if (is_over()) return finish();
    context_->sched->arm(*context_, interval_->next_);
    wait();
    return false;
}

bool tick_operation::attempt() noexcept {
    if (waits_for_turn_) { // a spent budget counts as a wait: a stop comes before the tick
        waits_for_turn_ = false;
        outcome_ = why_not_wait();
    }
    if (outcome_ != 0 || is_over()) {
        context_->sched->disarm(*context_);
        return true;
    }
    context_->sched->arm(*context_, interval_->next_);
    return false;
}

} // namespace dunlin
