// Runs a function in a child process, for what ends a process or spoils it: assertions, signals,
// limits.
#pragma once

#include <support/catch.hpp>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace dunlin::test {

/// What became of the child. One of the two numbers is -1.
struct forked {
    int exit_code = -1;
    int signal = -1;
    std::string errors; ///< What it wrote to standard error.

    [[nodiscard]] bool said(const std::string& words) const {
        return errors.find(words) != std::string::npos;
    }
};

/// `function()` gives the exit code. In the child it must not use the test macros.
template <class Function>
forked run_forked(Function function) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(20);
        ::dup2(ends[1], STDERR_FILENO);
        ::close(ends[0]);
        ::close(ends[1]);
        // The test program's own handlers print a report of the test.
        for (const int each : {SIGABRT, SIGSEGV, SIGTERM, SIGINT})
            ::signal(each, SIG_DFL);
        int code = 99;
        try {
            code = function();
        } catch (...) {
        }
        ::_exit(code);
    }
    ::close(ends[1]);
    forked became;
    std::array<char, 4096> block{};
    for (ssize_t n = 0; (n = ::read(ends[0], block.data(), block.size())) > 0;)
        became.errors.append(block.data(), static_cast<std::size_t>(n));
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFEXITED(status)) became.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) became.signal = WTERMSIG(status);
    UNSCOPED_INFO("the child's standard error: " << became.errors);
    return became;
}

} // namespace dunlin::test
