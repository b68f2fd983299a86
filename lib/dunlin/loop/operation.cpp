#include <dunlin/loop/operation.hpp>

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/assert.hpp>

namespace dunlin {

namespace {

/// Apart, since most operations are in no scope, and it would have them save a register.
[[gnu::noinline]] void wake_in_scope(task_context& task) noexcept {
    const std::int64_t earliest = task.next_deadline(-1);
    if (earliest < task.wake_at) task.sched->wake_by(task, earliest);
}

} // namespace

void operation::interrupt() noexcept { context_->sched->schedule(*context_); }

void operation::wait() noexcept {
    DUNLIN_ASSERT(context_->leaf == nullptr);
    wait(context_->sched->turn_time());
}

void operation::start_clock(std::int64_t since) noexcept {
    if (limited_ == limit::span) [[likely]] {
        // A wait that goes on in a later turn keeps its deadline.
        limit_ = detail::deadline_after(since, std::chrono::nanoseconds{limit_});
        limited_ = limit::deadline;
    }
    if (limit_ < 0) [[unlikely]]
        limit_ = 0; // before the clock began: as much in the past
    if (context_->scopes != nullptr) [[unlikely]]
        return wake_in_scope(*context_);
    if (limit_ < context_->wake_at) [[likely]]
        context_->sched->wake_by(*context_, limit_);
}

bool operation::finish_unwaited() noexcept {
    if (spend()) return finish();
    context_->sched->schedule_later(*context_);
    wait();
    return false;
}

void operation::end_by_timeout() noexcept {
    limit_until(context_->sched->turn_time());
    interrupt();
}

bool operation::has_timed_out() const noexcept {
    return limited_ == limit::deadline && is_waiting_ && limit_ <= context_->sched->turn_time();
}

detail::outcome operation::why_not_wait() const noexcept {
    if (context_->is_stopping()) return detail::failure(errc::stopped);
    if (has_timed_out()) return detail::failure(errc::timeout);
    return 0;
}

void operation::abandon() noexcept {
    context_->leaf = nullptr;
    context_->sched->forget(*context_);
}

void operation::end_coroutine() noexcept {
    detail::promise_base& ended = *context_->innermost;
    ended.end_with(error());
    ended.error_is_on_path = true;
    context_->has_ended = true;
    begin_path(context_->sched->path(), ended.where);
}

leaf_description operation::describe() const noexcept { return leaf_description{}; }

std::error_code operation::error() const noexcept { return detail::to_error(outcome_); }

void operation::begin_path(detail::error_path& path, std::source_location where) const noexcept {
    path.restart(where);
}

namespace detail {

void throw_error(std::error_code why) { throw std::system_error{why}; }

} // namespace detail

} // namespace dunlin
