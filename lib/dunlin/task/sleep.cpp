#include <dunlin/task/sleep.hpp>

#include <dunlin/loop/scheduler.hpp>

namespace dunlin {

bool sleep_operation::is_over() noexcept {
    if (now().time_since_epoch().count() >= deadline_) return true;
    outcome_ = why_not_wait();
    return outcome_ != 0;
}

leaf_description sleep_operation::describe() const noexcept {
    leaf_description words{"sleep"};
    words.until = deadline_;
    return words;
}

bool sleep_operation::begin() noexcept {
    if (!spend()) { // a sleep of nothing, or in spite of a stop, repeated for ever: others run, too
        waits_for_turn_ = true;
        context_->sched->schedule_later(*context_);
        wait();
        return false;
    }
    if (is_over()) return finish();
    context_->sched->arm(*context_, deadline_);
    wait();
    return false;
}

bool sleep_operation::attempt() noexcept {
    if (waits_for_turn_) { // a spent budget counts as a wait: a stop comes before the time
        waits_for_turn_ = false;
        outcome_ = why_not_wait();
    }
    if (outcome_ != 0 || is_over()) {
        context_->sched->disarm(*context_);
        return true;
    }
    context_->sched->arm(*context_, deadline_);
    return false;
}

} // namespace dunlin
