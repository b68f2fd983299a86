// What good and bad ways to write a `co_await` have in common: the objects and tasks that they use,
// and the table of them, each tried in a child process.
#pragma once

#include "harness.hpp"

#include <cstdio>
#include <utility>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace idiom {

/// An aggregate with a member that is not trivial: what no public type of ours may be.
struct aggregate {
    tracked first;
    int second = 0;
};

inline task<int> number(int value) {
    const int given = co_await step{value};
    co_return given;
}
inline task<int> number_at_once(int value) { co_return value; }
inline task<tracked> object(int value) {
    const int given = co_await step{value};
    co_return tracked{given};
}
inline task<std::pair<tracked, tracked>> two_objects(int first, int second) {
    const int given = co_await step{first};
    co_return std::pair<tracked, tracked>{given, second};
}
inline task<int> take_aggregate(aggregate by_value) {
    const int given = co_await step{by_value.second};
    co_return given + by_value.first.value();
}
template <class Function>
task<int> call(Function function) {
    const int given = co_await step{1};
    co_return given + function();
}

/// A way to write a `co_await`, and what it gives if the compiler is right.
struct row {
    const char* name;
    idiom_function function;
    int expected;
    unsigned wrong_on = 0; ///< Known compilers that get it wrong.
};

/// Tries it in a child process, which may crash, hang (for five seconds) or be ended by a
/// sanitizer. `is_quiet`: what that has to say is dropped.
inline bool is_right_in_a_child(const row& each, bool is_quiet) {
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child == 0) {
        if (is_quiet) ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO);
        ::alarm(5);
        ::_exit(is_right(each.function, each.expected) ? 0 : 1);
    }
    int status = -1;
    return ::waitpid(child, &status, 0) == child && status == 0;
}

} // namespace idiom
