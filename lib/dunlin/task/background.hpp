// Tasks that belong to the whole program: the group that the scheduler owns.
//
//     background().spawn(refresh_certificates, path);
//
// This is not a way to detach: such a task has an owner like any other, and ends with it.
#pragma once

#include <dunlin/task/task_group.hpp>
#include <dunlin/util/api.hpp>
#include <dunlin/util/chrono.hpp>

namespace dunlin {

class scheduler;

/// The task group of this thread's scheduler, made by the first call. There must be a scheduler:
/// asserted.
///
/// It carries on when a task fails: the error (or exception) is a line in `scheduler_options::log`,
/// at `log_level::error`, with the place where the task was spawned, and is counted (`failures`).
/// Whoever wants more of it makes a group of his own.
///
/// When `run`'s main task has ended, these are asked to stop and get
/// `run_options::background_grace` for that, then they are destroyed. (A signal asks the main task
/// first, which may need them to end well.) A scheduler of your own destroys them in its
/// destructor, before anything else of it is gone; `background().request_stop()` and a few turns
/// before that are the polite way.
///
/// The first call allocates, once; std::bad_alloc if memory is refused. Loop thread.
[[nodiscard]] DUNLIN_API task_group& background();

namespace detail {

/// What `run` does at its end: asks the background tasks of `home` to stop, takes turns until they
/// have ended or `grace` is over, destroys the rest. Not from inside a task.
DUNLIN_API void end_background(scheduler& home, std::chrono::nanoseconds grace) noexcept;

} // namespace detail
} // namespace dunlin
