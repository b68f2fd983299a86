// Coroutines: `task<T>`, and `io_task<T>`, which is a task of `result<T>`.
//
//     io_task<> echo(tcp_socket client) {
//         while (auto data = co_await client.read().or_return())
//             co_await client.write(data).or_return();
//     }
//
// A task is lazy: calling the function makes the coroutine, awaiting (or spawning) it starts it. It
// has one owner, the `task` object, and destroying that destroys the coroutine where it stands, its
// locals and all that it awaits. It is started inside the awaiter's suspension, so a child that
// finishes at once costs no trip through the run queue; one that finishes later is continued by the
// run loop. Neither uses symmetric transfer, so a loop over a million children runs on a constant
// stack with any compiler; nesting costs stack per level. See docs/design.md for why.
#pragma once

#include <dunlin/loop/call_place.hpp>
#include <dunlin/loop/clock.hpp>
#include <dunlin/loop/frame_pool.hpp>
#include <dunlin/loop/operation.hpp>
#include <dunlin/loop/promise_base.hpp>
#include <dunlin/result.hpp>
#include <dunlin/util/api.hpp>
#include <dunlin/util/chrono.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

namespace dunlin {

template <class T = void>
class task;

/// A task that may fail: falling off the end of an `io_task<>` is success, `co_return value` (or an
/// error, when T is not void) ends an `io_task<T>`. When memory for its frame is refused, awaiting
/// it yields not_enough_memory.
template <class T = void>
using io_task = task<result<T>>;

/// `co_await fail(why)` ends any `io_task` with an error. The rest of the coroutine is not run; its
/// locals are destroyed as by a `return`.
class fail;

/// `co_await or_return(r)` is the value of a plain `result`, or ends this `io_task` with its error.
template <class T>
class passing;

/// A task under a deadline of its own, or shielded: what `t().timeout(5s)` gives. See
/// scoped_task.hpp.
template <class T>
class scoped_task;

namespace detail {

template <class T>
class task_promise;
template <class T>
class io_promise;
template <class T, spelling Spelled>
class task_awaiter;
template <class T, spelling Spelled>
class scoped_awaiter;
struct frame_access;

/// Starts `child` as what `parent` awaits. True if the parent stays suspended.
[[nodiscard]] DUNLIN_API bool start_child(promise_base& parent, promise_base& child,
                                          bool passes_error_up) noexcept;

/// A task is awaited once: asserts that this one was neither awaited nor moved from.
DUNLIN_API void assert_fresh(const promise_base* child) noexcept;

/// Destroys a coroutine that may have been left before its end, so that its locals are still there:
/// what they drop, they drop because of that. No-op on null.
DUNLIN_API void destroy_left(promise_base* left) noexcept;

/// A task that was never awaited nor spawned is being destroyed: tells the log, unless that came
/// about because something else has ended early.
DUNLIN_API void note_dropped(const promise_base& never_started) noexcept;

/// Ends `ending`, which runs, with a new error.
DUNLIN_API void end_with_new_error(promise_base& ending, std::error_code why) noexcept;

template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<result<T>> = true;

/// What is the same for every promise: how it starts, how it ends, what it can await.
template <bool MayFail>
class awaiting_promise : public promise_base {
public:
    /// Until it awaits something, it stands at its beginning.
    std::suspend_always initial_suspend(call_place here = __builtin_source_location()) noexcept {
        where = to_source_location(here);
        return {};
    }

    /// Always suspends: whoever resumed this coroutine sees that it has ended, and goes on from
    /// there.
    std::suspend_always final_suspend() const noexcept;

    void unhandled_exception() noexcept { end_with(std::current_exception()); }

