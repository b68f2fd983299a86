#include <dunlin/task/run.hpp>

#include <dunlin/sys/dump_signal.hpp>
#include <dunlin/sys/foreign.hpp>
#include <dunlin/sys/stop_signals.hpp>
#include <dunlin/task/background.hpp>
#include <dunlin/task/detail/function_name.hpp>
#include <dunlin/task/dump_tasks.hpp>
#include <dunlin/task/task_group.hpp>

#include <exception>
#include <optional>
#include <string>
#include <type_traits>

namespace dunlin {

static_assert(std::is_trivially_destructible_v<run_options>);

namespace {

void print_error(std::error_code why, const detail::error_path& path) {
    std::string words = "error: " + why.message() + " (" + why.category().name() + ":" +
                        std::to_string(why.value()) + ")\n";
    for (std::size_t i = 0; i < path.size(); ++i) {
        const std::source_location step = path[i];
        words += "    at ";
        words += detail::written_name(step.function_name());
        words += ' ';
        words += step.file_name();
        words += ':' + std::to_string(step.line()) + '\n';
    }
    if (path.length() > path.size())
        words += "    ... and " + std::to_string(path.length() - path.size()) + " more\n";
    sys::write_to_stderr(words);
}

template <class T>
int run_to_end(task<T> main, const run_options& options) {
    scheduler loop{options.scheduler};
    const scheduler::as_current here{loop};
    std::exception_ptr thrown;
    {
        task_group group;
        group.spawn(std::move(main));
        std::optional<sys::stop_signals> signals;
        if (options.signals) signals.emplace(loop.wake_number());
        std::optional<sys::dump_signal> dump;
        if (options.dump_on_sigusr1) dump.emplace(loop.wake_number());
        bool was_asked = false;
        while (!group.is_empty()) {
            if (const auto ran = loop.run_while(group.live_count()); !ran) {
                print_error(ran.assume_error(), {});
                return 1;
            }
            if (dump && dump->take()) dump_tasks(loop);
            if (!was_asked && signals && signals->has_come()) {
                was_asked = true;
                group.request_stop();
            }
        }
        detail::end_background(loop, options.background_grace);
        thrown = group.take_exception();
        if (thrown == nullptr && group.first_error()) {
            print_error(group.first_error(), group.first_path());
            return 1;
        }
    }
    if (thrown != nullptr) std::rethrow_exception(thrown);
    return 0;
}

} // namespace

namespace detail {
namespace {

// The value goes through a variable of `run`, which outlives the task.
task<> keep(task<int> main, int& code) { code = co_await std::move(main); }

io_task<> keep(io_task<int> main, int& code) { code = co_await std::move(main).or_return(); }

} // namespace
} // namespace detail

int run(io_task<> main, run_options options) { return run_to_end(std::move(main), options); }

int run(task<> main, run_options options) { return run_to_end(std::move(main), options); }

int run(io_task<int> main, run_options options) {
    int code = 0;
    const int failed = run_to_end(detail::keep(std::move(main), code), options);
    return failed != 0 ? failed : code;
}

int run(task<int> main, run_options options) {
    int code = 0;
    const int failed = run_to_end(detail::keep(std::move(main), code), options);
    return failed != 0 ? failed : code;
}

} // namespace dunlin
