// The event loop: one thread, one epoll, no locks.
//
// One turn: wait for epoll (not at all if a task can run); read the clock once; queue the tasks
// whose descriptors became ready; queue the timers that are due; then run the queue until it is
// empty, but at most 256 resumptions. Tasks that spent their budget wait for the next turn.
// Handlers hardly ever see this class: `run` makes one, and operations find theirs through the task
// that awaits them. See docs/design.md for why, remote.hpp for the way in from other threads.
#pragma once

#include <dunlin/loop/attachment.hpp>
#include <dunlin/loop/clock.hpp>
#include <dunlin/loop/error_path.hpp>
#include <dunlin/loop/operation.hpp>
#include <dunlin/loop/outcome.hpp>
#include <dunlin/loop/spinning.hpp>
#include <dunlin/loop/task_context.hpp>
#include <dunlin/loop/timer_queue.hpp>
#include <dunlin/loop/watch.hpp>
#include <dunlin/result.hpp>
#include <dunlin/sys/epoll.hpp>
#include <dunlin/util/api.hpp>
#include <dunlin/util/chrono.hpp>
#include <dunlin/util/planted.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string_view>
#include <utility>

namespace dunlin {

namespace detail {
struct remote_state;
struct starved_acceptor;
} // namespace detail

class remote;

/// How much a log line matters.
enum class log_level : std::uint8_t { info, warning, error };

/// Settings of a scheduler.
struct scheduler_options {
    /// Hears what the library has to say (rarely anything); none by default. Loop thread.
    void (*log)(log_level, std::string_view, std::source_location) noexcept = nullptr;

    /// How much is done at a time, each at least 1: entries of the run queue in a turn; operations
    /// of a task that complete at once before it lets others run; events taken from epoll in a turn
    /// (at most 256). The defaults suit servers. Small numbers bring rare orders about, for tests.
    std::uint16_t resumptions_a_turn = 256;
    std::uint16_t events_a_turn = 256;
    std::uint8_t operations_a_turn = 64;

    /// Spinning: a wait is polled for up to so long before it blocks, since to be put to sleep and
    /// woken takes longer than to see what comes soon. Zero (or less): never. It keeps a core busy,
    /// which has to be free; 50 us is a good span where peers answer within it.
    ///
    /// It is adaptive: after four waits in a row in which nothing came in time it blocks at once,
    /// until a wait was short again; and whenever that has misled it, it wants to see twice as many
    /// short ones, up to 1,024. A poll is a turn, so polling ends with whatever comes: an event, a
    /// post, a signal, a deadline. It lasts no longer than `poll_once` may wait: `poll_once(0ns)`
    /// never spins. If the clock stands still, as a simulated one does, it ends with one poll.
    std::chrono::nanoseconds spin{0};
};

/// What a scheduler has done so far; for tests and dashboards.
struct scheduler_counters {
    std::uint64_t turns = 0;         ///< Calls of epoll_wait.
    std::uint64_t resumptions = 0;   ///< Entries of the run queue that were worked off.
    std::uint64_t registrations = 0; ///< Descriptors added to epoll.
    std::uint64_t events = 0;        ///< Events that epoll reported.
    std::uint64_t spins = 0;         ///< Turns among them that polled where one would have blocked.
    std::uint64_t spared_waits = 0;  ///< Waits that polling ended, so that none blocked.
};

/// Aligned to a cache line, so not a local of a coroutine: g++ 12 does not align those.
class DUNLIN_API alignas(64) scheduler {
public:
    /// Opens epoll and the wake-up eventfd. If the kernel refuses one (descriptor limit), every
    /// `poll_once` gives that error. Becomes `current()` of this thread if there is none yet.
    explicit scheduler(scheduler_options options = {}) noexcept;

    /// Destroys the tasks of `background()`. Every other task group, and every socket used with it,
    /// must be gone by then: asserted.
    ~scheduler();
    scheduler(const scheduler&) = delete;
    scheduler& operator=(const scheduler&) = delete;

    /// The scheduler of this thread: the one whose turn is running, else the one that was made
    /// while there was none; null if there is none, also when that one is gone.
    [[nodiscard]] static scheduler* current() noexcept;

    /// One turn, waiting for something to do for at most `max_wait` (nullopt: forever; zero: not at
    /// all). Gives the number of resumptions; 0 means that nothing was there to do, or that a
    /// signal came. Not from inside a task.
    result<std::size_t> poll_once(std::optional<std::chrono::nanoseconds> max_wait) noexcept;

