#include <dunlin/sync/wait_queue.hpp>

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/assert.hpp>
#include <dunlin/util/planted.hpp>

namespace dunlin::detail {

// ---- the queue

wait_queue::~wait_queue() {
    DUNLIN_ASSERT(first_ == nullptr); // a task still waits for what is being destroyed
    DUNLIN_ASSERT(served_ == 0);
}

outcome wait_queue::ask(std::size_t units) const noexcept {
    if (is_revoked_) return failure(errc::closed);
    if (is_open_) return 1;
    // Those who are served go first, although there may be enough for all: what they stand in line
    // for can have an order of its own, as the items of a channel.
    if (first_ == nullptr && served_ == 0 && units <= units_) return 1;
    // What was put aside may come back, so only then it is certain that nothing will.
    return is_closed_ && served_ == 0 ? failure(errc::closed) : 0;
}

bool wait_queue::try_take(std::size_t units) noexcept {
    if (is_revoked_ || first_ != nullptr) return false;
    if (!is_open_ && units > units_) return false;
    take(units);
    return true;
}

void wait_queue::enter(waiter& last) noexcept {
    DUNLIN_ASSERT(last.at == waiter::place::none);
    last.at = waiter::place::in_line;
    last.next = nullptr;
    last.prev = last_;
    if (last_ != nullptr)
        last_->next = &last;
    else
        first_ = &last;
    last_ = &last;
    serve();
}

void wait_queue::serve_uncalled(waiter& newcomer) noexcept {
    if (is_open_) {
        newcomer.at = waiter::place::passed;
        return;
    }
    units_ -= newcomer.units;
    newcomer.at = waiter::place::served;
    ++served_;
}

void wait_queue::settle(waiter& served) noexcept {
    served.at = waiter::place::none;
    --served_;
    if (is_closed_) serve();
}

void wait_queue::leave(waiter& gone) noexcept {
    if (gone.at == waiter::place::in_line) {
        unlink(gone);
    } else {
        DUNLIN_ASSERT(gone.at == waiter::place::served);
        --served_;
        units_ += gone.units - (DUNLIN_PLANTED(permit_lost) && gone.units > 1 ? 1 : 0);
    }
    gone.at = waiter::place::none;
    if (!DUNLIN_PLANTED(line_not_served)) serve();
}

void wait_queue::release(std::size_t units) noexcept {
    DUNLIN_ASSERT(units_ + units >= units_); // more were given back than there can be
    units_ += units;
    serve();
}

void wait_queue::open() noexcept {
    is_open_ = true;
    serve();
}

void wait_queue::close() noexcept {
    is_closed_ = true;
    serve();
}

void wait_queue::revoke() noexcept {
    is_closed_ = true;
    is_revoked_ = true;
    refuse_all();
}

void wait_queue::unlink(waiter& gone) noexcept {
    (gone.prev != nullptr ? gone.prev->next : first_) = gone.next;
    (gone.next != nullptr ? gone.next->prev : last_) = gone.prev;
}

/// Serves from the front as long as there is enough.
void wait_queue::serve() noexcept {
    while (first_ != nullptr && (is_open_ || first_->units <= units_)) {
        waiter& next = *first_;
        unlink(next);
        serve_uncalled(next);
        next.called(next);
    }
    if (is_closed_ && served_ == 0) refuse_all();
}

void wait_queue::refuse_all() noexcept {
    while (first_ != nullptr) {
        waiter& next = *first_;
        unlink(next);
        next.at = waiter::place::refused;
        next.called(next);
    }
}

void wait_queue::check_home(scheduler& of_waiter) noexcept {
    if (first_ == nullptr && served_ == 0) home_ = &of_waiter;
    DUNLIN_ASSERT(home_ == &of_waiter); // used on two threads
}

// ---- the operation

bool queued_operation::begin() noexcept {
    if (is_lost()) {
        outcome_ = failure(errc::stopped);
        return finish_unwaited();
    }
    const outcome answer = queue_->ask(units);
    const bool may_take = answer > 0;
    if (may_take && spend()) [[likely]] {
        queue_->take(units);
        return finish();
    }
    outcome_ = answer < 0 ? answer : why_not_wait();
    if (outcome_ != 0) {
        const bool need_not_wait = answer == 0 && queue_->try_take(units);
        if (need_not_wait) outcome_ = 0;
        return need_not_wait ? finish() : finish_unwaited();
    }
    queue_->check_home(*context_->sched);
    if (may_take) { // only its budget is spent
        queue_->serve_uncalled(*this);
        context_->sched->schedule_later(*context_);
    } else {
        queue_->enter(*this);
    }
    wait();
    return false;
}

bool queued_operation::attempt() noexcept {
    if (outcome_ < 0) return true; // it never waited in line
    if (is_lost()) {
        outcome_ = failure(errc::stopped);
        leave();
        return true;
    }
    switch (at) {
    case place::in_line:
        outcome_ = why_not_wait();
        if (outcome_ == 0) return false;
        leave();
        return true;
    case place::served:
        if (queue_->is_revoked()) {
            outcome_ = failure(errc::closed);
            leave();
        } else {
            queue_->settle(*this);
            if (DUNLIN_PLANTED(channel_loses_item)) outcome_ = why_not_wait();
        }
        return true;
    case place::passed:
        return true;
    case place::refused:
    case place::none:
        break;
    }
    outcome_ = failure(errc::closed);
    return true;
}

void queued_operation::wake(waiter& self) noexcept {
    task_context& task = *static_cast<queued_operation&>(self).context_;
    task.sched->schedule(task);
}

void queued_operation::leave() noexcept {
    if (is_queued()) queue_->leave(*this);
}

void queued_operation::withdraw() noexcept {
    if (DUNLIN_PLANTED(mutex_lost) && at == place::served)
        queue_->settle(*this);
    else
        leave();
    abandon();
}

} // namespace dunlin::detail
