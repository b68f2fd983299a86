// The base of everything a task can wait for: the leaf at the end of its chain of `co_await`s.
//
//     idle ──▶ waiting ◀──▶ queued ──▶ over
//
// `begin` tries at once; what cannot complete makes itself the task's leaf and waits. Whatever may
// let it go on (readiness, a timer, a stop) only queues its task; the run loop then calls `attempt`
// in the same breath as it resumes, so an operation that is stopped or destroyed in any state
// before that has done nothing. While waiting it is in the list of what it waits for (a watch, a
// group), while queued its task is in the run queue as well. Destroying it takes it out of both.
//
// An operation lives in the awaiting coroutine's frame, is awaited once, as a temporary, and
// neither allocates nor throws. Loop thread.
#pragma once

#include <dunlin/loop/clock.hpp>
#include <dunlin/loop/outcome.hpp>
#include <dunlin/loop/task_context.hpp>
#include <dunlin/result.hpp>
#include <dunlin/util/chrono.hpp>

#include <coroutine>
#include <cstdint>
#include <system_error>
#include <type_traits>
#include <utility>

namespace dunlin {

namespace detail {
enum class spelling : std::uint8_t { look, or_return, or_throw, ignore };

/// Throws `std::system_error`; out of line, for `or_throw`.
[[noreturn]] DUNLIN_API void throw_error(std::error_code why);
} // namespace detail

/// What a task waits for, told to people: see task/dump_tasks.hpp.
struct leaf_description {
    constexpr explicit leaf_description(const char* what = "waits") noexcept : kind{what} {}

    const char* kind;                   ///< A literal that names the call: "read", "join".
    int descriptor = -1;                ///< What it waits for, if that is a descriptor.
    std::int64_t until = detail::never; ///< When it is over by itself: of a sleep.
    char target[80] = {};               ///< More in words: the address that it connects to.
};

class DUNLIN_API operation {
public:
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;

    /// Called by the run loop when the operation's task has its turn. True when the operation is
    /// over and has its outcome; false sends it back to waiting.
    virtual bool attempt() noexcept = 0;

    /// The task was asked to stop or drain. Queues it, unless the operation knows better.
    virtual void interrupt() noexcept;

    /// Tells what it waits for, while it waits. Allocates nothing, runs no code of a user's.
    [[nodiscard]] virtual leaf_description describe() const noexcept;

    /// Whether a drain finds that its task is in the middle of nothing and may be stopped.
    [[nodiscard]] virtual bool is_idle() const noexcept { return false; }

    /// Its time is over now, whatever it was given.
    void end_by_timeout() noexcept;

    /// Whether it waits for the client whose session its task is.
    [[nodiscard]] virtual bool waits_for_client() const noexcept { return false; }

    /// The error it is over with, when its outcome is negative.
    [[nodiscard]] virtual std::error_code error() const noexcept;

    /// Whether it is over with an error that its coroutine is to end with.
    [[nodiscard]] bool ends_coroutine() const noexcept {
        return outcome_ < 0 && spelling_ == detail::spelling::or_return;
    }
    [[nodiscard]] detail::outcome get_outcome() const noexcept { return outcome_; }

    /// The task that awaits it; from `begin` on.
    [[nodiscard]] task_context& task() const noexcept { return *context_; }

    // What follows is for the awaiter and the run loop.

    void enter(task_context& awaiting) noexcept { context_ = &awaiting; }
    void spell(detail::spelling how) noexcept { spelling_ = how; }

    /// Its own timeout: so long from when it begins to wait, or until `deadline` (nanoseconds of
    /// the monotonic clock).
    void limit_to(std::chrono::nanoseconds span) noexcept {
        limit_ = span.count();
        limited_ = limit::span;
    }
    void limit_until(std::int64_t deadline) noexcept {
        limit_ = deadline;
        limited_ = limit::deadline;
    }
    /// When that ends; `detail::never` if it has none. For an operation that waits.
    [[nodiscard]] std::int64_t deadline() const noexcept {
        return limited_ == limit::deadline ? limit_ : detail::never;
    }

    /// It is over, and its task's leaf no more. Its timer stays armed and finds that out by itself.
    void leave_task() noexcept {
        is_waiting_ = false;
        context_->leaf = nullptr;
        context_->wake_at = detail::never;
    }

    /// Ends the awaiting coroutine with this operation's error.
    void end_coroutine() noexcept;

protected:
    constexpr operation() noexcept = default;

    /// A derived class that still waits (`is_waiting_`) takes itself out of what it waits for, then
    /// calls `abandon`: in its own destructor, the last in which it is what it was.
    ~operation() = default;

    /// Is its task's leaf no more, nor is the task queued for it.
    void abandon() noexcept;

    /// Becomes the task's leaf: the coroutine suspends, and `attempt` is called when it is queued.
    void wait(std::int64_t since) noexcept {
        context_->leaf = this;
        context_->since = since;
        is_waiting_ = true;
        if (limited_ != limit::none || context_->scopes != nullptr) [[unlikely]]
            start_clock(since);
    }
    void wait() noexcept;

    /// What keeps it from waiting (any longer): the outcome of a stop or of its timeout, else 0.
    /// Asked after a try that came to nothing.
    [[nodiscard]] detail::outcome why_not_wait() const noexcept;

    /// Whether its own timeout is over.
    [[nodiscard]] bool has_timed_out() const noexcept;

    /// Whether nobody wants its outcome any more, so that it must take nothing.
    [[nodiscard]] bool is_lost() const noexcept {
        return context_->stop == detail::stop_level::lost;
    }

    /// Ends `begin`: true lets the coroutine go on at once.
    [[nodiscard]] bool finish() noexcept {
        if (!ends_coroutine()) [[likely]]
            return true;
        end_coroutine();
        return false;
    }

