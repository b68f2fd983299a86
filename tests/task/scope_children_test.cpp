// Deadlines around what waits for other tasks: joins, drains, when_all and when_any. Only the test
// moves the clock.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task_group.hpp>
#include <dunlin/task/when.hpp>

#include <support/branches.hpp>
#include <support/fake_clock.hpp>
#include <support/test_loop.hpp>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> nap(std::chrono::nanoseconds span) { co_await sleep_for(span).or_return(); }

/// A nap that says how it ended.
io_task<> told_nap(std::chrono::nanoseconds span, std::error_code& why) {
    auto ended = co_await sleep_for(span);
    why = ended ? std::error_code{} : ended.error();
    co_await or_return(ended);
}

} // namespace

TEST_CASE("a deadline reaches through a join, and the children end first", "[task][scope]") {
    test_loop loop;
    int ended = 0;
    auto started = loop.start([&ended]() -> io_task<> {
        const auto joins = [](int& count) -> io_task<> {
            task_group group;
            for (int i = 0; i < 3; ++i)
                group.spawn([&count]() -> io_task<> {
                    auto slept = co_await sleep_for(1h);
                    ++count;
                    co_await or_return(slept);
                });
            co_await group.join().or_return();
        };
        co_await joins(ended).timeout(1s).or_return();
    });
    advance_to_end(loop, 1s, started);
    CHECK(started.result().error() == errc::timeout);
    CHECK(ended == 3);
}

TEST_CASE("a join's own timeout stops the children and waits for them", "[task][scope]") {
    test_loop loop;
    task_group group;
    bool ended = false;
    group.spawn([&ended]() -> io_task<> {
        co_await sleep_for(1h).ignore();
        co_await shield(sleep_for(5s)).ignore();
        ended = true;
    });
    auto started =
        loop.start([&group]() -> io_task<> { co_await group.join().timeout(1s).or_return(); });
    loop.run_until_idle();
    fake_clock::advance(1s);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(5s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::timeout);
    CHECK(ended);
}

TEST_CASE("a join whose last child ends in the turn of its timeout has succeeded",
          "[task][scope]") {
    test_loop loop;
    task_group group;
    group.spawn(nap, 1s);
    auto started =
        loop.start([&group]() -> io_task<> { co_await group.join().timeout(1s).or_return(); });
    loop.run_until_idle();
    fake_clock::advance(1s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result());
}

TEST_CASE("a deadline does not cut a drain short, and is reported by neither", "[task][scope]") {
    test_loop loop;
    task_group group;
    group.spawn(nap, 2s);
    auto started = loop.start([&group]() -> io_task<std::size_t> {
        const auto drains = [](task_group& all) -> io_task<std::size_t> {
            const std::size_t left = co_await all.drain(10s).or_return();
            co_return left;
        };
        const std::size_t left = co_await drains(group).timeout(1s).or_return();
        co_return left;
    });
    loop.run_until_idle();
    fake_clock::advance(1s);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(1s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().value() == 0);
}

TEST_CASE("a drain's own timeout is one more deadline after which it destroys", "[task][scope]") {
    test_loop loop;
    task_group group;
    group.spawn(nap, 1h);
    auto started = loop.start([&group]() -> io_task<std::size_t> {
        const std::size_t left = co_await group.drain(10s).timeout(1s).or_return();
        co_return left;
    });
    advance_to_end(loop, 1s, started);
    CHECK(started.result().value() == 1);
    CHECK(group.is_empty());
}

TEST_CASE("a deadline reaches through a when_all and a when_any", "[task][scope]") {
    test_loop loop;
    std::error_code one;
    std::error_code other;
    auto started = loop.start([&]() -> io_task<> {
        const auto both = [](std::error_code& a, std::error_code& b) -> io_task<> {
            co_await when_all(told_nap(1h, a), when_any(told_nap(2h, b))).or_return();
        };
        co_await both(one, other).timeout(1s).or_return();
    });
    advance_to_end(loop, 1s, started);
    CHECK(started.result().error() == errc::timeout);
    CHECK(one == errc::stopped);
    CHECK(other == errc::stopped);
}

TEST_CASE("a when_all's own timeout stops the branches", "[task][scope]") {
    test_loop loop;
    std::error_code one;
    auto started = loop.start([&one]() -> io_task<> {
        co_await when_all(told_nap(1h, one), nap(1ms)).timeout(1s).or_return();
    });
    advance_to_end(loop, 1s, started);
    CHECK(started.result().error() == errc::timeout);
    CHECK(one == errc::stopped);
}

TEST_CASE("of a when_any's timeout and that of a scope around it in one turn the scope's counts",
          "[task][scope]") {
    test_loop loop;
    std::error_code inside;
    auto started = loop.start([&inside]() -> io_task<> {
        const auto races = [](std::error_code& why) -> io_task<> {
            auto ended = co_await when_any(sleep_for(1h), sleep_for(2h)).timeout(1s);
            why = ended ? std::error_code{} : ended.error();
            if (!ended) co_await fail(why);
        };
        co_await races(inside).timeout(1s).or_return();
    });
    advance_to_end(loop, 1s, started);
    CHECK(started.result().error() == errc::timeout);
    CHECK(inside == errc::stopped);
}