    /// A descriptor that polls readable when `poll_once` has something to do: for a foreign loop,
    /// which also minds `next_deadline` and calls `poll_once(0ns)`. Close-on-exec, owned here.
    [[nodiscard]] borrowed_fd fd() const noexcept { return epoll_.fd(); }

    /// When `poll_once` should be called even if `fd()` stays quiet: the past if a task can run
    /// now, nullopt if nothing is planned. What is posted from other threads shows on `fd()`.
    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept;

    /// The way in from other threads. Outlives the scheduler. See remote.hpp.
    [[nodiscard]] remote get_remote() const noexcept;

    [[nodiscard]] const scheduler_counters& counters() const noexcept { return counters_; }

    // What follows is for `run`, operations and task groups, not for users.

    /// Turns until `nonzero` is zero, or until something other than a descriptor has woken it.
    result<void> run_while(const std::size_t& nonzero) noexcept;

    /// Makes a scheduler this thread's current one while it lives.
    class as_current {
    public:
        explicit as_current(scheduler& now_current) noexcept;
        ~as_current();
        as_current(const as_current&) = delete;
        as_current& operator=(const as_current&) = delete;

    private:
        scheduler* outer_;
    };

    /// While one lives, frames are destroyed that have not come to their end.
    class leaving_frames {
    public:
        explicit leaving_frames(scheduler& on) noexcept : on_{on} { ++on_.leaving_frames_; }
        ~leaving_frames() { --on_.leaving_frames_; }
        leaving_frames(const leaving_frames&) = delete;
        leaving_frames& operator=(const leaving_frames&) = delete;

    private:
        scheduler& on_;
    };
    [[nodiscard]] bool is_leaving_frames() const noexcept { return leaving_frames_ != 0; }

    /// The clock of this turn, nanoseconds: what it was when epoll_wait returned.
    [[nodiscard]] std::int64_t turn_time() const noexcept { return now_; }

    /// The task that runs or whose operation is being attempted, or null.
    [[nodiscard]] task_context* current_task() const noexcept { return running_; }

    /// Puts the task into the run queue, unless it is there or is being destroyed.
    void schedule(task_context& task) noexcept {
        if (!task.is_queued() || DUNLIN_PLANTED(queued_twice)) ready_.push_back(task);
    }
    /// Likewise, but for the next turn.
    void schedule_later(task_context& task) noexcept {
        if (!task.is_queued()) later_.push_back(task);
    }
    /// Takes a task out of the queue and disarms its timer.
    void forget(task_context& task) noexcept;

    /// The same for good: the task is about to be destroyed, and nothing queues it any more.
    void retire(task_context& task) noexcept;

    /// What a signal handler writes to (sys/stop_signals.hpp); -1 if the scheduler failed to open.
    [[nodiscard]] int wake_number() const noexcept;

    [[nodiscard]] std::uint32_t next_task_number() noexcept { return ++last_task_number_; }

    /// The leaf of this task is queued once `deadline` (nanoseconds; `detail::never`: none) has
    /// passed, or one in force.
    void arm(task_context& task, std::int64_t deadline) noexcept;

    /// The same, at the latest; for what is seldom waited for to its end. A timer that is armed for
    /// an earlier time is left alone and armed again when it goes off: so a timeout on every read
    /// costs a few instructions and not the wheel.
    void wake_by(task_context& task, std::int64_t deadline) noexcept {
        task.wake_at = deadline;
        if (!task.is_timed() ||
            (deadline < task.timer_node::deadline() && !DUNLIN_PLANTED(earlier_deadline_ignored)))
            timers_.arm(task, deadline);
    }
    void disarm(task_context& task) noexcept {
        task.wake_at = detail::never;
        if (task.is_timed()) timers_.disarm(task);
    }

    /// A watch for `fd`, or null when memory is refused.
    [[nodiscard]] detail::watch* add_watch(int fd) noexcept { return watches_.add(fd); }

    /// The watch that has this key (`watch_table::key_of`), or null if it has gone since.
    [[nodiscard]] detail::watch* find_watch(std::uint64_t key) const noexcept {
        return key == task_context::no_key ? nullptr : watches_.find(key);
    }

    /// Adds it to epoll; 0 or a negative outcome.
    [[nodiscard]] detail::outcome register_watch(detail::watch& w) noexcept;

    /// See `watch_table`.
    [[nodiscard]] bool has_forgotten_waiter() const noexcept {
        return watches_.has_forgotten_waiter();
    }

