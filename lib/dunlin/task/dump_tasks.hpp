// Where is every coroutine right now: all tasks of a scheduler, as a tree in words.
//
//     #1 serve: waits: accept, fd 5, 127.0.0.1:8888, for 12.001 s
//         at serve server.cpp:62
//         spawned at run.cpp:46
//       #7 session: waits: read, fd 8, 127.0.0.1:8888 - 127.0.0.1:40112, for 3.204 s, 26.796 s left
//           at session server.cpp:18
//           spawned at server.cpp:65
//
// A task stands under the one that made its group (or awaits it, with when_all and when_any). It
// is not started, ready (it waited, and its turn will come), running, or waits for something: for a
// descriptor, with the two ends of the connection. `for` is how long by now, `left` how long until
// the earliest deadline in force; asked to drain or to stop, it says so. Then comes its stack,
// innermost first: for each coroutine the function and the `co_await` it stands at (before the
// first one, its beginning).
//
// `run` prints this at SIGUSR1, when asked to (run_options::dump_on_sigusr1); for a process that
// has ended or hangs, a gdb script does: see docs/debugging.md.
#pragma once

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/api.hpp>

#include <concepts>
#include <string_view>
#include <type_traits>

namespace dunlin {

/// Where the words of a dump go: a function that is called with them, piece by piece. It refers to
/// the callable, which outlives it. The callable must not throw, and not touch tasks and groups.
class dump_sink {
public:
    using function = void(void* context, std::string_view piece);

    dump_sink(function* to, void* context) noexcept : to_{to}, context_{context} {}

    template <class Callable>
        requires(!std::same_as<std::remove_cvref_t<Callable>, dump_sink> &&
                 std::is_invocable_v<Callable&, std::string_view>)
    dump_sink(Callable&& callable) noexcept // NOLINT: meant to convert
        : to_{[](void* context, std::string_view piece) {
              (*static_cast<std::remove_reference_t<Callable>*>(context))(piece);
          }},
          context_{const_cast<void*>(static_cast<const void*>(&callable))} {}

    void operator()(std::string_view piece) const { to_(context_, piece); }

private:
    function* to_;
    void* context_;
};

/// Writes all tasks of `which` to `sink`; without one to standard error, which may block if it is a
/// pipe that nobody reads. Works at any time, in every build, from inside a task too.
///
/// Allocates nothing, changes nothing and runs no code of a user's but the sink. It asks the kernel
/// for the two addresses of each descriptor that is waited for, and takes time in proportion to the
/// number of tasks and groups. Loop thread.
DUNLIN_API void dump_tasks(const scheduler& which, dump_sink sink) noexcept;
DUNLIN_API void dump_tasks(const scheduler& which) noexcept;

/// The same for the scheduler of this thread; nothing if it has none.
DUNLIN_API void dump_tasks(dump_sink sink) noexcept;
DUNLIN_API void dump_tasks() noexcept;

} // namespace dunlin
