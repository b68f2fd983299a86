#include <dunlin/loop/scheduler.hpp>

#include <dunlin/loop/detail/remote_state.hpp>
#include <dunlin/loop/operation.hpp>
#include <dunlin/loop/remote.hpp>
#include <dunlin/sys/clock.hpp>
#include <dunlin/sys/eventfd.hpp>
#include <dunlin/util/assert.hpp>
#include <dunlin/util/planted.hpp>

#include <cerrno>
#include <limits>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace dunlin {

static_assert(std::is_trivially_destructible_v<scheduler_options>);

namespace {

constinit thread_local scheduler* current_scheduler = nullptr;

constexpr std::int64_t forever = -1;
constexpr std::uint64_t wake_key = std::numeric_limits<std::uint64_t>::max();
constexpr std::int64_t far_ahead = std::int64_t{1} << 30; // nanoseconds

constexpr std::size_t cache_line = 64;

constexpr epoll_flags lets_read = epoll_flags::in | epoll_flags::priority |
                                  epoll_flags::read_hangup | epoll_flags::hangup |
                                  epoll_flags::error;
constexpr epoll_flags lets_write = epoll_flags::out | epoll_flags::hangup | epoll_flags::error;
constexpr epoll_flags unsettles =
    epoll_flags::priority | epoll_flags::read_hangup | epoll_flags::hangup | epoll_flags::error;

} // namespace

// ---- run queue

void scheduler::run_queue::append(run_queue& other) noexcept {
    if (other.is_empty()) return;
    head_.prev->next = other.head_.next;
    other.head_.next->prev = head_.prev;
    head_.prev = other.head_.prev;
    other.head_.prev->next = &head_;
    other.head_.next = &other.head_;
    other.head_.prev = &other.head_;
}

// ---- life

scheduler::scheduler(scheduler_options options) noexcept
    : now_{sys::monotonic_now()}, options_{options}, watches_{*this}, timers_{now_},
      spinning_{options.spin} {
    if (options_.events_a_turn > batch) options_.events_a_turn = batch;
    if (current_scheduler == nullptr) current_scheduler = this;
    auto made = epoll::create();
    if (!made) {
        opening_error_ = made.error();
        return;
    }
    epoll_ = std::move(made).assume_value();
    auto eventfd = sys::make_eventfd();
    if (!eventfd) {
        opening_error_ = eventfd.error();
        return;
    }
    remote_ = new (std::nothrow) detail::remote_state{std::move(eventfd).assume_value()};
    if (remote_ == nullptr) {
        opening_error_ = std::make_error_code(std::errc::not_enough_memory);
        return;
    }
    const auto added =
        epoll_.add(remote_->wake, epoll_flags::in | epoll_flags::edge_triggered, wake_key);
    if (!added) opening_error_ = added.error();
}

scheduler::~scheduler() {
    DUNLIN_ASSERT(!is_turning_);
    destroy_attached();
    if (remote_ != nullptr) {
        const as_current here{*this}; // what was posted may own sockets of ours
        post_node* node = remote_->take_all(detail::remote_state::closed_mark());
        while (node != nullptr) {
            post_node* const next = node->next;
            node->abandon();
            node = next;
        }
        remote_->release();
    }
    DUNLIN_ASSERT(ready_.is_empty());
    DUNLIN_ASSERT(later_.is_empty());
    DUNLIN_ASSERT(watches_.count() == 0); // a socket is still open
    if (current_scheduler == this) current_scheduler = nullptr;
}

scheduler* scheduler::current() noexcept { return current_scheduler; }

remote scheduler::get_remote() const noexcept { return remote{remote_}; }

// ---- one turn

scheduler::as_current::as_current(scheduler& now_current) noexcept
    : outer_{std::exchange(current_scheduler, &now_current)} {}

scheduler::as_current::~as_current() { current_scheduler = outer_; }

[[gnu::always_inline]] inline void scheduler::note(const epoll::event& event) noexcept {
    if (event.data() == wake_key) [[unlikely]]
        return wake_up();
    detail::watch* const w = watches_.find(event.data());
    if (w == nullptr) [[unlikely]]
        return; // for the slot's former tenant
    const epoll_flags flags = event.flags();
    if (flags.has_any(unsettles) && !DUNLIN_PLANTED(short_read_at_end)) [[unlikely]]
        w->short_is_all = false;
    if (flags.has_any(lets_read)) [[likely]] {
        if (!DUNLIN_PLANTED(readiness_lost) || w->waiting_for(detail::direction::input) != nullptr)
            w->may_go(detail::direction::input) = true;
        if (operation* const reader = w->waiting_for(detail::direction::input)) [[likely]]
            schedule(reader->task());
    }
    if (flags.has_any(lets_write)) [[likely]] {
        w->may_go(detail::direction::output) = true;
        if (operation* const writer = w->waiting_for(detail::direction::output)) [[unlikely]]
            schedule(writer->task());
    }
}

