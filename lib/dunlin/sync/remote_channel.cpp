#include <dunlin/sync/remote_channel.hpp>

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/sync/detail/remote_channel_state.hpp>

#include <cerrno>
#include <condition_variable>
#include <mutex>

namespace dunlin::detail {

namespace {

class blocked_thread final : public waiter {
public:
    blocked_thread() noexcept : waiter{1, &wake} {}

    void wait(std::mutex& held) noexcept {
        std::unique_lock<std::mutex> lock{held, std::adopt_lock};
        while (at == place::in_line)
            woken_.wait(lock);
        static_cast<void>(lock.release());
    }

private:
    // Whoever calls holds the lock, so it is done with this before the thread can go on.
    static void wake(waiter& self) noexcept {
        static_cast<blocked_thread&>(self).woken_.notify_one();
    }

    std::condition_variable woken_;
};

/// Waits for a unit; false if there will be none.
bool block(remote_channel_state& state, wait_queue& queue) noexcept {
    blocked_thread self;
    queue.enter(self);
    self.wait(state.lock);
    if (self.at != waiter::place::served) return false;
    if (queue.is_revoked()) {
        queue.leave(self);
        return false;
    }
    queue.settle(self);
    return true;
}

} // namespace

// ---- handles

remote_channel_base::remote_channel_base(std::size_t capacity, std::size_t item_size,
                                         std::size_t item_alignment,
                                         void (*destroy)(void*) noexcept)
    : state_{new remote_channel_state{capacity, item_size, item_alignment, destroy}} {}

remote_channel_base::remote_channel_base(const remote_channel_base& other) noexcept
    : state_{other.state_} {
    if (state_ != nullptr) state_->acquire();
}

remote_channel_base::~remote_channel_base() {
    if (state_ != nullptr) state_->release();
}

void remote_channel_base::close() const noexcept {
    const locked held{*state_, nullptr};
    state_->ring.close();
    state_->clear_dead_ports();
}

bool remote_channel_base::is_closed() const noexcept {
    const locked held{*state_, nullptr};
    return state_->ring.is_closed();
}

std::size_t remote_channel_base::size() const noexcept {
    const locked held{*state_, nullptr};
    return state_->ring.size();
}

std::size_t remote_channel_base::capacity() const noexcept { return state_->ring.capacity(); }

// ---- one item at a time

remote_access::remote_access(remote_channel_state& state, channel_end end, how waiting) noexcept
    : state_{&state}, end_{end} {
    state_->lock.lock();
    wait_queue& queue = state_->queue_at(end_);
    bool is_ours = queue.try_take(1);
    if (!is_ours && waiting == how::block) {
        if (queue.ask(1) == 0) is_ours = block(*state_, queue);
        if (!is_ours) error_ = errc::closed;
    } else if (!is_ours) {
        error_ =
            end_ == channel_end::send ? state_->ring.why_no_room() : state_->ring.why_no_item();
    }
    if (is_ours) place_ = state_->place_at(end_);
}

remote_access::remote_access(remote_channel_state& state, scheduler& here) noexcept
    : state_{&state}, end_{channel_end::receive} {
    state_->lock.lock();
    state_->here = &here;
    place_ = state_->place_at(end_);
}

remote_access::~remote_access() {
    if (place_ != nullptr) state_->moved(end_);
    state_->here = nullptr;
    state_->lock.unlock();
}

// ---- operations

void remote_operation::put(void*) noexcept {}

wait_queue& remote_operation::queue() const noexcept { return state_->queue_at(end_); }

/// An item that is sent goes in as soon as there is room for it, under the same lock: else the
/// channel could be closed, and found empty, in between. One that is received stays where it is
/// until it is taken; it is put aside.
void remote_operation::move_item() noexcept {
    if (end_ != channel_end::send) return;
    put(state_->place_at(end_));
    state_->moved(end_);
}

bool remote_operation::begin() noexcept {
    const outcome started = start();
    if (started == 0) {
        wait();
        return false;
    }
    outcome_ = started < 0 ? started : 0;
    return started < 0 ? finish_unwaited() : finish();
}

/// Above 0 if it is done, 0 if it waits, or why neither.
outcome remote_operation::start() noexcept {
    if (is_lost()) return failure(errc::stopped);
    scheduler& sched = *context_->sched;
    const locked held{*state_, &sched};
    const outcome answer = queue().ask(units);
    if (answer < 0) return answer;
    const bool may_take = answer > 0;
    if (may_take && spend()) {
        queue().take(units);
        move_item();
        return 1;
    }
    if (const outcome why = why_not_wait(); why != 0) {
        if (may_take || !queue().try_take(units)) return why;
        move_item();
        return 1;
    }
    sleeper = context_;
    port = state_->port_of(sched);
    if (port == nullptr) return -ENOMEM;
    ++port->users;
    if (may_take) { // only its budget is spent
        queue().serve_uncalled(*this);
        sched.schedule_later(*context_);
    } else {
        queue().enter(*this);
    }
    return 0;
}

bool remote_operation::attempt() noexcept {
    if (outcome_ < 0) return true; // it never waited in line
    const locked held{*state_, context_->sched};
    const outcome gone_on = go_on();
    if (gone_on == 0) return false;
    leave_port();
    outcome_ = gone_on < 0 ? gone_on : 0;
    return true;
}

/// As `start`.
outcome remote_operation::go_on() noexcept {
    if (is_lost()) {
        leave_queue();
        return failure(errc::stopped);
    }
    switch (at) {
    case place::in_line: {
        const outcome why = why_not_wait();
        if (why != 0) leave_queue();
        return why;
    }
    case place::served:
        if (queue().is_revoked()) {
            leave_queue();
            break;
        }
        queue().settle(*this);
        move_item();
        return 1;
    case place::passed:
    case place::refused:
    case place::none:
        break;
    }
    return failure(errc::closed);
}

void remote_operation::leave_queue() noexcept {
    if (is_queued()) queue().leave(*this);
}

void remote_operation::leave_port() noexcept {
    if (port == nullptr) return;
    if (is_at_port) port->uncall(*this);
    --port->users;
    port = nullptr;
}

void remote_operation::withdraw() noexcept {
    {
        const locked held{*state_, context_->sched};
        leave_queue();
        leave_port();
    }
    abandon();
}

} // namespace dunlin::detail
