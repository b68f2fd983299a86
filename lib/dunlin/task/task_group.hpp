// Tasks that run side by side, and an owner that none of them outlives.
//
//     task_group clients{on_child_error::carry_on};
//     clients.spawn(echo, std::move(socket));     // runs beside us, not before we next wait
//     co_await clients.join().or_return();        // until all have ended
//
// There is no detached task. Stopping has two levels: `request_stop` is polite, every wait of every
// child ends with `stopped`, and what need not wait still succeeds; destroying the group (or `end`)
// is certain, it destroys the children's suspended frames where they stand.
#pragma once

#include <dunlin/loop/clock.hpp>
#include <dunlin/loop/error_path.hpp>
#include <dunlin/loop/task_context.hpp>
#include <dunlin/task/child_failure.hpp>
#include <dunlin/task/group_operations.hpp>
#include <dunlin/task/invoke.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/util/api.hpp>
#include <dunlin/util/chrono.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>

namespace dunlin {

/// What an error of one child means to the others.
enum class on_child_error : std::uint8_t {
    stop_siblings, ///< The first error asks the others to stop; `join` reports it.
    carry_on, ///< Nothing; they are counted (`failures`), and a hook may hear them. For servers.
};

/// What a child is called in dumps, and where that is said: for `task_group::spawn_as`.
class task_name {
public:
    /// `literal` is not copied, so it outlives the child.
    task_name(const char* literal, // NOLINT: meant to convert
              std::source_location here = std::source_location::current()) noexcept
        : literal_{literal}, here_{here} {}

    [[nodiscard]] const char* literal() const noexcept { return literal_; }
    [[nodiscard]] std::source_location here() const noexcept { return here_; }

private:
    friend class task_group;
    explicit task_name(std::source_location here) noexcept : here_{here} {}

    const char* literal_ = nullptr;
    std::source_location here_;
};

namespace detail {

/// Hears of a group's children right before they are destroyed at their end.
class child_observer {
public:
    virtual void about_to_go(task_context& ended) noexcept = 0;

protected:
    child_observer() noexcept = default;
    child_observer(const child_observer&) = default;
    child_observer& operator=(const child_observer&) = default;
    ~child_observer() = default;
};

} // namespace detail

class DUNLIN_API task_group final : private detail::task_owner {
public:
    /// A group of the running scheduler, which outlives it. `on_error` hears of every child that
    /// fails, those aside that end with `stopped` after a stop was asked for. In a group that
    /// carries on, an exception that it has heard of is dealt with: `join` does not throw it.
    explicit task_group(on_child_error policy = on_child_error::stop_siblings,
                        error_hook on_error = {}) noexcept;

    /// Destroys the children that are still there: their frames, and with them all that they own.
    /// Not from inside one of them (asserted): there, `end` or `request_stop` it.
    ~task_group();
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;

    /// Runs `function(args...)`, a coroutine function that gives `io_task<>` or `task<>`, as a
    /// child. It is queued, not run. A member function takes its object first: `spawn(&server::run,
    /// this)`, or the object itself to have it moved in. The callable and its arguments are moved
    /// or copied into the child, so nothing needs to outlive this call (use std::ref where it
    /// should be shared). When memory is refused, that is the child's error (`io_task`), or
    /// std::bad_alloc is thrown (`task`).
    template <class Function>
        requires(std::is_invocable_v<std::decay_t<Function>>)
    void spawn(Function&& function, std::source_location here = std::source_location::current()) {
        call(task_name{here}, std::forward<Function>(function));
    }
    template <class Function, class A>
    void spawn(Function&& function, A&& a,
               std::source_location here = std::source_location::current()) {
        call(task_name{here}, std::forward<Function>(function), std::forward<A>(a));
    }
    template <class Function, class A, class B>
    void spawn(Function&& function, A&& a, B&& b,
               std::source_location here = std::source_location::current()) {
        call(task_name{here}, std::forward<Function>(function), std::forward<A>(a),
             std::forward<B>(b));
    }
    template <class Function, class A, class B, class C>
    void spawn(Function&& function, A&& a, B&& b, C&& c,
               std::source_location here = std::source_location::current()) {
        call(task_name{here}, std::forward<Function>(function), std::forward<A>(a),
             std::forward<B>(b), std::forward<C>(c));
    }
    template <class Function, class A, class B, class C, class D>
    void spawn(Function&& function, A&& a, B&& b, C&& c, D&& d,
               std::source_location here = std::source_location::current()) {
        call(task_name{here}, std::forward<Function>(function), std::forward<A>(a),
             std::forward<B>(b), std::forward<C>(c), std::forward<D>(d));
    }
    template <class Function, class A, class B, class C, class D, class E>
    void spawn(Function&& function, A&& a, B&& b, C&& c, D&& d, E&& e,
               std::source_location here = std::source_location::current()) {
        call(task_name{here}, std::forward<Function>(function), std::forward<A>(a),
             std::forward<B>(b), std::forward<C>(c), std::forward<D>(d), std::forward<E>(e));
    }
    template <class Function, class A, class B, class C, class D, class E, class F>
    void spawn(Function&& function, A&& a, B&& b, C&& c, D&& d, E&& e, F&& f,
               std::source_location here = std::source_location::current()) {
        call(task_name{here}, std::forward<Function>(function), std::forward<A>(a),
             std::forward<B>(b), std::forward<C>(c), std::forward<D>(d), std::forward<E>(e),
             std::forward<F>(f));
    }

