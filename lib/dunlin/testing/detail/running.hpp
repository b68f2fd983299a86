// A coroutine that a rule of a conformance kit runs beside itself, and looks at from outside.
#pragma once

#include <dunlin/sync/event.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/task/task_group.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <utility>

namespace dunlin::detail {

/// It does not run before its owner next waits. Destroying this destroys it where it stands. Not
/// moved, as it writes here.
template <class T = void>
class running {
public:
    explicit running(io_task<T> what) {
        group_.emplace(on_child_error::carry_on);
        group_->spawn(keep(std::move(what), *this));
    }
    running(const running&) = delete;
    running& operator=(const running&) = delete;
    ~running() { destroy(); }

    [[nodiscard]] bool has_ended() const noexcept { return ended_.is_set(); }

    /// Waits for its end, at most so long. Gives whether it has ended.
    task<bool> ends_within(std::chrono::nanoseconds span) {
        co_await ended_.wait().timeout(span).ignore();
        co_return has_ended();
    }

    /// What became of it; nothing if it has not ended, or has thrown.
    [[nodiscard]] const std::optional<result<T>>& outcome() const noexcept { return outcome_; }

    /// What it has thrown, in words; empty if nothing.
    [[nodiscard]] const std::string& thrown() const noexcept { return thrown_; }

    /// Asks it politely.
    void stop() { group_->request_stop(); }

    void destroy() { group_.reset(); }

private:
    static task<> keep(io_task<T> what, running& into) {
        try {
            auto given = co_await std::move(what);
            into.outcome_.emplace(std::move(given));
        } catch (const std::exception& thrown) {
            into.thrown_ = std::string{"the exception "} + thrown.what();
        } catch (...) {
            into.thrown_ = "an exception";
        }
        into.ended_.set();
    }

    std::optional<result<T>> outcome_;
    std::string thrown_;
    event ended_;
    std::optional<task_group> group_;
};

} // namespace dunlin::detail
