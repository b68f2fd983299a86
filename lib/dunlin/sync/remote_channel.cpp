#include <dunlin/sync/remote_channel.hpp>

#include <dunlin/loop/remote.hpp>
#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/assert.hpp>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <new>

namespace dunlin::detail {

/// Wakes tasks of one scheduler that have been served or refused by other threads. A channel makes
/// one for each scheduler whose tasks wait at it. While it is posted it holds a reference to the
/// channel, since it may have its turn when everybody else is gone.
class remote_port final : public post_node {
public:
    remote_port(remote_channel_state& of, scheduler& wakes) noexcept
        : home{&wakes}, remote_{wakes.get_remote()}, state_{of} {}

    void run() noexcept override;
    void abandon() noexcept override;

    /// Wakes it: on its thread, if that is not this one. Under the lock, as all that follows.
    void call(remote_waiter& woken) noexcept;
    void uncall(remote_waiter& gone) noexcept;

    [[nodiscard]] bool is_alive() const noexcept { return remote_.is_alive(); }
    [[nodiscard]] bool is_idle() const noexcept { return users == 0 && !is_posted_; }

    remote_port* next_port = nullptr;
    scheduler* home;       ///< Only compared, unless in `run`: it may be gone.
    std::size_t users = 0; ///< Operations that wait.

private:
    remote remote_;
    remote_channel_state& state_;
    remote_waiter* called_ = nullptr; ///< By `waiter::next`; the newest first.
    bool is_posted_ = false;
};

class remote_channel_state {
public:
    remote_channel_state(std::size_t capacity, std::size_t item_size, std::size_t alignment,
                         void (*destroy)(void*) noexcept)
        : ring{capacity}, item_size_{item_size}, alignment_{alignment}, destroy_{destroy},
          places_{allocate(capacity)} {}
    ~remote_channel_state();
    remote_channel_state(const remote_channel_state&) = delete;
    remote_channel_state& operator=(const remote_channel_state&) = delete;

    void acquire() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    [[nodiscard]] wait_queue& queue_at(channel_end end) noexcept {
        return end == channel_end::send ? ring.room : ring.items;
    }
    [[nodiscard]] void* place_at(channel_end end) const noexcept {
        return places_ + item_size_ * (end == channel_end::send ? ring.back() : ring.front());
    }
    void moved(channel_end end) noexcept {
        if (end == channel_end::send)
            ring.pushed();
        else
            ring.popped();
    }

    /// The port of a living scheduler; null if memory is refused.
    [[nodiscard]] remote_port* port_of(scheduler& home) noexcept;
    void clear_dead_ports() noexcept;

    std::mutex lock;
    // All below under the lock.
    channel_ring ring;
    scheduler* here = nullptr; ///< On whose thread the lock is held, if that is known.

private:
    [[nodiscard]] std::byte* allocate(std::size_t capacity) const {
        // More than there are addresses for is refused by operator new, in the usual way.
        constexpr std::size_t too_much = std::numeric_limits<std::size_t>::max() / 2;
        const std::size_t size =
            capacity > too_much / item_size_ ? too_much : capacity * item_size_;
        return static_cast<std::byte*>(::operator new(size, std::align_val_t{alignment_}));
    }

    std::atomic<std::size_t> references_{1};
    std::size_t item_size_;
    std::size_t alignment_;
    void (*destroy_)(void*) noexcept;
    std::byte* places_;
    remote_port* ports_ = nullptr;
};

namespace {

/// Holds the lock, on the thread of `here` if that is given.
class locked {
public:
    locked(remote_channel_state& state, scheduler* here) noexcept : state_{state} {
        state_.lock.lock();
        state_.here = here;
    }
    ~locked() {
        state_.here = nullptr;
        state_.lock.unlock();
    }
    locked(const locked&) = delete;
    locked& operator=(const locked&) = delete;

private:
    remote_channel_state& state_;
};

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

// ---- ports

void remote_port::run() noexcept {
    remote_channel_state& state = state_;
    {
        const locked held{state, home};
        is_posted_ = false;
        // The first that was called is the last in the list.
        remote_waiter* oldest = called_;
        while (oldest != nullptr && oldest->next != nullptr)
            oldest = static_cast<remote_waiter*>(oldest->next);
        while (oldest != nullptr) {
            auto* const newer = static_cast<remote_waiter*>(oldest->prev);
            oldest->is_at_port = false;
            home->schedule(*oldest->sleeper);
            oldest = newer;
        }
        called_ = nullptr;
    }
    state.release();
}

void remote_port::abandon() noexcept {
    remote_channel_state& state = state_;
    {
        const locked held{state, nullptr};
        is_posted_ = false; // from here on it may be cleared away
    }
    state.release();
}

void remote_waiter::wake(waiter& self) noexcept {
    auto& woken = static_cast<remote_waiter&>(self);
    woken.port->call(woken);
}

void remote_port::call(remote_waiter& woken) noexcept {
    if (state_.here == home) {
        home->schedule(*woken.sleeper);
        return;
    }
    woken.is_at_port = true;
    woken.prev = nullptr;
    woken.next = called_;
    if (called_ != nullptr) called_->prev = &woken;
    called_ = &woken;
    if (is_posted_) return;
    is_posted_ = true;
    state_.acquire();
    if (remote_.post(*this)) return;
    is_posted_ = false; // the scheduler is gone, though one of its tasks is not
    state_.release();   // not the last: our caller has one
}

void remote_port::uncall(remote_waiter& gone) noexcept {
    gone.is_at_port = false;
    auto* const newer = static_cast<remote_waiter*>(gone.prev);
    auto* const older = static_cast<remote_waiter*>(gone.next);
    if (newer != nullptr)
        newer->next = older;
    else
        called_ = older;
    if (older != nullptr) older->prev = newer;
}

// ---- the state

remote_channel_state::~remote_channel_state() {
    while (ring.size() != 0) {
        destroy_(place_at(channel_end::receive));
        ring.popped();
    }
    ::operator delete(places_, std::align_val_t{alignment_});
    while (ports_ != nullptr)
        delete std::exchange(ports_, ports_->next_port);
}

remote_port* remote_channel_state::port_of(scheduler& home) noexcept {
    for (remote_port* each = ports_; each != nullptr; each = each->next_port)
        if (each->home == &home && each->is_alive()) return each;
    clear_dead_ports();
    auto* const made = new (std::nothrow) remote_port{*this, home};
    if (made == nullptr) return nullptr;
    made->next_port = ports_;
    ports_ = made;
    return made;
}

/// Schedulers do not say when they die, so their ports are cleared away when another one is made.
void remote_channel_state::clear_dead_ports() noexcept {
    for (remote_port** link = &ports_; *link != nullptr;) {
        remote_port* const each = *link;
        if (each->is_alive() || !each->is_idle()) {
            link = &each->next_port;
        } else {
            *link = each->next_port;
            delete each;
        }
    }
}

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