/// Asks for the cache lines of the task that comes next (its context, and the frame behind it),
/// which with a thousand connections lie far away: they come while the kernel works for this one.
[[gnu::always_inline]] inline void scheduler::fetch(const detail::run_link& next) noexcept {
    const auto* const lines = reinterpret_cast<const std::byte*>(&next);
    // One by one: a loop is not unrolled, and g++ 12 drops a lambda that does nothing else.
    __builtin_prefetch(lines, 1);
    __builtin_prefetch(lines + cache_line, 1);
    __builtin_prefetch(lines + 2 * cache_line, 1);
    __builtin_prefetch(lines + 3 * cache_line, 1);
    __builtin_prefetch(lines + 4 * cache_line, 1);
    __builtin_prefetch(lines + 5 * cache_line, 1);
    __builtin_prefetch(lines + 6 * cache_line, 1);
}

[[gnu::always_inline]] inline void scheduler::run_entry(task_context& task) noexcept {
    running_ = &task;
    task.budget = options_.operations_a_turn;
    bool goes_on = true;
    if (operation* const leaf = task.leaf) {
        goes_on = leaf->attempt();
        if (goes_on) {
            leaf->leave_task();
            if (leaf->ends_coroutine()) {
                leaf->end_coroutine();
                goes_on = climb(task);
            }
        }
    }
    while (goes_on) {
        task.innermost->handle().resume();
        // Either it waits now (or something that it awaits does), or it has ended.
        if (!task.has_ended) break;
        goes_on = climb(task);
    }
    running_ = nullptr;
}

[[gnu::always_inline]] inline long scheduler::turn(std::int64_t wait) noexcept {
    if (!later_.is_empty() && !DUNLIN_PLANTED(later_never)) ready_.append(later_);
    if (!ready_.is_empty())
        wait = 0;
    else if (wait != 0 && timers_.earliest() != timer_queue::never)
        wait = time_to_wait(wait);

    const int count = epoll_.poll_raw(std::span{events_}.first(options_.events_a_turn), wait);
    now_ = sys::monotonic_now();
    ++counters_.turns;
    if (count > 0) {
        counters_.events += static_cast<unsigned>(count);
        for (int i = 0; i < (DUNLIN_PLANTED(first_event_only) ? 1 : count); ++i)
            note(events_[i]);
    } else if (count < 0 && (count != -EINTR || DUNLIN_PLANTED(turn_without_eintr))) {
        return count;
    }
    if (now_ >= timers_.earliest()) [[unlikely]]
        run_timers();

    long done = 0;
    while (!ready_.is_empty() && done < options_.resumptions_a_turn) {
        task_context& task = ready_.pop_front();
        if (!ready_.is_empty()) [[likely]]
            fetch(ready_.front());
        run_entry(task);
        ++done;
        if (to_end_ != nullptr) [[unlikely]]
            end_owners();
    }
    counters_.resumptions += static_cast<std::uint64_t>(done);
    return done;
}

/// For those who can spare a call.
long scheduler::turn_apart(std::int64_t wait) noexcept { return turn(wait); }

/// A turn that polls before it blocks. Each poll is a turn of its own: so it sees what is posted
/// and what is due, and reads the clock once. An epoll_wait that finds nothing takes a few hundred
/// nanoseconds, so there is no pause between two.
long scheduler::spinning_turn(std::int64_t wait) noexcept {
    if (wait == 0 || !ready_.is_empty() || !later_.is_empty()) return turn_apart(0);
    const std::uint64_t events_before = counters_.events;
    const auto something_came = [&] { return counters_.events != events_before; };

    if (!spinning_.polls()) {
        const std::int64_t begin = sys::monotonic_now();
        const long done = turn_apart(wait);
        if (something_came()) spinning_.note_blocked(now_ - begin);
        return done;
    }

    long done = turn_apart(0);
    if (done != 0 || something_came()) return done; // there was nothing to wait for
    const std::int64_t begin = now_;
    const std::int64_t span = wait == forever || wait > spinning_.span() ? spinning_.span() : wait;
    std::int64_t last = begin - 1;
    while (now_ - begin < span && now_ != last) { // a clock that stands still ends no span
        last = now_;
        ++counters_.spins;
        done = turn_apart(0);
        if (something_came()) {
            ++counters_.spared_waits;
            spinning_.note_saved();
            return done;
        }
        if (done != 0) break;
    }
    spinning_.note_fruitless();
    if (done != 0) return done;
    if (wait == forever) return turn_apart(forever);
    const std::int64_t left = wait - (now_ - begin);
    return left > 0 ? turn_apart(left) : 0;
}

result<std::size_t>
scheduler::poll_once(std::optional<std::chrono::nanoseconds> max_wait) noexcept {
    DUNLIN_ASSERT(!is_turning_); // not from inside a task, nor from what was posted
    if (opening_error_) return opening_error_;
    std::int64_t wait = forever;
    if (max_wait) wait = max_wait->count() > 0 ? max_wait->count() : 0;
    const as_current here{*this};
    is_turning_ = true;
    const long done = spinning_.is_wanted() ? spinning_turn(wait) : turn(wait);
    is_turning_ = false;
    if (done < 0) return detail::to_error(done);
    return static_cast<std::size_t>(done);
}