    /// Ends `begin` with an error that needs no wait. A loop that does not listen to it (to its
    /// stop, say) must not keep all others from running, so once the budget is spent that is only
    /// in the next turn: `attempt` then finds the outcome negative and is over.
    [[nodiscard]] bool finish_unwaited() noexcept;

    /// Takes one from the task's budget of completions; false when none is left.
    [[nodiscard]] bool spend() noexcept {
        if (context_->budget == 0) return false;
        --context_->budget;
        return true;
    }

    /// The coroutine at `where` ends with this operation's error: the error's path begins.
    virtual void begin_path(detail::error_path& path, std::source_location where) const noexcept;

    enum class limit : std::uint8_t { none, span, deadline };

    task_context* context_ = nullptr;
    std::int64_t limit_ = 0; ///< Nanoseconds; see `limited_`.
    detail::outcome outcome_ = 0;
    limit limited_ = limit::none;
    detail::spelling spelling_ = detail::spelling::look;
    bool is_waiting_ = false; ///< It is its task's leaf.

private:
    [[gnu::noinline]] void start_clock(std::int64_t since) noexcept;
};

/// An operation seen as one that passes its error up; see `spellings`.
template <class Operation>
class or_return_view {};
template <class Operation>
class or_throw_view {};
template <class Operation>
class ignore_view {};

/// The ways to await an operation. Each but the plain one is the same object seen as another base,
/// so it costs no storage. An operation class `Op` derives from `operation` and from
/// `spellings<Op>`, has a `value_type`, `bool begin() noexcept` (true: goes on at once) and
/// `value_type take() noexcept`.
template <class Operation>
class spellings : public or_return_view<Operation>,
                  public or_throw_view<Operation>,
                  public ignore_view<Operation> {
public:
    /// `co_await op.timeout(5s)`, `co_await op.timeout(5s).or_return()`: gives up with
    /// `errc::timeout` after so long. What is there at once, or in the turn in which the time is
    /// over, still counts. The time runs from the beginning of the turn in which it starts to wait
    /// (so it may be short by what the turn has already run). Nothing is armed for an operation
    /// that completes at once. Of several the last one counts; nest tasks for more.
    template <class Rep, class Period>
    [[nodiscard]] Operation&& timeout(std::chrono::duration<Rep, Period> span) && noexcept {
        self().limit_to(detail::clamp_to_nanoseconds(span));
        return static_cast<Operation&&>(self());
    }
    /// The same with a point in time.
    [[nodiscard]] Operation&& until(time_point deadline) && noexcept {
        self().limit_until(deadline.time_since_epoch().count());
        return static_cast<Operation&&>(self());
    }

    /// `co_await op.or_return()`: the value; an error ends this coroutine, whose result it becomes.
    [[nodiscard]] or_return_view<Operation>&& or_return() && noexcept {
        self().spell(detail::spelling::or_return);
        return static_cast<or_return_view<Operation>&&>(self());
    }
    /// `co_await op.or_throw()`: the value; an error is thrown as `std::system_error`.
    [[nodiscard]] or_throw_view<Operation>&& or_throw() && noexcept {
        return static_cast<or_throw_view<Operation>&&>(self());
    }
    /// `co_await op.ignore()`: nothing, whatever became of it.
    [[nodiscard]] ignore_view<Operation>&& ignore() && noexcept {
        return static_cast<ignore_view<Operation>&&>(self());
    }

private:
    Operation& self() noexcept { return static_cast<Operation&>(*this); }
};

/// What a drain takes a wait for input for, if the socket does not tell it right.
template <class Operation>
class drain_hints {
public:
    /// `co_await sock.read().idle()`: here the session is in the middle of nothing, though it has
    /// read what it has not answered.
    [[nodiscard]] Operation&& idle() && noexcept {
        static_cast<Operation&>(*this).take_in_drain(Operation::drain_as::idle);
        return static_cast<Operation&&>(*this);
    }
    /// `co_await sock.read().busy()`: here a drain waits for what comes, to its end.
    [[nodiscard]] Operation&& busy() && noexcept {
        static_cast<Operation&>(*this).take_in_drain(Operation::drain_as::busy);
        return static_cast<Operation&&>(*this);
    }
};

/// What the compiler awaits: a pointer to the operation in the same frame.
template <class Operation, detail::spelling Spelled>
class [[nodiscard]] operation_awaiter {
public:
    operation_awaiter(Operation& awaited, task_context& context) noexcept : awaited_{&awaited} {
        awaited.enter(context);
    }

    bool await_ready() const noexcept { return awaited_->begin(); }
    void await_suspend(std::coroutine_handle<>) const noexcept {}

    auto await_resume() const noexcept(Spelled != detail::spelling::or_throw &&
                                       noexcept(std::declval<Operation&>().take())) {
        using value_type = typename Operation::value_type;
        if constexpr (Spelled == detail::spelling::ignore) {
            if (awaited_->get_outcome() >= 0) static_cast<void>(awaited_->take());
        } else if constexpr (Spelled == detail::spelling::or_return) {
            return awaited_->take();
        } else if constexpr (Spelled == detail::spelling::or_throw) {
            if (awaited_->get_outcome() < 0) detail::throw_error(awaited_->error());
            return awaited_->take();
        } else {
            using answer = result<value_type>;
            if (awaited_->get_outcome() < 0) return answer{awaited_->error()};
            if constexpr (std::is_void_v<value_type>) {
                awaited_->take();
                return success();
            } else {
                return answer{awaited_->take()};
            }
        }
    }

private:
    Operation* awaited_;
};

} // namespace dunlin
