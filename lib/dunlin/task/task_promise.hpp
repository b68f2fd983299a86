// The promise types of `task` and what awaits one. The bodies of task.hpp: include that.
#pragma once

#include <dunlin/task/task.hpp>

namespace dunlin::detail {

template <bool MayFail>
std::suspend_always awaiting_promise<MayFail>::final_suspend() const noexcept {
    context->has_ended = true;
    return {};
}

template <bool MayFail>
fail awaiting_promise<MayFail>::await_transform(fail awaited, call_place here) noexcept {
    must_be_io_task<void>();
    where = to_source_location(here);
    awaited.ending_ = this;
    return awaited;
}

template <bool MayFail>
template <class T>
passing<T> awaiting_promise<MayFail>::await_transform(passing<T> awaited,
                                                      call_place here) noexcept {
    must_be_io_task<T>();
    where = to_source_location(here);
    awaited.ending_ = this;
    return awaited;
}

/// Room for a value that is not there yet.
template <class T>
class value_slot {
public:
    value_slot() noexcept {}
    value_slot(const value_slot&) = delete;
    value_slot& operator=(const value_slot&) = delete;
    ~value_slot() {}

    union {
        T value;
    };
};

/// task<T>
template <class T>
class task_promise final : public awaiting_promise<false>, private value_slot<T> {
    static_assert(std::is_object_v<T>,
                  "a task gives a value or void; for a reference use a pointer");

public:
    ~task_promise() {
        if (this->ending == how::value) this->value.~T();
    }
    /// Also what a local's destructor throws when the value is there already.
    void unhandled_exception() noexcept {
        if (this->ending == how::value) this->value.~T();
        this->end_with(std::current_exception());
    }
    task<T> get_return_object() noexcept {
        static_assert(alignof(task_promise) <= alignof(std::max_align_t),
                      "a task cannot give an over-aligned value");
        return task<T>{this};
    }
    static void* operator new(std::size_t size) {
        void* const frame = allocate_frame(size);
        if (frame == nullptr) throw std::bad_alloc{}; // from the call of the coroutine function
        return frame;
    }
    static void operator delete(void* frame) noexcept { free_frame(frame); }

    template <class U = T>
        requires(std::constructible_from<T, U>)
    void return_value(U&& given) noexcept(std::is_nothrow_constructible_v<T, U>) {
        ::new (static_cast<void*>(std::addressof(this->value))) T(std::forward<U>(given));
        this->ending = how::value;
    }

private:
    template <class U, spelling Spelled>
    friend class task_awaiter;
    friend struct frame_access;
};

/// task<void>
template <>
class task_promise<void> final : public awaiting_promise<false> {
public:
    task<void> get_return_object() noexcept { return task<void>{this}; }
    static void* operator new(std::size_t size) {
        void* const frame = allocate_frame(size);
        if (frame == nullptr) throw std::bad_alloc{}; // from the call of the coroutine function
        return frame;
    }
    static void operator delete(void* frame) noexcept { free_frame(frame); }
    void return_void() noexcept { ending = how::value; }
};

/// What both kinds of io_task have: without memory they are made all the same, and fail.
template <class T>
class io_promise : public awaiting_promise<true> {
public:
    static task<result<T>> get_return_object_on_allocation_failure() noexcept {
        return task<result<T>>{task<result<T>>::refused()};
    }
    static void* operator new(std::size_t size) noexcept { return allocate_frame(size); }
    static void operator delete(void* frame) noexcept { free_frame(frame); }
};

/// io_task<T>
template <class T>
class task_promise<result<T>> final : public io_promise<T>, private value_slot<T> {
public:
    ~task_promise() {
        if (this->ending == promise_base::how::value) this->value.~T();
    }
    /// Also what a local's destructor throws when the value is there already.
    void unhandled_exception() noexcept {
        if (this->ending == promise_base::how::value) this->value.~T();
        this->end_with(std::current_exception());
    }
    task<result<T>> get_return_object() noexcept {
        static_assert(alignof(task_promise) <= alignof(std::max_align_t),
                      "a task cannot give an over-aligned value");
        return task<result<T>>{this};
    }

