// Stands in this folder because it names the task that runs, which util/assert.hpp knows nothing
// of.
#include <dunlin/loop/scheduler.hpp>
#include <dunlin/sys/foreign.hpp>
#include <dunlin/util/assert.hpp>

#include <charconv>
#include <cstdlib>

namespace dunlin::detail {

namespace {

void write_number(unsigned long number) noexcept {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    sys::write_to_stderr({digits, static_cast<std::size_t>(end - digits)});
}

void write_place(std::source_location where) noexcept {
    sys::write_to_stderr(where.file_name());
    sys::write_to_stderr(":");
    write_number(where.line());
}

} // namespace

void assertion_failed(const char* expression, std::source_location where) noexcept {
    write_place(where);
    sys::write_to_stderr(": ");
    sys::write_to_stderr(where.function_name());
    sys::write_to_stderr(": assertion failed: ");
    sys::write_to_stderr(expression);
    sys::write_to_stderr("\n");
    if (const scheduler* const here = scheduler::current()) {
        if (const task_context* const task = here->current_task()) {
            sys::write_to_stderr("    in task ");
            write_number(task->number);
            sys::write_to_stderr(", spawned at ");
            write_place(task->spawned);
            sys::write_to_stderr(", at the await of ");
            write_place(task->innermost->where);
            sys::write_to_stderr("\n");
        }
    }
    std::abort();
}

} // namespace dunlin::detail
