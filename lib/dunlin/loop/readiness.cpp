#include <dunlin/loop/readiness.hpp>

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/sys/foreign.hpp>

namespace dunlin {

using detail::direction;

bool readable_operation::begin() noexcept { return begin_distrusting(); }

bool readable_operation::try_now() noexcept {
    // poll(2) calls a regular file readable for ever, so only epoll can tell that waiting for it
    // makes no sense: it is asked once, before the first look.
    if (!watch_->is_registered) {
        outcome_ = task().sched->register_watch(*watch_);
        if (outcome_ < 0) return true;
    }
    outcome_ = sys::is_readable_now(watch_->fd);
    return outcome_ != 0;
}

bool readable_operation::attempt() noexcept { return attempt_as<direction::input>(*this); }

bool writable_operation::begin() noexcept { return begin_distrusting(); }

bool writable_operation::try_now() noexcept {
    if (!watch_->is_registered) {
        outcome_ = task().sched->register_watch(*watch_);
        if (outcome_ < 0) return true;
    }
    outcome_ = sys::is_writable_now(watch_->fd);
    return outcome_ != 0;
}

bool writable_operation::attempt() noexcept { return attempt_as<direction::output>(*this); }

} // namespace dunlin