    template <class Operation>
        requires(std::derived_from<Operation, operation>)
    auto await_transform(Operation&& awaited,
                         call_place here = __builtin_source_location()) noexcept {
        where = to_source_location(here);
        return operation_awaiter<Operation, spelling::look>{awaited, *context};
    }
    template <class Operation>
        requires(std::derived_from<Operation, operation>)
    auto await_transform(or_return_view<Operation>&& awaited,
                         call_place here = __builtin_source_location()) noexcept {
        must_be_io_task<Operation>();
        where = to_source_location(here);
        return operation_awaiter<Operation, spelling::or_return>{static_cast<Operation&>(awaited),
                                                                 *context};
    }
    template <class Operation>
        requires(std::derived_from<Operation, operation>)
    auto await_transform(or_throw_view<Operation>&& awaited,
                         call_place here = __builtin_source_location()) noexcept {
        where = to_source_location(here);
        return operation_awaiter<Operation, spelling::or_throw>{static_cast<Operation&>(awaited),
                                                                *context};
    }
    template <class Operation>
        requires(std::derived_from<Operation, operation>)
    auto await_transform(ignore_view<Operation>&& awaited,
                         call_place here = __builtin_source_location()) noexcept {
        where = to_source_location(here);
        return operation_awaiter<Operation, spelling::ignore>{static_cast<Operation&>(awaited),
                                                              *context};
    }

    template <class T>
    auto await_transform(task<T>&& awaited,
                         call_place here = __builtin_source_location()) noexcept {
        where = to_source_location(here);
        return task_awaiter<T, spelling::look>{awaited};
    }
    template <class T>
    auto await_transform(or_return_view<task<T>>&& awaited,
                         call_place here = __builtin_source_location()) noexcept {
        must_be_io_task<T>();
        where = to_source_location(here);
        return task_awaiter<T, spelling::or_return>{static_cast<task<T>&>(awaited)};
    }
    template <class T>
    auto await_transform(or_throw_view<task<T>>&& awaited,
                         call_place here = __builtin_source_location()) noexcept {
        where = to_source_location(here);
        return task_awaiter<T, spelling::or_throw>{static_cast<task<T>&>(awaited)};
    }
    template <class T>
    auto await_transform(ignore_view<task<T>>&& awaited,
                         call_place here = __builtin_source_location()) noexcept {
        where = to_source_location(here);
        return task_awaiter<T, spelling::ignore>{static_cast<task<T>&>(awaited)};
    }

    template <class T>
    auto await_transform(scoped_task<T>&& awaited,
                         call_place here = __builtin_source_location()) noexcept {
        where = to_source_location(here);
        return scoped_awaiter<T, spelling::look>{awaited};
    }
    template <class T>
    auto await_transform(or_return_view<scoped_task<T>>&& awaited,
                         call_place here = __builtin_source_location()) noexcept {
        must_be_io_task<T>();
        where = to_source_location(here);
        return scoped_awaiter<T, spelling::or_return>{static_cast<scoped_task<T>&>(awaited)};
    }
    template <class T>
    auto await_transform(or_throw_view<scoped_task<T>>&& awaited,
                         call_place here = __builtin_source_location()) noexcept {
        where = to_source_location(here);
        return scoped_awaiter<T, spelling::or_throw>{static_cast<scoped_task<T>&>(awaited)};
    }
    template <class T>
    auto await_transform(ignore_view<scoped_task<T>>&& awaited,
                         call_place here = __builtin_source_location()) noexcept {
        where = to_source_location(here);
        return scoped_awaiter<T, spelling::ignore>{static_cast<scoped_task<T>&>(awaited)};
    }

    fail await_transform(fail awaited, call_place here = __builtin_source_location()) noexcept;

    template <class T>
    passing<T> await_transform(passing<T> awaited,
                               call_place here = __builtin_source_location()) noexcept;

