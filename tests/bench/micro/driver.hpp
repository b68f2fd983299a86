// Runs a task to its end on a scheduler that stays, so that a benchmark measures no more than the
// task.
#pragma once

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/task/task_group.hpp>

#include <exception>
#include <optional>
#include <utility>

namespace dunlin::bench {

/// How often a benchmark does what its name says: then Catch's microseconds are nanoseconds each.
inline constexpr int times = 1'000;

class driver {
public:
    /// `function(args...)` is a coroutine function that gives a task<>; throws what that throws.
    template <class Function, class... Args>
    void run(Function function, Args... args) {
        task_group group;
        group.spawn(function, std::move(args)...);
        while (!group.is_empty())
            turn();
        if (const auto thrown = group.take_exception()) std::rethrow_exception(thrown);
    }

    /// One turn, waiting for something to do.
    void turn() { static_cast<void>(scheduler_.poll_once(std::nullopt).value()); }

    [[nodiscard]] scheduler& sched() noexcept { return scheduler_; }

private:
    scheduler scheduler_;
};

} // namespace dunlin::bench
