#include <dunlin/net/take_turn.hpp>

#include <dunlin/loop/scheduler.hpp>

namespace dunlin::detail {

bool take_turn::begin() noexcept {
    if (spend()) return finish();
    outcome_ = why_not_wait();
    if (outcome_ != 0) return finish();
    context_->sched->schedule_later(*context_);
    wait();
    return false;
}

/// The turn has come; a loser has no use for it.
bool take_turn::attempt() noexcept {
    if (is_lost()) outcome_ = failure(errc::stopped);
    return true;
}

} // namespace dunlin::detail
