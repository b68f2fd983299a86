// An operation whose class is known to the stream alone: what `any_stream` gives.
//
// The stream's own operation lies inside this one, in the awaiting frame, so erasing its class
// allocates nothing. This one only passes on what is asked of it: the inner one waits, is its
// task's leaf, and knows stop and timeout. What completes at once costs one virtual call; what has
// to wait, two.
#pragma once

#include <dunlin/loop/operation.hpp>
#include <dunlin/task/scoped_task.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/util/assert.hpp>
#include <dunlin/util/chrono.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <new>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

namespace dunlin::detail {

/// Something awaited whose class is forgotten; gives a T.
template <class T>
class held_awaitable {
public:
    held_awaitable(const held_awaitable&) = delete;
    held_awaitable& operator=(const held_awaitable&) = delete;
    virtual ~held_awaitable() = default;

    /// What became of it, once it is over. May throw what a task has thrown.
    virtual result<T> take() = 0;

protected:
    held_awaitable() noexcept = default;
};

template <class Operation>
class held_operation final : public held_awaitable<typename Operation::value_type> {
    using value_type = typename Operation::value_type;

public:
    template <class Make>
    explicit held_operation(Make& make) : op{make()} {}

    result<value_type> take() override {
        if (op.get_outcome() < 0) return op.error();
        if constexpr (std::is_void_v<value_type>) {
            op.take();
            return success();
        } else {
            return op.take();
        }
    }

    Operation op;
};

/// A stream that is made of others gives tasks.
template <class T>
class held_task final : public held_awaitable<T> {
public:
    template <class Make>
    explicit held_task(Make& make) : task_{make()} {}

    void limit_to(std::chrono::nanoseconds span) { scoped_.emplace(std::move(task_), span); }
    void limit_until(time_point deadline) { scoped_.emplace(std::move(task_), deadline); }

    /// Starts it as what the task's innermost coroutine awaits. True if that goes on at once.
    bool begin(task_context& awaiting, spelling how) {
        return how == spelling::or_return ? start<spelling::or_return>(awaiting)
                                          : start<spelling::look>(awaiting);
    }

    result<T> take() override {
        if (scoped_) return scoped_awaiter<result<T>, spelling::look>{*scoped_}.await_resume();
        return task_awaiter<result<T>, spelling::look>{task_}.await_resume();
    }

private:
    template <spelling Spelled>
    bool start(task_context& awaiting) {
        const auto parent = std::coroutine_handle<promise_base>::from_promise(*awaiting.innermost);
        if (scoped_) return !scoped_awaiter<result<T>, Spelled>{*scoped_}.await_suspend(parent);
        return !task_awaiter<result<T>, Spelled>{task_}.await_suspend(parent);
    }

    io_task<T> task_;
    std::optional<scoped_task<result<T>>> scoped_;
};

/// In the place of a value, where there is none.
struct no_value {};

/// The base of the operations of `any_stream`. A derived class has `spellings` and a `begin`, which
/// has `start` called with what makes the stream's own.
template <class T>
class erased_operation : public operation {
public:
    using value_type = T;

    /// Constructs the awaitable that `make()` gives, and begins it: see `operation`.
    template <class Make>
    bool start(Make make) noexcept {
        using awaitable = decltype(make());
        if constexpr (std::derived_from<awaitable, operation>) {
            auto& held = hold<held_operation<awaitable>>(make);
            pass_limit_to(held.op);
            held.op.enter(*context_);
            held.op.spell(spelling_);
            if (!held.op.begin()) return false;
            note(held.take());
            drop();
            return true;
        } else {
            auto& held = hold<held_task<T>>(make);
            pass_limit_to(held);
            return held.begin(*context_, spelling_);
        }
    }

    // What `operation_awaiter` asks for; in place of those of `operation`.

    [[nodiscard]] outcome get_outcome() {
        settle();
        return outcome_;
    }
    [[nodiscard]] std::error_code error() const noexcept override { return error_; }
    T take() {
        settle();
        if constexpr (!std::is_void_v<T>) return std::move(value_);
    }

    /// Never its task's leaf: the inner one is.
    bool attempt() noexcept override {
        DUNLIN_ASSERT(false);
        return true;
    }

protected:
    erased_operation() noexcept = default;
    ~erased_operation() { drop(); }

    /// For a stream that is not there.
    bool end_as_closed() noexcept {
        outcome_ = -1;
        error_ = errc::closed;
        return finish();
    }

private:
    template <class Held, class Make>
    Held& hold(Make& make) {
        static_assert(sizeof(Held) <= sizeof(room_),
                      "any_stream has no room for so large an operation: let it give an io_task");
        static_assert(alignof(Held) <= alignof(std::max_align_t));
        auto* const made = ::new (static_cast<void*>(room_)) Held{make};
        held_ = made;
        return *made;
    }
    template <class Limited>
    void pass_limit_to(Limited& inner) noexcept {
        const std::chrono::nanoseconds given{limit_};
        if (limited_ == limit::span)
            inner.limit_to(given);
        else if (limited_ == limit::deadline)
            give_deadline(inner, given);
    }
    static void give_deadline(operation& inner, std::chrono::nanoseconds deadline) noexcept {
        inner.limit_until(deadline.count());
    }
    static void give_deadline(held_task<T>& inner, std::chrono::nanoseconds deadline) noexcept {
        inner.limit_until(time_point{deadline});
    }

    /// Takes the outcome of one that had to wait.
    void settle() {
        if (held_ == nullptr) return;
        note(held_->take());
        drop();
    }
    void note(result<T>&& given) noexcept {
        outcome_ = given ? 0 : -1;
        if (!given)
            error_ = given.assume_error();
        else if constexpr (!std::is_void_v<T>)
            value_ = std::move(given).assume_value();
    }
    void drop() noexcept {
        if (held_ == nullptr) return;
        held_->~held_awaitable();
        held_ = nullptr;
    }

    held_awaitable<T>* held_ = nullptr; ///< In `room_`.
    std::error_code error_;
    [[no_unique_address]] std::conditional_t<std::is_void_v<T>, no_value, T> value_{};
    alignas(std::max_align_t) std::byte room_[96];
};

} // namespace dunlin::detail
