#include <dunlin/loop/io_operation.hpp>

#include <dunlin/sys/clock.hpp>
#include <dunlin/sys/socket.hpp>
#include <dunlin/util/planted.hpp>

namespace dunlin {

using detail::direction;
using detail::stop_level;

namespace {

constexpr std::int64_t look_again_after = 10'000'000; // nanoseconds

} // namespace

bool io_operation::is_stopped() const noexcept {
    if (context_->stop == stop_level::none) [[likely]]
        return false;
    return context_->is_stopping() ||
           (direction_ == direction::input && drain_as_ != drain_as::busy);
}

/// The losers of a race must not take what nobody would get: they leave their watch, so that the
/// turn they are queued for finds nothing to try.
void io_operation::interrupt() noexcept {
    if (is_lost() && detail::why_no_watch(*watch_) == 0 && !DUNLIN_PLANTED(loser_reads)) {
        leave();
        watch_ = &detail::watch_of_lost();
    }
    operation::interrupt();
}

/// Nobody waits: the operation has failed already, or another one is where it wants to be.
bool io_operation::refuse() noexcept {
    const detail::outcome why = detail::why_no_watch(*watch_);
    outcome_ = why < 0 ? why : detail::failure(errc::busy);
    return finish();
}

/// The last try found nothing, so there is no other unless somebody insists.
bool io_operation::begin_unready(bool insists) noexcept {
    if (watch_->owners == 0) { // made before the close, awaited after it
        outcome_ = detail::failure(errc::closed);
        return finish();
    }
    if (!is_at_home()) used_elsewhere();
    // Before it is told to stop, what is there already still counts, so the kernel is asked.
    if (insists || is_stopped()) {
        if (!spend())
            wants_turn_ = true;
        else if (try_now())
            return finish();
    }
    return begin_to_wait();
}

bool io_operation::begin_to_wait() noexcept {
    const bool waits = goes_to_wait();
    // A loop that does not listen to its stop must not keep all others from running.
    const bool has_had_enough = !waits && context_->is_stopping() && !spend();
    if (has_had_enough) context_->sched->schedule_later(*context_);
    return waits || has_had_enough ? claim(watch_->waiting_for(direction_)) : finish();
}

void io_operation::used_elsewhere() const noexcept {
    detail::assertion_failed("a descriptor is used on the thread of its scheduler",
                             context_->innermost->where);
}

bool io_operation::wait_on() noexcept {
    if (goes_to_wait()) return false;
    leave();
    return true;
}

bool io_operation::end_as_closed() noexcept {
    outcome_ = detail::why_no_watch(*watch_);
    if (outcome_ == 0) {
        outcome_ = detail::failure(errc::closed);
        leave();
    }
    return true;
}

bool io_operation::waits_for_client() const noexcept {
    return detail::watch_table::key_of(*watch_) == context_->own_key;
}

/// It waits for its next request: for input, from its own client if it has one, and there is
/// nothing that it has read and not answered.
bool io_operation::is_idle() const noexcept {
    if (direction_ != direction::input || wants_turn_ || drain_as_ == drain_as::busy) return false;
    if (drain_as_ == drain_as::idle) return true;
    const bool is_own = context_->own_key == task_context::no_key || waits_for_client();
    return is_own && !watch_->is_unanswered;
}

/// A drain has its own end, so until then it lets a session stay that is in the middle of
/// something, or whose answers are still on their way: closing while the peer goes on sending would
/// reset the connection and destroy them.
bool io_operation::may_stay_in_drain() noexcept {
    if (!is_idle()) return true;
    if (sys::unacknowledged(watch_->fd) <= 0) return false;
    // Nothing tells when the last byte is acknowledged, so look again.
    context_->sched->arm(*context_, sys::monotonic_now() + look_again_after);
    return true;
}

/// What keeps an operation from waiting: a stop, its timeout, or epoll. Else it is sure to be
/// woken.
bool io_operation::goes_to_wait() noexcept {
    if (is_stopped() && (context_->is_stopping() || !may_stay_in_drain())) {
        outcome_ = detail::failure(errc::stopped);
        return false;
    }
    if (has_timed_out()) {
        outcome_ = detail::failure(errc::timeout);
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

leaf_description io_operation::described_as(const char* kind) const noexcept {
    leaf_description words{kind};
    words.descriptor = watch_->fd; // -1 of a stand-in, and of what is closed
    return words;
}

void io_operation::leave() noexcept {
    watch_->waiting_for(direction_) = nullptr;
    context_->sched->waiter_left(*watch_);
}

void io_operation::withdraw() noexcept {
    if (detail::why_no_watch(*watch_) == 0) leave();
    abandon();
}

} // namespace dunlin
