// What every coroutine of ours keeps beside its locals: who awaits it, where it stands, how it
// ended.
//
// The promise types of `task` derive from this. It knows nothing of values, so the scheduler can
// climb from a coroutine that has ended to the one that awaits it without being a template.
#pragma once

#include <dunlin/loop/error_path.hpp>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <new>
#include <source_location>
#include <system_error>

namespace dunlin {

class task_context;

namespace detail {

/// The error-independent part of a promise. Lives in the coroutine's frame.
class promise_base {
public:
    promise_base() noexcept {}
    promise_base(const promise_base&) = delete;
    promise_base& operator=(const promise_base&) = delete;
    ~promise_base() {
        if (ending == how::exception) exception.~exception_ptr();
    }

    /// The coroutine itself. The promise lies at a fixed distance from the frame's start as long as
    /// its alignment is the default one, which `task` asserts for its promises.
    [[nodiscard]] std::coroutine_handle<> handle() noexcept {
        return std::coroutine_handle<promise_base>::from_promise(*this);
    }

    /// Ends it with an error; the coroutine is never resumed again.
    void end_with(std::error_code why) noexcept {
        ending = how::error;
        error_value = why.value();
        error_category = &why.category();
    }
    void end_with(std::exception_ptr thrown) noexcept {
        ending = how::exception;
        ::new (&exception) std::exception_ptr{static_cast<std::exception_ptr&&>(thrown)};
    }

    /// Of one that has ended with an error.
    [[nodiscard]] std::error_code error() const noexcept { return {error_value, *error_category}; }

    /// Ends it with the error of what it awaited; `path` is the way that error came so far.
    void end_with_error_of(const promise_base& awaited, error_path& path) noexcept {
        end_with(awaited.error());
        if (awaited.error_is_on_path)
            path.append(where);
        else
            path.restart(where);
        error_is_on_path = true;
    }

    enum class how : std::uint8_t { not_yet, value, error, exception };

    task_context* context = nullptr; ///< The task it runs in; set when it is started.
    promise_base* parent = nullptr;  ///< Who awaits it; none for a task's root.
    std::source_location where;      ///< The `co_await` it stands at, first its beginning.
    union {
        const std::error_category* error_category;
        std::exception_ptr exception;
    };
    int error_value; ///< Apart from its category, so that there is no hole in the frame.
    how ending = how::not_yet;
    bool passes_error_up = false; ///< The parent awaits it with `or_return`.
    bool has_scope = false;       ///< The innermost scope of the task stands around this coroutine.
    bool error_is_on_path = false; ///< It came by an `or_return`: its path is being recorded.
};

} // namespace detail
} // namespace dunlin
