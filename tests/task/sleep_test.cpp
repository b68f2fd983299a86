#include <dunlin/loop/remote.hpp>
#include <dunlin/task/sleep.hpp>

#include <support/fake_clock.hpp>
#include <support/test_loop.hpp>

#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> nap(std::chrono::nanoseconds span) { co_await sleep_for(span).or_return(); }

task<> note_after(std::chrono::nanoseconds span, int number, std::vector<int>& order) {
    co_await sleep_for(span).ignore();
    order.push_back(number);
}

} // namespace

TEST_CASE("a sleep of nothing, or of less, is over at once", "[six:sleep_operation:ready]") {
    test_loop loop;
    for (const auto span : {0ns, -1ns, std::chrono::nanoseconds::min()}) {
        auto pending = loop.start(nap, span);
        loop.turn();
        REQUIRE(pending.is_done());
        CHECK(pending.result());
    }
    CHECK(loop.run(sleep_until(now())));
    CHECK(loop.run(sleep_until(time_point::min())));
    CHECK(loop.counters().resumptions == 5);
}

TEST_CASE("a sleep ends when its time has come and not a nanosecond earlier",
          "[six:sleep_operation:later]") {
    test_loop loop;
    auto pending = loop.start(nap, 5ms);
    loop.run_until_idle();
    REQUIRE_FALSE(pending.is_done());
    fake_clock::advance(5ms - 1ns);
    loop.run_until_idle();
    REQUIRE_FALSE(pending.is_done());
    fake_clock::advance(1ns);
    loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result());
}

TEST_CASE("a sleeping task that is queued for another reason sleeps on",
          "[six:sleep_operation:spurious]") {
    test_loop loop;
    auto pending = loop.start(nap, 5ms);
    loop.run_until_idle();
    pending.drain(); // ends waits for input only, so it wakes a sleep in vain
    CHECK(loop.turn() == 1);
    REQUIRE_FALSE(pending.is_done());
    fake_clock::advance(5ms);
    loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result());
}

TEST_CASE("a sleep that is stopped ends at once, and its timer is gone",
          "[six:sleep_operation:stopped]") {
    test_loop loop;
    auto pending = loop.start(nap, 5ms);
    loop.run_until_idle();
    REQUIRE(loop.sched().next_deadline().has_value());
    pending.stop();
    loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result().error() == errc::stopped);
    CHECK_FALSE(loop.sched().next_deadline().has_value());

    auto stopped_before = loop.start(nap, 5ms);
    stopped_before.stop();
    loop.turn();
    REQUIRE(stopped_before.is_done());
    CHECK(stopped_before.result().error() == errc::stopped);
}

TEST_CASE("a sleep destroyed while it lasts leaves no timer", "[six:sleep_operation:destroyed]") {
    test_loop loop;
    auto pending = loop.start(nap, 5ms);
    loop.run_until_idle();
    pending.destroy();
    CHECK_FALSE(loop.sched().next_deadline().has_value());
    fake_clock::advance(1s);
    CHECK(loop.turn() == 0);
    CHECK_FALSE(pending.is_done());
}

TEST_CASE("a sleep destroyed in the turn its time came is not resumed",
          "[six:sleep_operation:destroyed-ready]") {
    test_loop loop;
    auto second = std::optional{loop.start(nap, 5ms)};
    auto first = loop.start([&second]() -> task<> {
        co_await sleep_for(4ms).ignore();
        second.reset();
    });
    loop.run_until_idle();
    fake_clock::advance(5ms);
    CHECK(loop.turn() == 1); // both were due, the first destroyed the second
    CHECK(first.is_done());
}

TEST_CASE("a sleep whose time came in the turn of the stop has succeeded", "[task][sleep]") {
    test_loop loop;
    auto pending = loop.start(nap, 5ms);
    loop.run_until_idle();
    pending.stop();
    fake_clock::advance(5ms);
    loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result());
}

TEST_CASE("sleeps end in the order of their deadlines, equal ones in that of their beginning",
          "[task][sleep]") {
    test_loop loop;
    std::vector<int> order;
    task_group group;
    group.spawn(note_after, 3ms, 4, std::ref(order));
    group.spawn(note_after, 1ms, 1, std::ref(order));
    group.spawn(note_after, 2ms, 2, std::ref(order));
    group.spawn(note_after, 2ms, 3, std::ref(order));
    loop.run_until_idle();
    CHECK(order.empty());
    fake_clock::advance(10ms);
    loop.run_until_idle();
    CHECK(order == std::vector{1, 2, 3, 4});
}

TEST_CASE("with many sleeps that end together a foreign loop is woken when they end, not before",
          "[task][sleep]") {
    test_loop loop;
    std::vector<int> order;
    task_group group;
    for (int i = 0; i < 20; ++i)
        group.spawn(note_after, 250ms, i, std::ref(order));
    loop.run_until_idle();
    int turns = 0;
    while (order.empty()) {
        const auto next = loop.sched().next_deadline();
        REQUIRE(next.has_value());
        if (*next > now()) fake_clock::advance(*next - now());
        loop.turn();
        REQUIRE(++turns < 20); // each sorts a little; none is for nothing
    }
    CHECK(order.size() == 20);
}

TEST_CASE("a sleep beyond the clock's range lasts for ever", "[task][sleep]") {
    test_loop loop;
    auto pending = loop.start(nap, std::chrono::nanoseconds::max());
    auto years =
        loop.start([]() -> task<> { co_await sleep_for(std::chrono::hours::max()).ignore(); });
    loop.run_until_idle();
    fake_clock::advance(std::chrono::hours{24 * 365 * 100});
    loop.run_until_idle();
    CHECK_FALSE(pending.is_done());
    CHECK_FALSE(years.is_done());
}