    /// Runs a task that was made already. Its arguments are in its frame: mind what they refer to.
    template <class T>
    void spawn(task<T> made, std::source_location here = std::source_location::current()) {
        adopt(std::move(made), task_name{here});
    }

    /// The same two under a name, by which dumps call the child (else it is its function's):
    /// `clients.spawn_as("session", serve_one, std::move(socket))`.
    template <class Function, class... Args>
        requires(std::is_invocable_v<std::decay_t<Function>&, std::decay_t<Args>&...> ||
                 std::is_invocable_v<std::decay_t<Function>&, std::decay_t<Args>...>)
    void spawn_as(task_name name, Function&& function, Args&&... args) {
        call(name, std::forward<Function>(function), std::forward<Args>(args)...);
    }
    template <class T>
    void spawn_as(task_name name, task<T> made) {
        adopt(std::move(made), name);
    }

    /// Waits until every child has ended, those spawned meanwhile included.
    ///
    /// Error: the first error of a child, unless the group carries on; `stopped` if this task was
    /// asked to stop (then the children are asked, too, and it still waits until they are gone);
    /// likewise `timeout` (a `.timeout()` stops the children and waits until they are gone); `busy`
    /// if somebody waits for this group already. Throws the first exception of a child.
    [[nodiscard]] join_operation join() noexcept { return join_operation{*this}; }

    /// Lets the children finish what they are at: asks for a drain (see `request_drain`), waits
    /// until they have ended, and after `grace` destroys those that are left. Gives the number of
    /// these. A stop of this task does not cut it short.
    ///
    /// Error: `busy` if somebody waits for this group already. Throws the first exception of a
    /// child.
    template <class Rep, class Period>
    [[nodiscard]] drain_operation drain(std::chrono::duration<Rep, Period> grace) noexcept {
        return drain_operation{*this, deadline_in(detail::clamp_to_nanoseconds(grace))};
    }

    /// Waits until fewer than `limit` (at least 1) children are left: for who spawns no more than
    /// so many. Children are not stopped with it. Errors: `stopped` (also under a drain),
    /// `timeout`, `busy` if somebody waits for this group already. Allocates nothing.
    [[nodiscard]] room_operation room(std::size_t limit) noexcept {
        return room_operation{*this, limit};
    }

    /// Asks every child to stop, now and later spawned ones: each wait ends with `stopped`.
    void request_stop() noexcept;

    /// Asks every child, now and later spawned ones, to end when it is in the middle of nothing: a
    /// read or accept that waits is told `stopped`, once nothing is left to take, it has answered
    /// what it has read (`.idle()` and `.busy()` on a read say otherwise), and, on TCP, its answers
    /// have been acknowledged. Writes, sleeps and waits for other tasks go on.
    void request_drain() noexcept;

    /// Destroys the children as soon as the running coroutine suspends; at once if none runs. May
    /// be called from inside a child, which then runs on to its next suspension. Spawning into an
    /// ended group destroys the new task unrun.
    void end() noexcept;

    /// Children that have not ended.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool is_empty() const noexcept { return size_ == 0; }

    /// Children that ended with an error or an exception so far; `stopped` after a stop was asked
    /// for not counted.
    [[nodiscard]] std::size_t failures() const noexcept { return failures_; }

    // What follows is for `run` and `serve`.

    /// The child spawned last; further ones by `sibling_next`.
    [[nodiscard]] task_context* newest_child() const noexcept { return first_task; }

    /// `spawn` of what is outlived by `function`, and takes its arguments by value: a coroutine
    /// less.
    template <class Function, class Arg>
    void spawn_borrowed(Function& function, Arg&& arg,
                        std::source_location here = std::source_location::current());
    void observe(detail::child_observer& observer) noexcept { observer_ = &observer; }

    [[nodiscard]] const std::size_t& live_count() const noexcept { return size_; }

    /// The first error of a child under `stop_siblings`, and the way it came.
    [[nodiscard]] std::error_code first_error() const noexcept { return first_error_; }
    [[nodiscard]] const detail::error_path& first_path() const noexcept { return first_path_; }
    [[nodiscard]] std::exception_ptr take_exception() noexcept {
        return std::exchange(first_exception_, nullptr);
    }

