// States what only a bug can break. Such a statement is documentation that runs: every build keeps
// it, whatever NDEBUG says, and users' builds too. One fact a line.
//
// What the world can cause (a peer, the kernel, a full disk) is a `result`, never an assertion.
#pragma once

#include <dunlin/util/api.hpp>

#include <source_location>

namespace dunlin::detail {

/// Prints the expression, its place and the task that runs (standard error), then aborts.
[[noreturn]] DUNLIN_API void assertion_failed(const char* expression,
                                              std::source_location where) noexcept;

} // namespace dunlin::detail

#define DUNLIN_ASSERT(expression)                                                                  \
    (__builtin_expect(static_cast<bool>(expression), true)                                         \
         ? static_cast<void>(0)                                                                    \
         : ::dunlin::detail::assertion_failed(#expression, std::source_location::current()))
