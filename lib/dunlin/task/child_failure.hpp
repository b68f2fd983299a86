// What a task group tells of a child that failed, and the callable that hears it.
//
//     const auto log_it = [&log](const child_failure& failed) { log.add(failed.error()); };
//     task_group clients{on_child_error::carry_on, log_it};
#pragma once

#include <dunlin/loop/error_path.hpp>
#include <dunlin/loop/task_context.hpp>
#include <dunlin/util/api.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <source_location>
#include <system_error>
#include <type_traits>

namespace dunlin {

/// How a child of a group failed. What it refers to lives until the hook returns.
class child_failure {
public:
    child_failure(std::error_code error, const std::exception_ptr& thrown,
                  std::source_location spawned_at, const task_context* child,
                  const detail::error_path* path) noexcept
        : error_{error}, thrown_{&thrown}, spawned_at_{spawned_at}, child_{child}, path_{path} {}
    child_failure(const child_failure&) = delete;
    child_failure& operator=(const child_failure&) = delete;

    /// The error it ended with; none if it threw.
    [[nodiscard]] std::error_code error() const noexcept { return error_; }

    /// What it threw, or null.
    [[nodiscard]] const std::exception_ptr& exception() const noexcept { return *thrown_; }

    /// Where it was spawned.
    [[nodiscard]] std::source_location spawned_at() const noexcept { return spawned_at_; }

    /// The task's number in its scheduler; 0 if memory for it was refused, so that it never ran.
    [[nodiscard]] std::uint32_t number() const noexcept {
        return child_ == nullptr ? 0 : child_->number;
    }

    /// The `co_await`s that the error came up through, innermost first; null if that is not known.
    [[nodiscard]] const detail::error_path* path() const noexcept { return path_; }

private:
    std::error_code error_;
    const std::exception_ptr* thrown_;
    std::source_location spawned_at_;
    const task_context* child_;
    const detail::error_path* path_;
};

/// A callable of `void(const child_failure&)` that is at most two pointers large and trivially
/// copyable (a function, a lambda that captures references): kept in place, allocating nothing.
///
/// It is called on the loop's thread, outside of any coroutine, before the child's frames are
/// destroyed; it must not throw. It may spawn into the group, stop it and end it, but not destroy
/// it.
class error_hook {
public:
    constexpr error_hook() noexcept {}

    template <class Function>
        requires(!std::is_same_v<Function, error_hook> &&
                 std::is_invocable_v<Function&, const child_failure&>)
    error_hook(Function function) noexcept
        : call_{[](std::byte* kept, const child_failure& failed) noexcept {
              (*std::launder(reinterpret_cast<Function*>(kept)))(failed);
          }} {
        static_assert(std::is_trivially_copyable_v<Function> &&
                          std::is_trivially_destructible_v<Function>,
                      "capture references: the hook is copied as bytes");
        static_assert(sizeof(Function) <= sizeof kept_ && alignof(Function) <= alignof(void*),
                      "a hook has room for two pointers: capture one object that has the rest");
        ::new (static_cast<void*>(kept_)) Function(function);
    }

    explicit operator bool() const noexcept { return call_ != nullptr; }
    void operator()(const child_failure& failed) noexcept { call_(kept_, failed); }

private:
    alignas(void*) std::byte kept_[2 * sizeof(void*)] = {};
    void (*call_)(std::byte*, const child_failure&) noexcept = nullptr;
};

} // namespace dunlin
