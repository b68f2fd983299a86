// A task under a deadline of its own, and `shield`.
//
//     auto answer = co_await ask(server).timeout(2s).or_return();
//     co_await shield(say_goodbye(client)).timeout(1s).ignore();
//
// A timeout is a scope: it returns only when the work inside has really stopped. When its time is
// over it asks as a stop does (every wait inside ends with `stopped`), waits until the task has
// ended, and turns that one error into its own, `timeout`. What an operation alone is to be given,
// `sock.read().timeout(5s)`, needs no scope: see loop/operation.hpp.
#pragma once

#include <dunlin/loop/time_scope.hpp>
#include <dunlin/task/task.hpp>

#include <optional>

namespace dunlin {

/// Awaited once, as a temporary, in one of the four spellings. Allocates nothing. Loop thread.
template <class T>
class [[nodiscard]] scoped_task : public or_return_view<scoped_task<T>>,
                                  public or_throw_view<scoped_task<T>>,
                                  public ignore_view<scoped_task<T>> {
public:
    using value_type = T;

    scoped_task(task<T>&& inside, std::chrono::nanoseconds span) noexcept
        : inside_{std::move(inside)} {
        limit_to(span);
    }
    scoped_task(task<T>&& inside, time_point deadline) noexcept : inside_{std::move(inside)} {
        limit_until(deadline);
    }
    enum class shielded : bool { yes };
    scoped_task(task<T>&& inside, shielded) noexcept : inside_{std::move(inside)} {
        scope_.is_shield = true;
    }
    scoped_task(const scoped_task&) = delete;
    scoped_task& operator=(const scoped_task&) = delete;
    /// Before it is awaited.
    scoped_task(scoped_task&&) noexcept = default;
    scoped_task& operator=(scoped_task&&) noexcept = default;

    /// For a shield: what is inside gets so long, whatever happens outside; then it ends with
    /// `timeout`, also when the task was told to stop meanwhile.
    template <class Rep, class Period>
    [[nodiscard]] scoped_task&& timeout(std::chrono::duration<Rep, Period> span) && noexcept
        requires(detail::is_result<T>)
    {
        limit_to(detail::clamp_to_nanoseconds(span));
        return std::move(*this);
    }
    [[nodiscard]] scoped_task&& until(time_point deadline) && noexcept
        requires(detail::is_result<T>)
    {
        limit_until(deadline);
        return std::move(*this);
    }

    [[nodiscard]] or_return_view<scoped_task>&& or_return() && noexcept
        requires(detail::is_result<T>)
    {
        return std::move(*this);
    }
    [[nodiscard]] or_throw_view<scoped_task>&& or_throw() && noexcept
        requires(detail::is_result<T>)
    {
        return std::move(*this);
    }
    [[nodiscard]] ignore_view<scoped_task>&& ignore() && noexcept
        requires(detail::is_result<T>)
    {
        return std::move(*this);
    }

    /// For stop_token.hpp.
    [[nodiscard]] detail::time_scope& scope() noexcept { return scope_; }

private:
    template <class U, detail::spelling Spelled>
    friend class detail::scoped_awaiter;

    void limit_to(std::chrono::nanoseconds span) noexcept {
        span_ = span.count();
        starts_when_awaited_ = true;
    }
    void limit_until(time_point deadline) noexcept {
        scope_.deadline = deadline.time_since_epoch().count();
        starts_when_awaited_ = false;
    }

    /// The scope, with its deadline.
    [[nodiscard]] detail::time_scope& scope_from_now() noexcept {
        if (starts_when_awaited_)
            scope_.deadline = detail::deadline_after(now().time_since_epoch().count(),
                                                     std::chrono::nanoseconds{span_});
        return scope_;
    }

    task<T> inside_;
    detail::time_scope scope_;
    std::int64_t span_ = 0;
    bool starts_when_awaited_ = false;
};

/// Runs a task that no stop reaches from outside, no deadline of an outer scope either: for a last
/// word, for giving back what is held. Polite only: whoever destroys the task destroys what is
/// shielded with it. Give it a `.timeout()`, or it may keep a stop waiting for ever.
template <class T>
[[nodiscard]] scoped_task<T> shield(task<T> inside) noexcept;

/// The same for one operation: `co_await shield(sock.write(goodbye)).timeout(1s).ignore()`.
template <class Operation>
    requires(std::derived_from<Operation, operation>)
[[nodiscard]] scoped_task<result<typename Operation::value_type>> shield(Operation&& inside);

/// The earliest deadline that is in force for the running task: its scopes', and those of the tasks
/// that wait for it in `when_all` and `when_any`; one that has passed included. None if there is
/// none, or no task runs. (A task group has no deadline of its own: that of its `join` reaches the
/// children as a stop.)
[[nodiscard]] DUNLIN_API std::optional<time_point> current_deadline() noexcept;

/// How much time is left until then, at least zero; a fresh clock is read.
[[nodiscard]] DUNLIN_API std::optional<std::chrono::nanoseconds> time_left() noexcept;

// Implementation

namespace detail {

/// Enters the scope of `child`, in the task of `parent`.
DUNLIN_API void enter_scope(promise_base& parent, promise_base& child, time_scope& scope) noexcept;

/// As `task_awaiter`, with a scope around it.
template <class T, spelling Spelled>
class [[nodiscard]] scoped_awaiter : public task_awaiter<T, Spelled> {
public:
    explicit scoped_awaiter(scoped_task<T>& awaited) noexcept
        : task_awaiter<T, Spelled>{awaited.inside_}, scoped_{&awaited} {}

    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> parent) const noexcept {
        if (promise_base* const child = this->fresh_child())
            enter_scope(parent.promise(), *child, scoped_->scope_from_now());
        return task_awaiter<T, Spelled>::await_suspend(parent);
    }

private:
    scoped_task<T>* scoped_;
};

/// A task of one operation, which lies in the frame that awaits this.
template <class Operation>
io_task<typename Operation::value_type> await_one(Operation& only) {
    if constexpr (std::is_void_v<typename Operation::value_type>)
        co_await std::move(only).or_return();
    else
        co_return co_await std::move(only);
}

} // namespace detail

template <class T>
template <class Rep, class Period>
scoped_task<T> task<T>::timeout(std::chrono::duration<Rep, Period> span) && noexcept
    requires(detail::is_result<T>)
{
    return scoped_task<T>{std::move(*this), detail::clamp_to_nanoseconds(span)};
}

template <class T>
scoped_task<T> task<T>::until(time_point deadline) && noexcept
    requires(detail::is_result<T>)
{
    return scoped_task<T>{std::move(*this), deadline};
}

template <class T>
scoped_task<T> shield(task<T> inside) noexcept {
    return scoped_task<T>{std::move(inside), scoped_task<T>::shielded::yes};
}

template <class Operation>
    requires(std::derived_from<Operation, operation>)
scoped_task<result<typename Operation::value_type>> shield(Operation&& inside) {
    return shield(detail::await_one(inside));
}

} // namespace dunlin
