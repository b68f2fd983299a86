// Bugs of the caller end the program with the expression, the place and the task that ran.
#include <dunlin/loop/descriptor.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task_group.hpp>
#include <dunlin/util/assert.hpp>

#include <support/forked.hpp>
#include <support/pipe.hpp>
#include <support/test_loop.hpp>

#include <thread>

using namespace dunlin;
using namespace dunlin::test;

namespace {

void run_all(scheduler& loop, task_group& group) {
    while (!group.is_empty())
        static_cast<void>(loop.poll_once(1ms));
}

/// Runs one task in a child process that it should not survive.
template <class Function>
forked dies(Function function) {
    return run_forked([&] {
        scheduler loop;
        task_group group;
        group.spawn(function);
        run_all(loop, group);
        return 0;
    });
}

} // namespace

TEST_CASE("an assertion prints its expression, its place and the running task", "[util][assert]") {
    const auto child = dies([]() -> task<> {
        co_await sleep_for(1us).ignore();
        const int two = 2;
        DUNLIN_ASSERT(two == 3);
    });
    CHECK(child.signal == SIGABRT);
    CHECK(child.said("assertion failed: two == 3\n"));
    CHECK(child.said("assertion_test.cpp:"));
    CHECK(child.said("in task 1, spawned at "));
    const auto outside = run_forked([] {
        DUNLIN_ASSERT(1 == 2);
        return 0;
    });
    CHECK(outside.signal == SIGABRT);
    CHECK(outside.said("assertion failed: 1 == 2"));
    CHECK_FALSE(outside.said("in task"));
    int evaluated = 0;
    DUNLIN_ASSERT(++evaluated == 1);
    CHECK(evaluated == 1);
}

TEST_CASE("awaiting a task twice, or one that was moved from, is a bug that is named",
          "[task][assert]") {
    const auto twice = dies([]() -> task<> {
        auto once = []() -> task<> { co_return; }();
        co_await std::move(once);
        co_await std::move(once); // NOLINT: the point
    });
    CHECK(twice.signal == SIGABRT);
    CHECK(twice.said("assertion failed: child"));
    CHECK(twice.said("assertion_test.cpp:"));
}

TEST_CASE("spawning a task that was moved from is a bug that is named", "[task][assert]") {
    const auto child = run_forked([] {
        scheduler loop;
        task_group group;
        auto once = []() -> task<> { co_return; }();
        group.spawn(std::move(once));
        group.spawn(std::move(once));
        return 0;
    });
    CHECK(child.signal == SIGABRT);
    CHECK(child.said("assertion failed: child"));
}

TEST_CASE("destroying the group of the running task from inside is a bug that is named",
          "[task][assert]") {
    const auto child = run_forked([] {
        scheduler loop;
        auto group = std::make_unique<task_group>();
        group->spawn([&group]() -> task<> {
            co_await sleep_for(1us).ignore();
            group.reset();
        });
        for (;;)
            static_cast<void>(loop.poll_once(1ms));
        return 0;
    });
    CHECK(child.signal == SIGABRT);
    CHECK(child.said("assertion failed: "));
    CHECK(child.said("in task 1"));
}

TEST_CASE("a descriptor used on another thread than its scheduler's is a bug that is named",
          "[loop][assert]") {
    const auto child = run_forked([] {
        scheduler here;
        const pipe_ends pipe = make_pipe();
        descriptor on{pipe.reader.borrow()};
        const auto reads = [&on]() -> io_task<> { co_await on.readable().or_return(); };
        task_group group;
        group.spawn(reads);
        static_cast<void>(here.poll_once(0ns));
        group.end();
        std::thread{[&reads] {
            scheduler there;
            task_group other;
            other.spawn(reads);
            run_all(there, other);
        }}.join();
        return 0;
    });
    CHECK(child.signal == SIGABRT);
    CHECK(child.said("assertion failed: "));
}

TEST_CASE("so is one that could be used there without waiting", "[loop][assert]") {
    const auto dies_with = [](auto operation) {
        const auto child = run_forked([operation] {
            scheduler here;
            const pipe_ends pipe = make_pipe();
            put(pipe.writer, "some bytes");
            descriptor on{pipe.reader.borrow()};
            task_group group;
            group.spawn(operation, std::ref(on));
            static_cast<void>(here.poll_once(0ns));
            std::thread{[&on, operation] {
                scheduler there;
                task_group other;
                other.spawn(operation, std::ref(on));
                run_all(there, other);
            }}.join();
            return 0;
        });
        CHECK(child.signal == SIGABRT);
        CHECK(child.said("assertion failed: a descriptor is used on the thread of its scheduler"));
        CHECK(child.said("assertion_test.cpp:"));
    };
    dies_with([](descriptor& on) -> io_task<> {
        std::byte one[1];
        co_await on.read_some(one).or_return();
    });
    dies_with([](descriptor& on) -> io_task<> { co_await on.readable().or_return(); });
}

TEST_CASE("a scheduler that dies before its sockets or groups is a bug that is named",
          "[loop][assert]") {
    const auto child = run_forked([] {
        const pipe_ends pipe = make_pipe();
        descriptor on{pipe.reader.borrow()};
        {
            scheduler loop;
            task_group group;
            group.spawn([&on]() -> io_task<> { co_await on.readable().or_return(); });
            static_cast<void>(loop.poll_once(0ns));
        }
        return 0;
    });
    CHECK(child.signal == SIGABRT);
    CHECK(child.said("assertion failed: "));
}

TEST_CASE("taking a turn from inside a task is a bug that is named", "[loop][assert]") {
    const auto child = dies([]() -> task<> {
        co_await sleep_for(1us).ignore();
        static_cast<void>(scheduler::current()->poll_once(0ns));
    });
    CHECK(child.signal == SIGABRT);
    CHECK(child.said("in task"));
}

TEST_CASE("a group or an operation without a scheduler is a bug that is named", "[task][assert]") {
    CHECK(run_forked([] {
              const task_group group;
              return 0;
          }).signal == SIGABRT);
    CHECK(run_forked([] {
              const pipe_ends pipe = make_pipe();
              descriptor on{pipe.reader.borrow()};
              static_cast<void>(on.readable());
              return 0;
          }).signal == SIGABRT);
}