    /// Everything else has another way: a task or an operation is awaited as a temporary (`co_await
    /// std::move(named)`), a plain result as `co_await or_return(r)`, and other awaitables belong
    /// to other frameworks.
    template <class Other>
    void await_transform(Other&&, call_place = __builtin_source_location()) = delete;

private:
    template <class>
    static void must_be_io_task() noexcept {
        static_assert(MayFail,
                      "only an io_task can end with an error: or_return() and fail() work in "
                      "coroutines that return io_task<...>");
    }
};

} // namespace detail

/// A lazy coroutine of one owner. Not thread-safe: it runs on the scheduler of whoever awaits it.
template <class T>
class [[nodiscard]] task : public or_return_view<task<T>>,
                           public or_throw_view<task<T>>,
                           public ignore_view<task<T>> {
public:
    using promise_type = detail::task_promise<T>;
    using value_type = T;

    task(task&& other) noexcept : promise_{std::exchange(other.promise_, nullptr)} {}
    task& operator=(task&& other) noexcept {
        task gone{std::move(*this)};
        promise_ = std::exchange(other.promise_, nullptr);
        return *this;
    }
    /// Destroys the coroutine where it stands. It must not be running: asserted by its owner. One
    /// that was never awaited is probably a mistake and told to the scheduler's log, with the place
    /// of its function; but not when it is dropped on the way out of an exception, an `or_return`
    /// or a frame that is destroyed.
    ~task() { destroy(); }

    /// `co_await t().or_return()`: the value; an error ends this coroutine, whose result it
    /// becomes.
    [[nodiscard]] or_return_view<task>&& or_return() && noexcept
        requires(detail::is_result<T>)
    {
        return std::move(*this);
    }
    /// `co_await t().or_throw()`: the value; an error is thrown as `std::system_error`.
    [[nodiscard]] or_throw_view<task>&& or_throw() && noexcept
        requires(detail::is_result<T>)
    {
        return std::move(*this);
    }
    /// `co_await t().ignore()`: nothing, whatever became of it. An exception still comes out.
    [[nodiscard]] ignore_view<task>&& ignore() && noexcept
        requires(detail::is_result<T>)
    {
        return std::move(*this);
    }

    /// `co_await t().timeout(5s)`, then one of the four spellings: after so long, counted from when
    /// it is awaited, every wait inside ends with `stopped`; when the task has really ended, and
    /// with that error, it becomes `errc::timeout`. Any other end, success too, is as it was.
    /// Inside of several the earliest counts.
    template <class Rep, class Period>
    [[nodiscard]] scoped_task<T> timeout(std::chrono::duration<Rep, Period> span) && noexcept
        requires(detail::is_result<T>);

    /// The same with a point in time.
    [[nodiscard]] scoped_task<T> until(time_point deadline) && noexcept
        requires(detail::is_result<T>);

private:
    friend promise_type;
    friend struct detail::frame_access;
    template <class U>
    friend class detail::io_promise;
    friend class task_group;
    template <class U, detail::spelling Spelled>
    friend class detail::task_awaiter;

    explicit task(promise_type* promise) noexcept : promise_{promise} {}

    /// Stands for a coroutine whose frame could not be allocated.
    static promise_type* refused() noexcept {
        return reinterpret_cast<promise_type*>(std::uintptr_t{1});
    }
    [[nodiscard]] bool was_refused() const noexcept { return promise_ == refused(); }
    [[nodiscard]] promise_type* release() noexcept { return std::exchange(promise_, nullptr); }
    void destroy() noexcept {
        if (promise_ != nullptr && !was_refused()) {
            if (promise_->context == nullptr) [[unlikely]]
                detail::note_dropped(*promise_);
            promise_->handle().destroy();
        }
        promise_ = nullptr;
    }

    promise_type* promise_;
};

class [[nodiscard]] fail {
public:
    explicit fail(std::error_code why) noexcept : why_{why} {}

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const noexcept {
        detail::end_with_new_error(*ending_, why_);
    }
    void await_resume() const noexcept {} // never: the coroutine has ended

private:
    template <bool MayFail>
    friend class detail::awaiting_promise;

    std::error_code why_;
    detail::promise_base* ending_ = nullptr;
};

template <class T>
class [[nodiscard]] passing {
public:
    explicit passing(result<T>&& passed) noexcept : passed_{std::move(passed)} {}

    bool await_ready() const noexcept { return passed_.has_value(); }
    void await_suspend(std::coroutine_handle<>) const noexcept {
        detail::end_with_new_error(*ending_, passed_.assume_error());
    }
    T await_resume() noexcept {
        if constexpr (!std::is_void_v<T>) return std::move(passed_).assume_value();
    }

private:
    template <bool MayFail>
    friend class detail::awaiting_promise;

    result<T> passed_;
    detail::promise_base* ending_ = nullptr;
};

template <class T>
[[nodiscard]] passing<T> or_return(result<T> passed) noexcept {
    return passing<T>{std::move(passed)};
}

} // namespace dunlin

#include <dunlin/task/task_promise.hpp>

#include <dunlin/task/scoped_task.hpp>
