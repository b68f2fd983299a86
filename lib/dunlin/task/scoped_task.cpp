#include <dunlin/task/scoped_task.hpp>

#include <dunlin/loop/scheduler.hpp>

namespace dunlin {

void detail::enter_scope(promise_base& parent, promise_base& child, time_scope& scope) noexcept {
    child.has_scope = true;
    if (scope.deadline < 0) scope.deadline = 0; // before the clock began: as much in the past
    parent.context->enter_scope(scope);
}

std::optional<time_point> current_deadline() noexcept {
    const scheduler* const here = scheduler::current();
    if (here == nullptr || here->current_task() == nullptr) return std::nullopt;
    const std::int64_t deadline = here->current_task()->deadline_in_force();
    if (deadline == detail::never) return std::nullopt;
    return time_point{std::chrono::nanoseconds{deadline}};
}

std::optional<std::chrono::nanoseconds> time_left() noexcept {
    const auto deadline = current_deadline();
    if (!deadline) return std::nullopt;
    const auto left = *deadline - now();
    return left.count() > 0 ? left : std::chrono::nanoseconds{0};
}

} // namespace dunlin
