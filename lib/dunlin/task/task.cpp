#include <dunlin/task/task.hpp>

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/assert.hpp>

#include <exception>

namespace dunlin::detail {

void assert_fresh(const promise_base* child) noexcept {
    DUNLIN_ASSERT(child != nullptr);          // a task is awaited once, and not after a move
    DUNLIN_ASSERT(child->context == nullptr); // nor when it has been started already
}

bool start_child(promise_base& parent, promise_base& child, bool passes_error_up) noexcept {
    task_context& task = *parent.context;
    child.context = &task;
    child.parent = &parent;
    child.passes_error_up = passes_error_up;
    task.innermost = &child;
    child.handle().resume();
    if (!task.has_ended) return true; // it waits, and the run loop continues from there
    task.has_ended = false;
    task.innermost = &parent;
    if (child.has_scope) leave_scope(task, child);
    if (!passes_error_up || child.ending != promise_base::how::error) return false;
    parent.end_with_error_of(child, task.sched->path());
    task.has_ended = true;
    return true;
}

void destroy_left(promise_base* left) noexcept {
    if (left == nullptr) return;
    if (left->context == nullptr) return left->handle().destroy(); // it has never run
    const scheduler::leaving_frames here{*left->context->sched};
    left->handle().destroy();
}

void note_dropped(const promise_base& never_started) noexcept {
    const scheduler* const here = scheduler::current();
    if (here == nullptr || here->is_leaving_frames() || std::uncaught_exceptions() > 0) return;
    here->log(log_level::warning, "a task was made and dropped, but never awaited nor spawned",
              never_started.where);
}

void end_with_new_error(promise_base& ending, std::error_code why) noexcept {
    ending.end_with(why);
    ending.error_is_on_path = true;
    ending.context->has_ended = true;
    ending.context->sched->path().restart(ending.where);
}

} // namespace dunlin::detail
