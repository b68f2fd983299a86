// A task that nobody ever awaited is told to the log, and only if that is somebody's mistake.
#include <dunlin/task/scoped_task.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task_group.hpp>

#include <support/test_loop.hpp>

#include <stdexcept>
#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

std::vector<std::string> warnings;

void keep_warning(log_level level, std::string_view words, std::source_location where) noexcept {
    if (level != log_level::warning) return;
    warnings.push_back(std::string{words} + " " + where.file_name() + ":" +
                       std::to_string(where.line()) + " " + where.function_name());
}

class logged_loop : public test_loop {
public:
    logged_loop() : test_loop{scheduler_options{.log = &keep_warning}} { warnings.clear(); }
};

io_task<> some_work() { co_return; }
task<int> other_work() { co_return 1; }

io_task<> fails() { co_await fail(std::make_error_code(std::errc::io_error)); }

} // namespace

TEST_CASE("a task that goes out of scope without having been awaited is told to the log",
          "[task][dropped]") {
    logged_loop loop;
    loop.run([]() -> task<> {
        auto forgotten = some_work();
        co_await sleep_for(1us).ignore();
    }());
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0].find("never awaited") != std::string::npos);
    CHECK(warnings[0].find("dropped_test.cpp:") != std::string::npos);
    CHECK(warnings[0].find("some_work") != std::string::npos);

    loop.run([]() -> task<> {
        auto forgotten = some_work();
        forgotten = some_work(); // the first is dropped here
        co_await std::move(forgotten).ignore();
        auto limited = some_work().timeout(1s);
        static_cast<void>(limited);
        auto third = other_work();
        co_return;
    }());
    CHECK(warnings.size() == 4);
}

TEST_CASE("tasks that are awaited or spawned are nobody's mistake", "[task][dropped]") {
    logged_loop loop;
    loop.run([]() -> task<> {
        task_group group;
        group.spawn(some_work);
        group.spawn(some_work());
        auto kept = some_work();
        auto moved = std::move(kept);
        co_await std::move(moved).ignore();
        co_await some_work().timeout(1s).ignore();
        co_await group.join().ignore();
        group.spawn(some_work); // never runs: its group is destroyed
    }());
    CHECK(warnings.empty());
}

TEST_CASE("a task dropped because its coroutine ended early is nobody's mistake",
          "[task][dropped]") {
    logged_loop loop;
    const auto by_or_return = []() -> io_task<> {
        auto later = some_work();
        co_await fails().or_return();
        co_await std::move(later).or_return();
    };
    const auto by_later_or_return = []() -> io_task<> {
        auto later = some_work();
        co_await sleep_for(1us).ignore();
        co_await fails().or_return();
        co_await std::move(later).or_return();
    };
    const auto by_exception = []() -> io_task<> {
        auto later = some_work();
        co_await sleep_for(1us).ignore();
        throw std::runtime_error{"early"};
    };
    CHECK_FALSE(loop.run(by_or_return()));
    CHECK_FALSE(loop.run(by_later_or_return()));
    CHECK_THROWS(loop.run(by_exception()));
    {
        auto destroyed = loop.start([]() -> io_task<> {
            auto later = some_work();
            co_await sleep_for(1h).or_return();
            co_await std::move(later).or_return();
        });
        loop.run_until_idle();
    }
    CHECK(warnings.empty());
}

TEST_CASE("a task dropped outside of every scheduler says nothing", "[task][dropped]") {
    warnings.clear();
    {
        auto forgotten = some_work();
    }
    CHECK(warnings.empty());
}
