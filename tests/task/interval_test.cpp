// Ticks: when they come, and what becomes of those that nobody took.
#include <dunlin/task/interval.hpp>
#include <dunlin/task/sleep.hpp>

#include <support/fake_clock.hpp>
#include <support/forked.hpp>
#include <support/net_support.hpp>

#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<time_point> one_tick(interval& ticker) {
    const time_point due = co_await ticker.tick().or_return();
    co_return due;
}

/// Awaits ticks for ever and notes when each was taken, in milliseconds since `start`.
io_task<> note_ticks(interval& ticker, time_point start, std::vector<long>& taken) {
    for (;;) {
        co_await ticker.tick().or_return();
        taken.push_back(static_cast<long>((now() - start) / 1ms));
    }
}

void pass(test_loop& loop, std::chrono::nanoseconds span, std::chrono::nanoseconds step = 10ms) {
    for (auto passed = 0ns; passed < span; passed += step) {
        fake_clock::advance(step);
        loop.run_until_idle();
    }
}

} // namespace

TEST_CASE("the first tick of an interval is there at once", "[six:tick_operation:ready]") {
    test_loop loop;
    const time_point start = now();
    interval ticker{100ms};
    auto first = loop.start(one_tick, ticker);
    loop.turn();
    REQUIRE(first.is_done());
    CHECK(first.result().value() == start);
    CHECK(ticker.next_tick() == start + 100ms);
}

TEST_CASE("a tick comes when its time has come and not a nanosecond earlier",
          "[six:tick_operation:later]") {
    for (const auto policy : {missed_ticks::burst, missed_ticks::delay, missed_ticks::skip}) {
        test_loop loop;
        const time_point start = now();
        interval ticker{start + 100ms, 100ms, policy};
        auto next = loop.start(one_tick, ticker);
        loop.run_until_idle();
        fake_clock::advance(100ms - 1ns);
        loop.run_until_idle();
        REQUIRE_FALSE(next.is_done());
        fake_clock::advance(1ns);
        loop.turn();
        REQUIRE(next.is_done());
        CHECK(next.result().value() == start + 100ms);
        CHECK(ticker.next_tick() == start + 200ms);
        CHECK_FALSE(loop.sched().next_deadline().has_value()); // nothing is armed
    }
}

TEST_CASE("a tick whose task is woken for nothing is waited for further",
          "[six:tick_operation:spurious]") {
    test_loop loop;
    interval ticker{now() + 5ms, 5ms};
    task_context* who = nullptr;
    auto next = loop.start(observe(one_tick(ticker), who));
    loop.run_until_idle();
    wake_for_nothing(loop, who);
    REQUIRE_FALSE(next.is_done());
    fake_clock::advance(5ms);
    loop.turn();
    REQUIRE(next.is_done());
    CHECK(next.result());
}

TEST_CASE("a tick that is stopped while it is waited for is there for the next one",
          "[six:tick_operation:stopped]") {
    test_loop loop;
    const time_point start = now();
    interval ticker{start + 5ms, 5ms};
    auto stopped = loop.start(one_tick, ticker);
    loop.run_until_idle();
    stopped.stop();
    loop.turn();
    REQUIRE(stopped.is_done());
    CHECK(stopped.result().error() == errc::stopped);
    CHECK_FALSE(loop.sched().next_deadline().has_value());

    auto stopped_before = loop.start(one_tick, ticker);
    stopped_before.stop();
    loop.turn();
    REQUIRE(stopped_before.is_done());
    CHECK(stopped_before.result().error() == errc::stopped);

    fake_clock::advance(5ms);
    CHECK(loop.run(ticker.tick()).value() == start + 5ms);
}

TEST_CASE("a tick that is destroyed while it is waited for leaves no timer and is not taken",
          "[six:tick_operation:destroyed]") {
    test_loop loop;
    const time_point start = now();
    interval ticker{start + 5ms, 5ms};
    auto next = loop.start(one_tick, ticker);
    loop.run_until_idle();
    next.destroy();
    CHECK_FALSE(loop.sched().next_deadline().has_value());
    fake_clock::advance(5ms);
    CHECK(loop.turn() == 0);
    CHECK(ticker.next_tick() == start + 5ms);
}

TEST_CASE("a tick that is destroyed in the turn it came is not taken",
          "[six:tick_operation:destroyed-ready]") {
    test_loop loop;
    const time_point start = now();
    interval ticker{start + 5ms, 5ms};
    pending<result<time_point>> victim;
    auto killer = loop.start([&victim]() -> task<> {
        co_await sleep_for(4ms).ignore();
        victim.destroy();
    });
    victim = loop.start(one_tick, ticker);
    loop.run_until_idle();
    fake_clock::advance(5ms);
    CHECK(loop.turn() == 1); // both were due, the first destroyed the second
    CHECK(killer.is_done());
    CHECK(ticker.next_tick() == start + 5ms);
}

TEST_CASE("a tick that came in the turn of the stop is taken", "[task][interval]") {
    test_loop loop;
    interval ticker{now() + 5ms, 5ms};
    auto next = loop.start(one_tick, ticker);
    loop.run_until_idle();
    next.stop();
    fake_clock::advance(5ms);
    loop.turn();
    REQUIRE(next.is_done());
    CHECK(next.result());
}

