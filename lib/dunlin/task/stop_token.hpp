// Between stops of ours and std::stop_token, both ways. Not part of dunlin.hpp: <stop_token> alone
// is thousands of lines.
//
// Theirs stops a task of ours, and a stop of ours reaches theirs:
//
//     co_await stop_on(token, session(std::move(sock))).ignore();
//     co_await with_stop_token(compute).or_return();
#pragma once

#include <dunlin/loop/time_scope.hpp>
#include <dunlin/task/invoke.hpp>
#include <dunlin/task/scoped_task.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/util/api.hpp>

#include <stop_token>
#include <type_traits>
#include <utility>

namespace dunlin {

/// Runs `inside`; when `token` is stopped, by whichever thread, it is asked to stop as by its
/// group: every wait in it ends with `stopped`, from the next turn of its scheduler on.
///
/// Error: that of `inside`, so `stopped` if it heeds the stop; any other end is as it was. A
/// `shield` in it holds off this stop, too. Allocates a small block (not_enough_memory if that is
/// refused). The token is let go of when it ends. Loop thread; only the stop may come from another.
template <class T>
[[nodiscard]] io_task<T> stop_on(std::stop_token token, io_task<T> inside);

/// Runs `function(token)`, a coroutine function that gives an `io_task`, and stops the token when
/// the task is asked to stop (not to drain), or a deadline around it passes, for code that takes
/// tokens. It happens on the loop's thread, between tasks, in the turn after that was asked.
///
/// Error: that of what `function` gives. The token is never stopped after it has ended. `function`
/// is copied or moved in and lives as long as that. Allocates twice (not_enough_memory).
template <class Function>
    requires(std::is_invocable_v<std::decay_t<Function>&, std::stop_token>)
[[nodiscard]] std::invoke_result_t<std::decay_t<Function>&, std::stop_token>
with_stop_token(Function&& function);

// Implementation

namespace detail {

/// What a thread that stops the token shares with the task; see stop_token.cpp.
class stop_relay;
[[nodiscard]] DUNLIN_API stop_relay* make_stop_relay(time_scope& scope) noexcept;
DUNLIN_API void end_stop_relay(stop_relay* relay) noexcept;
DUNLIN_API void post_stop(stop_relay& relay) noexcept; // any thread

/// Has a scope of the running task stopped with the token, while it lives.
class stop_listener {
public:
    stop_listener(const std::stop_token& token, time_scope& scope) noexcept
        : relay_{make_stop_relay(scope)}, callback_{token, poster{relay_}} {
        scope.keeps_stopped = true;
        scope.has_expired = token.stop_requested();
    }
    stop_listener(const stop_listener&) = delete;
    stop_listener& operator=(const stop_listener&) = delete;
    ~stop_listener() {
        callback_.~callback(); // waits for a call that is under way
        end_stop_relay(relay_);
    }
    [[nodiscard]] bool has_memory() const noexcept { return relay_ != nullptr; }

private:
    class poster {
    public:
        explicit poster(stop_relay* relay) noexcept : relay_{relay} {}
        void operator()() const noexcept {
            if (relay_ != nullptr) post_stop(*relay_);
        }

    private:
        stop_relay* relay_;
    };
    using callback = std::stop_callback<poster>;

    stop_relay* relay_;
    union {
        callback callback_; ///< In a union so that it goes before the relay.
    };
};

/// Has a token stopped with a scope.
class stop_forward;
[[nodiscard]] DUNLIN_API stop_forward* make_stop_forward() noexcept;
DUNLIN_API void end_stop_forward(stop_forward* forward) noexcept;
[[nodiscard]] DUNLIN_API std::stop_token token_of(const stop_forward& forward) noexcept;
[[nodiscard]] DUNLIN_API stop_hearer& hearer_of(stop_forward& forward) noexcept;

class stop_forwarder {
public:
    stop_forwarder() noexcept : forward_{make_stop_forward()} {}
    stop_forwarder(const stop_forwarder&) = delete;
    stop_forwarder& operator=(const stop_forwarder&) = delete;
    ~stop_forwarder() { end_stop_forward(forward_); }
    [[nodiscard]] bool has_memory() const noexcept { return forward_ != nullptr; }
    [[nodiscard]] std::stop_token token() const noexcept { return token_of(*forward_); }
    [[nodiscard]] stop_hearer& hearer() const noexcept { return hearer_of(*forward_); }

private:
    stop_forward* forward_;
};

template <class Task, class Function>
Task run_with_stop_token(Function function) {
    const stop_forwarder forward; // outlives the scope that refers to it
    if (!forward.has_memory()) co_await fail(std::make_error_code(std::errc::not_enough_memory));
    std::stop_token token = forward.token();
    scoped_task<typename Task::value_type> inside{detail::call(function, std::move(token)),
                                                  time_point::max()};
    inside.scope().hearer = &forward.hearer();
    if constexpr (std::is_void_v<typename Task::value_type::value_type>) {
        co_await std::move(inside).or_return();
    } else {
        auto value = co_await std::move(inside).or_return();
        co_return value;
    }
}

} // namespace detail

template <class T>
io_task<T> stop_on(std::stop_token token, io_task<T> inside) {
    scoped_task<result<T>> scoped{std::move(inside), time_point::max()};
    const detail::stop_listener listening{token, scoped.scope()};
    if (!listening.has_memory()) co_await fail(std::make_error_code(std::errc::not_enough_memory));
    if constexpr (std::is_void_v<T>) {
        co_await std::move(scoped).or_return();
    } else {
        auto value = co_await std::move(scoped).or_return();
        co_return value;
    }
}

template <class Function>
    requires(std::is_invocable_v<std::decay_t<Function>&, std::stop_token>)
std::invoke_result_t<std::decay_t<Function>&, std::stop_token>
with_stop_token(Function&& function) {
    using task_type = std::invoke_result_t<std::decay_t<Function>&, std::stop_token>;
    return detail::run_with_stop_token<task_type, std::decay_t<Function>>(
        std::forward<Function>(function));
}

} // namespace dunlin
