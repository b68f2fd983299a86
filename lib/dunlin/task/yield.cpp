#include <dunlin/task/yield.hpp>

#include <dunlin/loop/scheduler.hpp>

namespace dunlin {

bool yield_operation::begin() noexcept {
    context_->sched->schedule_later(*context_);
    wait();
    return false;
}

bool yield_operation::attempt() noexcept {
    if (context_->is_stopping()) outcome_ = detail::failure(errc::stopped);
    return true;
}

bool stop_requested() noexcept {
    const scheduler* const here = scheduler::current();
    return here != nullptr && here->current_task() != nullptr &&
           here->current_task()->is_stopping();
}

} // namespace dunlin