    template <class T>
    void adopt(task<T> made, task_name name) noexcept {
        static_assert(std::is_void_v<T> || std::is_same_v<T, result<void>>,
                      "a child's value has nowhere to go: spawn an io_task<> or a task<>");
        if (made.was_refused()) {
            note_refused(name.here());
        } else {
            detail::assert_fresh(made.promise_);
            add(*made.release(), name);
        }
    }

private:
    friend class detail::group_operation;
    friend class join_operation;
    friend class drain_operation;
    friend class room_operation;

    class root_room; // expects a root frame while it lives

    template <class Function, class... Args>
    void call(task_name name, Function&& function, Args&&... args);

    void add(detail::promise_base& root, task_name name) noexcept;
    static void destroy(task_context& child) noexcept;
    [[nodiscard]] bool destroy_children() noexcept; // false: the group died with one of them
    void request(detail::stop_level level) noexcept;
    void note_error(std::error_code why, const detail::error_path* path) noexcept;
    void note_refused(std::source_location here) noexcept; // memory for a child
    void tell(std::error_code why, const std::exception_ptr& thrown, std::source_location spawned,
              const task_context* child, const detail::error_path* path) noexcept;
    void remove(task_context& child) noexcept;
    void wake_waiter() noexcept;
    [[nodiscard]] static std::int64_t deadline_in(std::chrono::nanoseconds grace) noexcept;

    void task_ended(task_context& ended) noexcept override;
    void end_now() noexcept override;

    scheduler* sched_;
    std::size_t size_ = 0;
    std::size_t failures_ = 0;
    detail::group_operation* waiter_ = nullptr;
    detail::child_observer* observer_ = nullptr;
    bool* is_gone_ = nullptr; ///< To be set by the destructor, for a call that is under way.
    on_child_error policy_;
    error_hook on_error_;
    detail::stop_level stop_ = detail::stop_level::none;
    bool has_ended_ = false;
    std::error_code first_error_;
    std::exception_ptr first_exception_;
    detail::error_path first_path_;
};

// Implementation

class DUNLIN_API task_group::root_room {
public:
    root_room() noexcept { detail::expect_root(); }
    root_room(const root_room&) = delete;
    root_room& operator=(const root_room&) = delete;
    ~root_room() { detail::unexpect_root(); }
};

namespace detail {

/// A plain function whose parameters are all values: its own frame keeps them.
template <class Function>
inline constexpr bool keeps_its_arguments = false;
template <class R, class... Params>
inline constexpr bool keeps_its_arguments<R (*)(Params...)> = (... && !std::is_reference_v<Params>);
template <class R, class... Params>
inline constexpr bool keeps_its_arguments<R (*)(Params...) noexcept> =
    (... && !std::is_reference_v<Params>);

/// Keeps a callable and its arguments alive around the task that it gives.
template <class Task, class Function, class... Args>
Task held(Function function, Args... args) {
    if constexpr (std::is_invocable_v<Function&, Args...>) {
        if constexpr (is_result<typename Task::value_type>)
            co_await detail::call(function, static_cast<Args&&>(args)...).or_return();
        else
            // tidy: a task<>, which gives nothing
            co_await detail::call(function, static_cast<Args&&>(args)...);
    } else {
        if constexpr (is_result<typename Task::value_type>)
            co_await detail::call(function, args...).or_return();
        else
            // tidy: a task<>, which gives nothing
            co_await detail::call(function, args...);
    }
}

template <class Function, class... Args>
struct task_of {
    using type = std::invoke_result_t<Function&, Args&...>;
};
template <class Function, class... Args>
    requires(std::is_invocable_v<Function&, Args...>)
struct task_of<Function, Args...> {
    using type = std::invoke_result_t<Function&, Args...>;
};

} // namespace detail

template <class Function, class Arg>
void task_group::spawn_borrowed(Function& function, Arg&& arg, std::source_location here) {
    const root_room room;
    adopt(detail::call(function, std::forward<Arg>(arg)), task_name{here});
}

template <class Function, class... Args>
void task_group::call(task_name name, Function&& function, Args&&... args) {
    using kept = std::decay_t<Function>;
    if constexpr (detail::keeps_its_arguments<kept>) {
        const root_room room;
        adopt(function(std::forward<Args>(args)...), name);
    } else {
        using made = typename detail::task_of<kept, std::decay_t<Args>...>::type;
        const root_room room;
        adopt(detail::held<made, kept, std::decay_t<Args>...>(std::forward<Function>(function),
                                                              std::forward<Args>(args)...),
              name);
    }
}

} // namespace dunlin
