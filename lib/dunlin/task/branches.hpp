// What `when_all` and `when_any` stand on: tasks side by side that one awaiter starts and sees to
// the end. See when.hpp.
//
// Each branch has a context of its own, which lies in the awaiting frame with the operation, so
// starting them allocates nothing. The operation is its task's leaf; it completes when no branch is
// left. Whose outcome nobody will get is *lost*: it must take nothing from a socket any more.
#pragma once

#include <dunlin/loop/operation.hpp>
#include <dunlin/task/scoped_task.hpp>
#include <dunlin/task/task.hpp>

#include <cstddef>
#include <exception>
#include <new>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

namespace dunlin::detail {

/// One of the tasks, from before its start until its result has been taken.
class branch {
public:
    branch() noexcept = default;
    branch(const branch&) = delete;
    branch& operator=(const branch&) = delete;
    ~branch() { destroy_frame(); }

    /// Owns a coroutine that has not started; null stands for one whose memory was refused.
    void adopt(promise_base* made) noexcept { root = made; }
    void destroy_frame() noexcept { destroy_left(std::exchange(root, nullptr)); }
    [[nodiscard]] task_context& context() noexcept {
        return *std::launder(reinterpret_cast<task_context*>(room));
    }

    promise_base* root = nullptr;
    bool is_live = false; ///< It has started and not ended; `context()` exists.
    alignas(task_context) std::byte room[sizeof(task_context)];
};

class DUNLIN_API branches_operation : public operation, private task_owner {
public:
    bool begin() noexcept;
    bool attempt() noexcept override;
    void interrupt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override;
    [[nodiscard]] std::error_code error() const noexcept override;

protected:
    enum class over_at : std::uint8_t { first_error, first_end };

    explicit branches_operation(over_at when) noexcept : over_at_{when} {}

    /// Derived classes own the branches and call `destroy_branches` in their destructors.
    ~branches_operation() = default;

    void set_branches(branch* first, std::size_t count) noexcept {
        branches_ = first;
        count_ = count;
    }
    void destroy_branches() noexcept;
    void begin_path(error_path& path, std::source_location where) const noexcept override;

    /// Throws what a branch threw, if that decided.
    void rethrow_if_thrown();

    /// Which branch ended first.
    [[nodiscard]] std::size_t winner() const noexcept { return winner_; }

private:
    void task_ended(task_context& ended) noexcept override;
    void end_now() noexcept override {}
    [[nodiscard]] task_context* awaiting_task() const noexcept override { return context_; }

    void fail_with(std::error_code why) noexcept;
    void stop_rest(stop_level level) noexcept;
    void leave_unstarted() noexcept;
    [[nodiscard]] std::size_t index_of(const task_context& of) const noexcept;
    void complete() noexcept;

    branch* branches_ = nullptr;
    std::size_t count_ = 0;
    std::size_t live_ = 0;
    std::size_t winner_ = 0;
    over_at over_at_;
    bool is_decided_ = false;
    bool has_expired_ = false; ///< Its own timeout has stopped the branches.
    std::error_code error_;
    std::source_location failed_at_; ///< Where that error began.
    std::exception_ptr thrown_;
};

/// What a branch is made of: a task, a task in a scope, or an operation, and what it gives.
template <class Awaitable>
struct branch_traits; // others cannot be awaited side by side

template <class T>
struct branch_traits<task<T>> {
    using value_type = T;
    static task<T>&& as_task(task<T>&& given) noexcept { return std::move(given); }
};
template <class T>
struct branch_traits<task<result<T>>> {
    using value_type = T;
    static task<result<T>>&& as_task(task<result<T>>&& given) noexcept { return std::move(given); }
};
template <class T>
io_task<T> await_scoped(scoped_task<result<T>>& only) {
    if constexpr (std::is_void_v<T>)
        co_await std::move(only).or_return();
    else
        co_return co_await std::move(only);
}
template <class T>
struct branch_traits<scoped_task<result<T>>> {
    using value_type = T;
    static io_task<T> as_task(scoped_task<result<T>>&& given) { return await_scoped(given); }
};
template <class T>
task<T> await_shielded(scoped_task<T>& only) {
    if constexpr (std::is_void_v<T>)
        co_await std::move(only); // tidy: a task<>, which gives nothing
    else
        co_return co_await std::move(only);
}
template <class T>
struct branch_traits<scoped_task<T>> {
    using value_type = T;
    static task<T> as_task(scoped_task<T>&& given) { return await_shielded(given); }
};
template <class Operation>
    requires(std::derived_from<Operation, operation>)
struct branch_traits<Operation> {
    using value_type = typename Operation::value_type;
    static io_task<value_type> as_task(Operation&& given) { return await_one(given); }
};

/// Takes a task's frame over, and its value out of it.
struct frame_access {
    template <class T>
    static promise_base* release(task<T> made) noexcept {
        if (made.was_refused()) {
            static_cast<void>(made.release());
            return nullptr;
        }
        assert_fresh(made.promise_);
        return made.release();
    }
    template <class Task>
    static auto&& value_of(promise_base& root) noexcept {
        return std::move(static_cast<typename Task::promise_type&>(root).value);
    }
};

template <class T>
concept can_be_branch =
    !std::is_lvalue_reference_v<T> && requires { typename branch_traits<T>::value_type; };

template <class Awaitable>
using branch_value = typename branch_traits<Awaitable>::value_type;
template <class Awaitable>
using branch_task =
    std::remove_cvref_t<decltype(branch_traits<Awaitable>::as_task(std::declval<Awaitable>()))>;

/// What stands for a value, also of a branch that gives none.
template <class T>
using value_or_none = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class Awaitable>
void fill_branch(branch& to, Awaitable&& from) {
    to.adopt(frame_access::release(
        branch_task<Awaitable>{branch_traits<Awaitable>::as_task(static_cast<Awaitable&&>(from))}));
}

/// The value of one that ended with one.
template <class Awaitable>
[[nodiscard]] value_or_none<branch_value<Awaitable>> take_value(branch& from) {
    if constexpr (std::is_void_v<branch_value<Awaitable>>)
        return std::monostate{};
    else
        return frame_access::value_of<branch_task<Awaitable>>(*from.root);
}

} // namespace dunlin::detail
