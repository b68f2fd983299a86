// The way an error came: which `co_await`s passed it on.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task_group.hpp>

#include <support/test_loop.hpp>

#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

const std::error_code refused = std::make_error_code(std::errc::connection_refused);

std::vector<unsigned> lines(const detail::error_path& path) {
    std::vector<unsigned> each;
    for (std::size_t i = 0; i < path.size(); ++i)
        each.push_back(path[i].line());
    return each;
}

unsigned here(std::source_location where = std::source_location::current()) { return where.line(); }

unsigned failed_at = 0;
io_task<int> fails() {
    co_await sleep_for(1ns).ignore();
    failed_at = here() + 1;
    co_await fail(refused);
    co_return 1;
}
unsigned passed_at = 0;
io_task<int> passes() {
    passed_at = here() + 1;
    const int got = co_await fails().or_return();
    co_return got;
}
io_task<int> gives_error() { co_return refused; }

io_task<int> deep(int depth) {
    if (depth == 0) {
        co_await fail(refused);
        co_return 0;
    }
    const int got = co_await deep(depth - 1).or_return();
    co_return got;
}

} // namespace

TEST_CASE("an error's path begins where it arose and names each or_return", "[task][error_path]") {
    test_loop loop;
    CHECK(loop.run(passes()).error() == refused);
    CHECK(lines(loop.sched().path()) == std::vector{failed_at, passed_at});
    CHECK(std::string{loop.sched().path()[0].file_name()}.ends_with("error_path_test.cpp"));
}

TEST_CASE("a new error begins a new path", "[task][error_path]") {
    test_loop loop;
    CHECK(loop.run(passes()).error() == refused);
    unsigned line = 0;
    const auto body = [](unsigned& at) -> io_task<> {
        at = here() + 1;
        co_await or_return(result<void>{refused});
    };
    CHECK(loop.run(body(line)).error() == refused);
    CHECK(lines(loop.sched().path()) == std::vector{line});
    auto pending = loop.start(
        [](unsigned& at) -> io_task<> {
            at = here() + 1;
            co_await sleep_for(1h).or_return();
        },
        line);
    loop.run_until_idle();
    pending.stop();
    loop.run_until_idle();
    CHECK(lines(loop.sched().path()) == std::vector{line});
}

TEST_CASE("sixteen steps are kept and the others counted", "[task][error_path]") {
    test_loop loop;
    CHECK(loop.run(deep(99)).error() == refused);
    CHECK(loop.sched().path().size() == 16);
    CHECK(loop.sched().path().length() == 100);
}

TEST_CASE("an error given by co_return begins its path with the first or_return",
          "[task][error_path]") {
    test_loop loop;
    CHECK(loop.run(passes()).error() == refused); // leaves a path
    unsigned line = 0;
    const auto body = [](unsigned& at) -> io_task<int> {
        at = here() + 1;
        const int got = co_await gives_error().or_return();
        co_return got;
    };
    CHECK(loop.run(body(line)).error() == refused);
    CHECK(lines(loop.sched().path()) == std::vector{line});
}

TEST_CASE("an error that was looked at and is passed on later begins a path of its own",
          "[task][error_path]") {
    test_loop loop;
    unsigned line = 0;
    const auto body = [](unsigned& at) -> io_task<> {
        auto kept = co_await passes();
        co_await passes().ignore(); // another error in between
        at = here() + 1;
        co_await or_return(std::move(kept));
    };
    CHECK(loop.run(body(line)).error() == refused);
    CHECK(lines(loop.sched().path()) == std::vector{line});
}

TEST_CASE("a group keeps the path of its first error, and join goes on from there",
          "[task][error_path]") {
    test_loop loop;
    task_group group;
    unsigned line = 0;
    const auto child = []() -> io_task<> {
        const int got = co_await passes().or_return();
        if (got != 0) co_await fail(errc::busy);
    };
    group.spawn(child);
    auto pending = loop.start(
        [](task_group& joined, unsigned& at) -> io_task<> {
            at = here() + 1;
            co_await joined.join().or_return();
        },
        group, line);
    loop.run_until([&] { return group.first_path().size() != 0; });
    CHECK(loop.run(deep(3)).error() == refused); // another task's error comes in between
    loop.run_until([&] { return pending.is_done(); });
    CHECK(pending.result().error() == refused);
    REQUIRE(group.first_path().size() >= 3);
    CHECK(group.first_path()[0].line() == failed_at);
    CHECK(group.first_path()[1].line() == passed_at);
}

TEST_CASE("or_return on a join puts its place behind the child's", "[task][error_path]") {
    test_loop loop;
    unsigned line = 0;
    const auto body = [](unsigned& at) -> io_task<> {
        task_group group;
        group.spawn([]() -> io_task<> { co_await fail(refused); });
        at = here() + 1;
        co_await group.join().or_return();
    };
    CHECK(loop.run(body(line)).error() == refused);
    const auto seen = lines(loop.sched().path());
    REQUIRE(seen.size() == 3); // the child, its holder, the join
    CHECK(seen.back() == line);
}