TEST_CASE("ticks that were missed are made up for, spaced out, or dropped", "[task][interval]") {
    const auto taken_with = [](missed_ticks policy) {
        test_loop loop;
        const time_point start = now();
        interval ticker{100ms, policy};
        std::vector<long> taken;
        auto ticking = loop.start(note_ticks, ticker, start, taken);
        loop.run_until_idle();
        fake_clock::advance(250ms); // the loop is busy for so long
        loop.run_until_idle();
        pass(loop, 300ms);
        return taken;
    };
    CHECK(taken_with(missed_ticks::burst) == std::vector<long>{0, 250, 250, 300, 400, 500});
    CHECK(taken_with(missed_ticks::delay) == std::vector<long>{0, 250, 350, 450, 550});
    CHECK(taken_with(missed_ticks::skip) == std::vector<long>{0, 250, 300, 400, 500});
}

TEST_CASE("an interval whose turns are all late drifts only if it delays", "[task][interval]") {
    const auto next_after_hundred = [](missed_ticks policy) {
        test_loop loop;
        const time_point start = now();
        interval ticker{start + 10ms, 10ms, policy};
        std::vector<long> taken;
        auto ticking = loop.start(note_ticks, ticker, start, taken);
        loop.run_until_idle();
        while (taken.size() < 100) {
            fake_clock::advance(ticker.next_tick() - now() + 1ms);
            loop.run_until_idle();
        }
        return (ticker.next_tick() - start) / 1ms;
    };
    CHECK(next_after_hundred(missed_ticks::burst) == 1010);
    CHECK(next_after_hundred(missed_ticks::skip) == 1010);
    CHECK(next_after_hundred(missed_ticks::delay) == 1110);
}

TEST_CASE("a thousand missed ticks that are made up for let other tasks run in between",
          "[task][interval]") {
    test_loop loop;
    const time_point start = now();
    interval ticker{1ms};
    std::vector<long> taken;
    auto ticking = loop.start(note_ticks, ticker, start, taken);
    loop.run_until_idle();
    fake_clock::advance(1s);
    loop.turn();
    CHECK(taken.size() <= 66);
    ticking.stop();
    loop.turn(); // a spent budget counts as a wait
    CHECK(ticking.is_done());
}

TEST_CASE("an interval that is restarted ticks a period from then on", "[task][interval]") {
    test_loop loop;
    const time_point start = now();
    interval ticker{100ms};
    fake_clock::advance(30ms);
    ticker.restart();
    CHECK(ticker.next_tick() == start + 130ms);
    auto next = loop.start(one_tick, ticker);
    loop.run_until_idle();
    fake_clock::advance(70ms);
    ticker.restart(); // while it is awaited
    fake_clock::advance(99ms);
    loop.run_until_idle();
    REQUIRE_FALSE(next.is_done());
    fake_clock::advance(1ms);
    loop.run_until_idle();
    REQUIRE(next.is_done());
    CHECK(next.result().value() == start + 200ms);
}

TEST_CASE("each tick goes to one of the tasks that await it", "[task][interval]") {
    test_loop loop;
    const time_point start = now();
    interval ticker{start + 10ms, 10ms};
    auto first = loop.start(one_tick, ticker);
    auto second = loop.start(one_tick, ticker);
    loop.run_until_idle();
    fake_clock::advance(10ms);
    loop.run_until_idle();
    REQUIRE(first.is_done());
    REQUIRE_FALSE(second.is_done());
    fake_clock::advance(10ms);
    loop.run_until_idle();
    REQUIRE(second.is_done());
    CHECK(first.result().value() == start + 10ms);
    CHECK(second.result().value() == start + 20ms);
}

TEST_CASE("extreme periods and beginnings are clamped", "[task][interval]") {
    test_loop loop;
    for (const auto policy : {missed_ticks::burst, missed_ticks::delay, missed_ticks::skip}) {
        interval once{std::chrono::hours::max(), policy};
        CHECK(once.period() == std::chrono::nanoseconds::max());
        CHECK(loop.run(once.tick()));
        auto never = loop.start(one_tick, once);
        loop.run_until_idle();
        fake_clock::advance(std::chrono::hours{24 * 365});
        loop.run_until_idle();
        CHECK_FALSE(never.is_done());

        interval ancient{time_point::min(), 1ns, policy};
        CHECK(loop.run(ancient.tick()).value() == time_point::min());
    }
    interval ancient{time_point::min(), 7ns, missed_ticks::skip};
    CHECK(loop.run(ancient.tick()));
    CHECK(ancient.next_tick() > now());
    CHECK(ancient.next_tick() <= now() + 7ns);
    const std::chrono::duration<double, std::pico> less_than_a_nanosecond{0.1};
    CHECK(interval{less_than_a_nanosecond}.period() == 1ns);
}

TEST_CASE("an interval without a period is a bug", "[task][interval]") {
    for (const auto period : {0ns, -1ns}) {
        const auto became = run_forked([period] {
            const interval ticker{period};
            return ticker.period() == 0ns ? 1 : 2;
        });
        CHECK(became.signal == SIGABRT);
        CHECK(became.said("period.count() > 0"));
    }
}
