#include <dunlin/loop/io_operation.hpp>

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/sys/clock.hpp>
#include <dunlin/sys/socket.hpp>
#include <dunlin/util/assert.hpp>

namespace dunlin {

using detail::direction;
using detail::stop_level;

namespace {

constexpr std::int64_t look_again_after = 10'000'000; // nanoseconds

} // namespace

bool io_operation::is_stopped() const noexcept {
    if (context_->stop == stop_level::none) [[likely]]
        return false;
    return context_->is_stopping() || (direction_ == direction::input && !is_goodbye_);
}

/// Nobody waits: the operation has failed already, or another one is where it wants to be.
bool io_operation::refuse() noexcept {
    const long why = detail::why_no_watch(*watch_);
    outcome_ = why < 0 ? why : detail::failure(errc::busy);
    return finish();
}

/// The last try found nothing, so there is no other unless somebody insists.
bool io_operation::begin_unready(bool insists) noexcept {
    if (watch_->owners == 0) { // made before the close, awaited after it
        outcome_ = detail::failure(errc::closed);
        return finish();
    }
    // Before it is told to stop, what is there already still counts, so the kernel is asked.
    if (insists || is_stopped()) {
        if (!spend())
            wants_turn_ = true;
        else if (try_now())
            return finish();
    }
    return begin_to_wait();
}

bool io_operation::begin_to_wait() noexcept { return goes_to_wait() ? claim() : finish(); }

/// Becomes its watch's reader or writer, and its task's leaf.
bool io_operation::claim() noexcept {
    scheduler& sched = *context_->sched;
    DUNLIN_ASSERT(&watch_->home() == &sched); // used on another thread than its scheduler's
    watch_->waiting_for(direction_) = this;
    wait(sched.turn_time());
    return false;
}

bool io_operation::wait_on() noexcept {
    if (goes_to_wait()) return false;
    leave();
    return true;
}

bool io_operation::end_as_closed() noexcept {
    outcome_ = detail::failure(errc::closed);
    leave();
    return true;
}

/// What keeps an operation from waiting: a stop, or epoll. Else it is sure to be woken.
bool io_operation::goes_to_wait() noexcept {
    if (is_stopped()) {
        // A drain has its own end, so until then it lets whoever has something to read have it all,
        // and whose answers are still on their way: closing while the peer goes on sending would
        // reset the connection and destroy them. Nothing tells when the last is acknowledged, so
        // look again.
        const bool may_stay = !context_->is_stopping();
        const bool delivers = may_stay && !wants_turn_ && sys::unacknowledged(watch_->fd) > 0;
        if (!may_stay || (!wants_turn_ && !delivers)) {
            outcome_ = detail::failure(errc::stopped);
            return false;
        }
        if (delivers) context_->sched->arm(*context_, sys::monotonic_now() + look_again_after);
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

void io_operation::leave() noexcept {
    watch_->waiting_for(direction_) = nullptr;
    context_->sched->waiter_left(*watch_);
}

void io_operation::withdraw() noexcept {
    leave();
    abandon();
}

} // namespace dunlin