    /// A value, an error code, or a `result` of either.
    void return_value(result<T> given) noexcept(std::is_nothrow_move_constructible_v<T>) {
        if (given.has_value()) {
            ::new (static_cast<void*>(std::addressof(this->value)))
                T(std::move(given).assume_value());
            this->ending = promise_base::how::value;
        } else {
            this->end_with(given.assume_error());
        }
    }

private:
    template <class U, spelling Spelled>
    friend class task_awaiter;
    friend struct frame_access;
};

/// io_task<>
template <>
class task_promise<result<void>> final : public io_promise<void> {
public:
    task<result<void>> get_return_object() noexcept { return task<result<void>>{this}; }
    void return_void() noexcept { ending = how::value; }
};

/// What the compiler awaits: a pointer to the task, which lies in the same frame.
///
/// `await_resume` takes the result out, then destroys the child's frame, then returns: the child's
/// locals are gone before its awaiter continues.
template <class T, spelling Spelled>
class [[nodiscard]] task_awaiter {
protected:
    /// The coroutine that is about to start; null if its memory was refused.
    promise_base* fresh_child() const noexcept {
        if constexpr (is_result<T>)
            if (awaited_->was_refused()) return nullptr;
        assert_fresh(awaited_->promise_);
        return awaited_->promise_;
    }

public:
    explicit task_awaiter(task<T>& awaited) noexcept : awaited_{&awaited} {}

    bool await_ready() const noexcept { return false; }

    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> parent) const noexcept {
        constexpr bool passes_up = Spelled == spelling::or_return;
        if constexpr (is_result<T>) {
            if (awaited_->was_refused()) {
                if constexpr (passes_up) end_with_new_error(parent.promise(), no_memory());
                return passes_up;
            }
        }
        assert_fresh(awaited_->promise_);
        return start_child(parent.promise(), *awaited_->promise_, passes_up);
    }

    auto await_resume() const {
        if constexpr (!is_result<T>) {
            return take_plain();
        } else {
            using value_type = typename T::value_type;
            T taken = awaited_->was_refused() ? T{no_memory()} : take_result<value_type>();
            if constexpr (Spelled == spelling::look) {
                return taken;
            } else if constexpr (Spelled != spelling::ignore) {
                if constexpr (Spelled == spelling::or_throw)
                    if (!taken) throw_error(taken.assume_error());
                if constexpr (!std::is_void_v<value_type>) return std::move(taken).assume_value();
            }
        }
    }

private:
    static std::error_code no_memory() noexcept {
        return std::make_error_code(std::errc::not_enough_memory);
    }

    /// The child's frame, to be destroyed when its result has been taken.
    class ended_child {
    public:
        explicit ended_child(task<T>& owner) noexcept : owner_{owner} {}
        ended_child(const ended_child&) = delete;
        ended_child& operator=(const ended_child&) = delete;
        ~ended_child() {
            if constexpr (is_result<T>) {
                if (owner_.promise_->ending == promise_base::how::error) { // or_return, perhaps
                    destroy_left(owner_.release());
                    return;
                }
            }
            owner_.destroy();
        }

    private:
        task<T>& owner_;
    };

    /// Takes an exception out, destroys the child, throws.
    void rethrow_if_thrown() const {
        promise_base& child = *awaited_->promise_;
        if (child.ending != promise_base::how::exception) return;
        std::exception_ptr thrown = std::move(child.exception);
        awaited_->destroy();
        std::rethrow_exception(std::move(thrown));
    }

    T take_plain() const {
        rethrow_if_thrown();
        const ended_child frame{*awaited_};
        if constexpr (!std::is_void_v<T>) return T(std::move(awaited_->promise_->value));
    }

    template <class Value>
    T take_result() const {
        rethrow_if_thrown();
        const ended_child frame{*awaited_};
        auto& child = *awaited_->promise_;
        if (child.ending == promise_base::how::error) return T{child.error()};
        if constexpr (std::is_void_v<Value>)
            return success();
        else
            return T{std::move(child.value)};
    }

    task<T>* awaited_;
};

} // namespace dunlin::detail