result<void> scheduler::run_while(const std::size_t& nonzero) noexcept {
    DUNLIN_ASSERT(!is_turning_); // not from inside a task, nor from what was posted
    if (opening_error_) return opening_error_;
    const as_current here{*this};
    was_woken_ = false;
    is_turning_ = true;
    long failed = 0;
    // Asked once here, not once a turn: who does not spin does not pay for it.
    if (spinning_.is_wanted()) {
        while (nonzero != 0 && !was_woken_ && failed >= 0)
            failed = spinning_turn(forever);
    } else {
        while (nonzero != 0 && !was_woken_ && failed >= 0)
            failed = turn(forever);
    }
    is_turning_ = false;
    if (failed < 0) return detail::to_error(failed);
    return success();
}

void scheduler::run_timers() noexcept {
    while (timer_node* const due = timers_.pop_due(now_)) {
        auto& task = static_cast<task_context&>(*due);
        if (task.wake_at > now_) { // what it was armed for is over; what came then lies later
            if (task.wake_at != detail::never && !DUNLIN_PLANTED(timer_not_rearmed))
                timers_.arm(task, task.wake_at);
            continue;
        }
        if (task.scopes != nullptr) task.expire_scopes(now_);
        task.wake_at = task.next_deadline(now_);
        if (task.wake_at != detail::never) timers_.arm(task, task.wake_at);
        schedule(task);
    }
}

std::int64_t scheduler::time_to_wait(std::int64_t at_most) const noexcept {
    // `now_` is old by what the turn has run since. For what lies far ahead (more than a second)
    // that does not matter: it wakes up a sixth too early, and then looks again.
    std::int64_t left = timers_.earliest() - now_;
    if (left > far_ahead) [[likely]]
        left = ((left >> 20) - (left >> 23)) * 1'000'000;
    else
        left = timers_.earliest() - sys::monotonic_now();
    if (left <= 0) return 0;
    return at_most == forever || left < at_most ? left : at_most;
}

/// Somebody wrote to the eventfd: a poster, or a signal handler.
void scheduler::wake_up() noexcept {
    was_woken_ = true;
    sys::clear_eventfd(remote_->wake.get());
    // Announce that the next poster is to wake us, then look: see remote_state.hpp.
    if (!DUNLIN_PLANTED(wake_flag_not_reset))
        remote_->wants_wake.store(true, std::memory_order_seq_cst);
    post_node* node = remote_->take_all(nullptr);
    while (node != nullptr) {
        post_node* const next = node->next;
        node->run();
        node = next;
    }
}

/// The innermost coroutine has ended: goes up to the one that is to be resumed. False when there is
/// none, that is, when the task is over (and gone).
bool scheduler::climb(task_context& task) noexcept {
    for (;;) {
        task.has_ended = false;
        detail::promise_base& ended = *task.innermost;
        detail::promise_base* const parent = ended.parent;
        if (parent == nullptr) {
            running_ = nullptr; // its frames are destroyed now, and that may end other groups
            task.owner->task_ended(task);
            return false;
        }
        task.innermost = parent;
        if (ended.has_scope) [[unlikely]]
            detail::leave_scope(task, ended);
        if (!ended.passes_error_up || ended.ending != detail::promise_base::how::error) return true;
        parent->end_with_error_of(ended, path_); // and so the parent has ended, too
    }
}

std::optional<time_point> scheduler::next_deadline() const noexcept {
    const bool can_run = !ready_.is_empty() || !later_.is_empty();
    if (can_run) return time_point{std::chrono::nanoseconds{now_}};
    if (timers_.is_empty()) return std::nullopt;
    // Not next_wakeup(), which may lie in the past: as long as nothing is due, no turn sorts.
    return time_point{std::chrono::nanoseconds{timers_.earliest()}};
}

// ---- for operations and groups

int scheduler::wake_number() const noexcept {
    return remote_ == nullptr ? -1 : remote_->wake.get();
}

void scheduler::forget(task_context& task) noexcept {
    const bool is_retired = task.run_link::next == &task;
    if (task.is_queued() && !is_retired) run_queue::remove(task);
    if (!DUNLIN_PLANTED(timer_not_disarmed)) disarm(task);
}

void scheduler::retire(task_context& task) noexcept {
    forget(task);
    task.run_link::next = &task; // in a queue of its own, of which it is never taken out
    task.run_link::prev = &task;
}

void scheduler::arm(task_context& task, std::int64_t deadline) noexcept {
    // One that has passed since the last turn is still to be noticed.
    const std::int64_t in_force = task.next_deadline(-1);
    task.wake_at = deadline < in_force ? deadline : in_force;
    if (task.wake_at == detail::never)
        timers_.disarm(task);
    else
        timers_.arm(task, task.wake_at);
}

} // namespace dunlin
