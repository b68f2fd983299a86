#include <dunlin/loop/io_operation.hpp>

#include <dunlin/loop/scheduler.hpp>

namespace dunlin {

bool io_operation::begin_io() noexcept {
    if (watch_ == nullptr) return finish(); // closed, or no memory: the outcome says which
    if (place() != nullptr) {
        outcome_ = detail::failure(errc::busy);
        return finish();
    }
    // Before it is told to stop, what is there already still counts, so the kernel is asked.
    const bool stopped = is_stopped();
    if (may_go_on() || trusts_no_cache_ || stopped) {
        if (!spend())
            wants_turn_ = true;
        else if (try_now())
            return finish();
    }
    if (!goes_to_wait()) return finish();
    claim();
    return false;
}

/// What keeps an operation from waiting: a stop, or epoll. Else it is sure to be woken.
bool io_operation::goes_to_wait() noexcept {
    // A drain has its own end, so until then it lets whoever has something to read have it all.
    if (context_->is_stopping || (is_stopped() && !wants_turn_)) {
        outcome_ = detail::failure(errc::stopped);
        return false;
    }
    if (wants_turn_) {
        wants_turn_ = false;
        context_->sched->schedule_later(*context_);
    } else if (!watch_->is_registered) {
        outcome_ = context_->sched->register_watch(*watch_);
        return outcome_ >= 0;
    }
    return true;
}

bool io_operation::attempt() noexcept {
    if (!settle()) return false;
    leave();
    return true;
}

bool io_operation::settle() noexcept {
    if (watch_->owners == 0) {
        outcome_ = detail::failure(errc::closed);
        return true;
    }
    return try_now() || !goes_to_wait();
}

void io_operation::leave() noexcept {
    place() = nullptr;
    is_claimed_ = false;
    context_->sched->waiter_left(*watch_);
}

} // namespace dunlin