    /// One owner less. The last closes the descriptor (unless it is borrowed) and wakes who waits.
    void release_watch(detail::watch& w) noexcept;

    /// Frees the slot of a closed watch once nobody waits on it any more.
    void waiter_left(detail::watch& w) noexcept {
        if (w.owners == 0 && w.waiting[0] == nullptr && w.waiting[1] == nullptr) watches_.remove(w);
    }

    /// Waits in line for a descriptor to be closed here.
    void add_starved(detail::starved_acceptor& acceptor) noexcept;
    void remove_starved(detail::starved_acceptor& acceptor) noexcept;
    void wake_starved() noexcept; ///< A descriptor has been closed.

    /// Calls `owner.end_now()` as soon as no coroutine runs.
    void end_after_entry(detail::task_owner& owner) noexcept;
    void forget(detail::task_owner& owner) noexcept;

    /// What was attached as this kind, or null. See attachment.hpp.
    [[nodiscard]] detail::attachment* attached(const void* kind) const noexcept;
    /// The scheduler destroys it at its end.
    void attach(detail::attachment& kept) noexcept;

    /// The owners of tasks, oldest first, each with the number of the task that makes it just now.
    void add_owner(detail::task_owner& owner) noexcept;
    void remove_owner(detail::task_owner& owner) noexcept;
    [[nodiscard]] detail::task_owner* first_owner() const noexcept { return first_owner_; }
    [[nodiscard]] detail::task_owner* last_owner() const noexcept { return last_owner_; }

    /// The way the newest error came.
    [[nodiscard]] detail::error_path& path() noexcept { return path_; }

    void log(log_level level, std::string_view words,
             std::source_location where = std::source_location::current()) const noexcept {
        if (options_.log != nullptr) options_.log(level, words, where);
    }

private:
    class run_queue {
    public:
        run_queue() noexcept : head_{&head_, &head_} {}
        [[nodiscard]] bool is_empty() const noexcept { return head_.next == &head_; }
        void push_back(detail::run_link& task) noexcept {
            task.next = &head_;
            task.prev = head_.prev;
            head_.prev->next = &task;
            head_.prev = &task;
        }
        task_context& pop_front() noexcept {
            detail::run_link& first =
                DUNLIN_PLANTED(run_queue_is_stack) ? *head_.prev : *head_.next;
            remove(first);
            return static_cast<task_context&>(first);
        }
        [[nodiscard]] const detail::run_link& front() const noexcept { return *head_.next; }
        static void remove(detail::run_link& task) noexcept {
            task.prev->next = task.next;
            task.next->prev = task.prev;
            task.next = nullptr;
        }
        void append(run_queue& other) noexcept;

    private:
        detail::run_link head_;
    };

    long turn(std::int64_t wait) noexcept;
    [[gnu::noinline]] long turn_apart(std::int64_t wait) noexcept;
    [[gnu::noinline]] long spinning_turn(std::int64_t wait) noexcept;
    [[nodiscard]] std::int64_t time_to_wait(std::int64_t at_most) const noexcept;
    void note(const epoll::event& event) noexcept;
    static void fetch(const detail::run_link& next) noexcept;
    void run_entry(task_context& task) noexcept;
    bool climb(task_context& task) noexcept;
    [[gnu::noinline]] void wake_up() noexcept;
    [[gnu::noinline]] void run_timers() noexcept;
    void end_owners() noexcept;
    void destroy_attached() noexcept;

    static constexpr std::size_t batch = 256;

    // What each resumption touches comes first, in as few cache lines as may be; then what each
    // turn does; what is large or rare comes last.
    run_queue ready_;
    task_context* running_ = nullptr;
    detail::task_owner* to_end_ = nullptr;
    std::int64_t now_;
    scheduler_options options_;
    detail::watch_table watches_;
    run_queue later_;
    scheduler_counters counters_;
    epoll epoll_;
    bool was_woken_ = false;
    bool is_turning_ = false;
    std::uint32_t last_task_number_ = 0;
    timer_queue timers_;
    detail::borrowed_list borrowed_;
    detail::starved_acceptor* starved_ = nullptr;
    detail::attachment* attached_ = nullptr; ///< Newest first.
    detail::task_owner* first_owner_ = nullptr;
    detail::task_owner* last_owner_ = nullptr;
    detail::remote_state* remote_ = nullptr;
    std::uint32_t leaving_frames_ = 0;
    std::error_code opening_error_;
    detail::spinning spinning_;
    detail::error_path path_;
    epoll::event events_[batch];
};

} // namespace dunlin
