#include <dunlin/loop/operation.hpp>

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/assert.hpp>

namespace dunlin {

void operation::interrupt() noexcept { context_->sched->schedule(*context_); }

void operation::wait() noexcept {
    DUNLIN_ASSERT(context_->leaf == nullptr);
    wait(context_->sched->turn_time());
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

std::error_code operation::error() const noexcept { return detail::to_error(outcome_); }

void operation::begin_path(detail::error_path& path, std::source_location where) const noexcept {
    path.restart(where);
}

namespace detail {

void throw_error(std::error_code why) { throw std::system_error{why}; }

} // namespace detail

} // namespace dunlin
