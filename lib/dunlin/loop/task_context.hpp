// What only a suspended task needs, once per task: its place in the run queue, its timer, whether
// it was asked to stop, and the one operation it waits for.
//
// A task is a root coroutine and all that it awaits; at any time exactly one of them runs or waits.
// The context lies in front of the root's frame, in one block with it (frame_pool.hpp). Whoever
// spawned the task owns it (task_group). Loop thread.
#pragma once

#include <dunlin/loop/frame_pool.hpp>
#include <dunlin/loop/promise_base.hpp>
#include <dunlin/loop/time_scope.hpp>
#include <dunlin/loop/timer_queue.hpp>
#include <dunlin/util/api.hpp>

#include <cstdint>
#include <source_location>

namespace dunlin {

class operation;
class scheduler;
class task_context;

namespace detail {

/// Which waits of a task end with `stopped`.
enum class stop_level : std::uint8_t {
    none,
    drain, ///< Waits for input.
    all,
    lost, ///< All, and nobody wants what an operation could still get: it does not try again.
};

/// A place in a run queue. Circular, so null means: in none.
struct run_link {
    run_link* next = nullptr;
    run_link* prev = nullptr;
};

/// Who owns tasks and hears of their end.
class task_owner {
public:
    task_owner(const task_owner&) = delete;
    task_owner& operator=(const task_owner&) = delete;

    /// The task's root has ended; its result is in `ended.root`. Called by the run loop, outside of
    /// any coroutine. The owner destroys the task before it returns.
    virtual void task_ended(task_context& ended) noexcept = 0;

    /// Called by the run loop after the entry in which `scheduler::end_after_entry` was asked for.
    virtual void end_now() noexcept = 0;

    /// The task that waits for these and whose deadlines hold for them, if there is one.
    [[nodiscard]] virtual task_context* awaiting_task() const noexcept { return nullptr; }

    inline void add_task(task_context& task) noexcept;
    inline void remove_task(task_context& task) noexcept;

    task_context* first_task = nullptr; ///< Linked as siblings, the newest first.

    task_owner* next_to_end = nullptr; ///< In the scheduler's list of owners to call `end_now` on.
    bool is_to_end = false;

    // For `dump_tasks`, which finds tasks by their owners, and those in a list of the scheduler's.
    bool is_listed = false;
    bool is_shown = false;
    std::uint32_t made_in = 0; ///< The number of the task that made it, which may be over; or 0.
    task_owner* next_owner = nullptr;
    task_owner* prev_owner = nullptr;
    task_owner* next_alike = nullptr;          ///< While a dump walks: one in the same bucket.
    const task_context* shown_under = nullptr; ///< Likewise: the task with the number `made_in`.

protected:
    task_owner() noexcept = default;
    ~task_owner() = default;
};

/// What waits and resumptions touch: the first 64 bytes of a task's block, so one cache line or two
/// (blocks are aligned to 16).
struct hot_context : run_link {
    explicit hot_context(scheduler& home, promise_base& first) noexcept
        : sched{&home}, innermost{&first} {}

    scheduler* sched;
    operation* leaf = nullptr; ///< What it waits for; null while it runs or has not started.
    promise_base* innermost;   ///< The coroutine that runs or waits.
    std::uint32_t number = 0;  ///< Counts up in the scheduler; for people.
    std::uint8_t budget = 0;   ///< Operations it may still complete at once in this entry.
    stop_level stop = stop_level::none; ///< In force here: see `update_stop`.
    bool has_ended = false; ///< `innermost` has just ended; the run loop goes on above it.
    stop_level requested = stop_level::none; ///< Of the whole task.
    time_scope* scopes = nullptr;            ///< The innermost.
    std::int64_t wake_at = never;            ///< When the leaf has its turn though nothing came.
};
static_assert(sizeof(hot_context) == 64);

} // namespace detail

class DUNLIN_API task_context : public detail::hot_context, public timer_node {
public:
    task_context(scheduler& home, detail::task_owner& owned_by, detail::promise_base& first,
                 std::source_location spawned_at, const char* given_name) noexcept
        : hot_context{home, first}, owner{&owned_by}, root{&first}, spawned{spawned_at},
          name{given_name} {
        first.context = this;
    }
    task_context(const task_context&) = delete;
    task_context& operator=(const task_context&) = delete;

    [[nodiscard]] bool is_queued() const noexcept { return run_link::next != nullptr; }
    [[nodiscard]] bool is_stopping() const noexcept { return stop >= detail::stop_level::all; }
    [[nodiscard]] bool is_draining() const noexcept { return stop != detail::stop_level::none; }

    /// Asks for a stop of that level, or leaves it at a higher one.
    void raise_stop(detail::stop_level level) noexcept {
        if (requested < level) requested = level;
        update_stop();
        if (scopes != nullptr) tell_hearers();
    }

    /// From here on until `leave_scope`, what the task does is inside of `inner`.
    void enter_scope(detail::time_scope& inner) noexcept {
        inner.outer = scopes;
        scopes = &inner;
        update_stop();
        if (inner.hearer != nullptr) tell_hearers();
    }
    /// Leaves the innermost scope. True if its deadline is why the task was told to stop.
    bool leave_scope() noexcept;

    /// Marks the scopes whose deadlines are not after `now`, and tells the leaf if that stops it.
    void expire_scopes(std::int64_t now) noexcept;

    /// The earliest deadline after `now` that the scopes around the leaf set, or its own; -1 for
    /// all, those that have passed unnoticed included (no deadline is negative).
    [[nodiscard]] std::int64_t next_deadline(std::int64_t now) const noexcept;

    /// The earliest deadline in force here, that of tasks which wait for this one included.
    [[nodiscard]] std::int64_t deadline_in_force() const noexcept;

    [[nodiscard]] bool is_timed() const noexcept { return timer_node::is_linked(); }

    detail::task_owner* owner;
    task_context* sibling_next = nullptr;
    task_context* sibling_prev = nullptr;
    detail::promise_base* root;
    std::source_location spawned;
    const char* name;
    std::uint64_t own_key = no_key; ///< The watch of the client whose session this is: see serve.
    /// When the leaf began to wait, on the clock of its turn. Last, where the frame is near that
    /// follows (frame_pool.hpp) and is touched as well.
    std::int64_t since = 0;

    static constexpr std::uint64_t no_key = ~std::uint64_t{0};

private:
    /// What was requested, but within a shield; and all of it where a deadline has passed.
    void update_stop() noexcept;

    /// Tells those of the scopes that a stop has come to.
    void tell_hearers() noexcept;
};
static_assert(sizeof(task_context) <= detail::context_room);

void detail::task_owner::add_task(task_context& task) noexcept {
    task.sibling_next = first_task;
    if (first_task != nullptr) first_task->sibling_prev = &task;
    first_task = &task;
}

void detail::task_owner::remove_task(task_context& task) noexcept {
    if (task.sibling_prev != nullptr)
        task.sibling_prev->sibling_next = task.sibling_next;
    else
        first_task = task.sibling_next;
    if (task.sibling_next != nullptr) task.sibling_next->sibling_prev = task.sibling_prev;
}

} // namespace dunlin
