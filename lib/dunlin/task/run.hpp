// Where a program of coroutines begins: makes a scheduler, runs one task on it to its end.
//
//     int main() { return dunlin::run(server()); }
#pragma once

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/util/api.hpp>
#include <dunlin/util/chrono.hpp>

namespace dunlin {

/// Settings of `run`.
struct run_options {
    /// SIGINT and SIGTERM ask the task to stop politely, a second one ends the process at once by
    /// the signal's default. One that is ignored stays so (a shell's background jobs ignore
    /// SIGINT). False leaves the signals alone. One `run` at a time in a process can have them; a
    /// second one, on another thread, gets none.
    bool signals = true;

    /// How long `background()`'s tasks get, once the main task has ended and they have been asked
    /// to stop. What is left then is destroyed. `run` does not wait longer than it has to; zero or
    /// less destroys them at once.
    std::chrono::nanoseconds background_grace = std::chrono::seconds{1};

    /// SIGUSR1 prints every task on standard error (dump_tasks.hpp), between two tasks; one that is
    /// ignored stays so. Likewise one `run` at a time in a process can have it.
    bool dump_on_sigusr1 = false;
    scheduler_options scheduler = {};
};

/// Runs `main` and whatever it spawns until `main` has ended, on a scheduler made for it on this
/// thread; then ends the tasks of `background()`, politely first.
///
/// Gives the program's exit code: 0 on success (or what the task gives), 1 on an error, which is
/// printed on standard error with the `co_await`s it came up through. A task that ends with
/// `stopped` after a signal has done as it was told: 0. An exception of the task comes out of
/// `run`.
DUNLIN_API int run(io_task<> main, run_options options = {});
DUNLIN_API int run(io_task<int> main, run_options options = {});
DUNLIN_API int run(task<> main, run_options options = {});
DUNLIN_API int run(task<int> main, run_options options = {});

} // namespace dunlin
