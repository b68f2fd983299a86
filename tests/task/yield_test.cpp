// What `yield` lets go first, and what it says of a stop.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/yield.hpp>

#include <support/fake_clock.hpp>
#include <support/net_support.hpp>

#include <pthread.h>
#include <sched.h>
#include <string>
#include <thread>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> give_way() { co_await yield().or_return(); }

io_task<> note_twice(std::string& order, char mark) {
    order += mark;
    co_await yield().or_return();
    order += mark;
}

} // namespace

TEST_CASE("a yield is not over at once, even when nothing else can run",
          "[six:yield_operation:ready]") {
    test_loop loop;
    auto started = loop.start(give_way);
    CHECK(loop.turn() == 1);
    REQUIRE_FALSE(started.is_done());
    CHECK(loop.sched().next_deadline().has_value()); // the loop is not to wait
    CHECK(loop.turn() == 1);
    REQUIRE(started.is_done());
    CHECK(started.result());
}

TEST_CASE("a yield lets everything go first that can, and comes in the next turn",
          "[six:yield_operation:later]") {
    test_loop loop;
    std::string order;
    auto first = loop.start(note_twice, order, 'a');
    auto second = loop.start(note_twice, order, 'b');
    auto third = loop.start([&order]() -> task<> {
        order += 'c';
        co_return;
    });
    loop.turn();
    CHECK(order == "abc");
    loop.turn();
    CHECK(order == "abcab");
    CHECK(first.is_done());
    CHECK(second.is_done());
    CHECK(third.is_done());
}

TEST_CASE("a yield is not cut short by what else would wake its task",
          "[six:yield_operation:spurious]") {
    test_loop loop;
    task_context* who = nullptr;
    auto started = loop.start(observe(give_way(), who));
    auto waker = loop.start([&]() -> task<> {
        loop.sched().schedule(*who);
        co_return;
    });
    CHECK(loop.turn() == 2);
    REQUIRE(waker.is_done());
    REQUIRE_FALSE(started.is_done());
    CHECK(loop.turn() == 1); // once, not twice
    CHECK(started.is_done());
}

TEST_CASE("a yield under a stop lets the others run all the same, and then says so",
          "[six:yield_operation:stopped]") {
    test_loop loop;
    auto stopped_before = loop.start(give_way);
    stopped_before.stop();
    auto stopped_meanwhile = loop.start(give_way);
    loop.turn();
    stopped_meanwhile.stop();
    REQUIRE_FALSE(stopped_before.is_done());
    REQUIRE_FALSE(stopped_meanwhile.is_done());
    loop.turn();
    REQUIRE(stopped_before.is_done());
    REQUIRE(stopped_meanwhile.is_done());
    CHECK(stopped_before.result().error() == errc::stopped);
    CHECK(stopped_meanwhile.result().error() == errc::stopped);
}

TEST_CASE("a yield that is destroyed leaves nothing in the queue",
          "[six:yield_operation:destroyed]") {
    test_loop loop;
    auto started = loop.start(give_way);
    loop.turn();
    started.destroy();
    CHECK_FALSE(loop.sched().next_deadline().has_value());
    CHECK(loop.turn() == 0);
}

TEST_CASE("a yield that is destroyed in the turn that was to be its own is not resumed",
          "[six:yield_operation:destroyed-ready]") {
    test_loop loop;
    bool went_on = false;
    pending<void> victim;
    auto killer = loop.start([&victim]() -> task<> {
        co_await yield().ignore();
        victim.destroy();
    });
    victim = loop.start([&went_on]() -> task<> {
        co_await yield().ignore();
        went_on = true;
    });
    CHECK(loop.turn() == 2);
    CHECK(loop.turn() == 1); // the killer, which was before it in the queue
    CHECK(killer.is_done());
    CHECK_FALSE(went_on);
}

TEST_CASE("a task that yields for ever starves neither descriptors nor timers", "[task][yield]") {
    test_loop loop;
    auto ends = loop.socket_pair();
    bool is_over = false;
    auto busy = loop.start([&is_over]() -> task<> {
        while (!is_over)
            co_await yield().ignore();
    });
    auto reading = loop.start(read_text, ends.here);
    auto sleeping = loop.start([]() -> task<> { co_await sleep_for(1ms).ignore(); });
    loop.turn();
    loop.turn();
    ends.there.send("x");
    fake_clock::advance(1ms);
    loop.turn();
    CHECK(reading.is_done());
    CHECK(sleeping.is_done());
    is_over = true;
    loop.turn();
    CHECK(busy.is_done());
}

TEST_CASE("a yield within a timeout hears that its time is over", "[task][yield]") {
    test_loop loop;
    int rounds = 0;
    const auto for_ever = [&rounds]() -> io_task<> {
        for (;; ++rounds)
            co_await yield().or_return();
    };
    auto started =
        loop.start([&for_ever]() -> io_task<> { co_await for_ever().timeout(5ms).or_return(); });
    for (int i = 0; i < 10; ++i)
        loop.turn();
    REQUIRE_FALSE(started.is_done());
    CHECK(rounds >= 8);
    fake_clock::advance(5ms);
    loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::timeout);
}

TEST_CASE("a task can look whether it was asked to stop without waiting", "[task][yield]") {
    test_loop loop;
    CHECK_FALSE(stop_requested()); // no task runs
    std::string seen;
    const auto look = [&seen]() -> io_task<> {
        seen += stop_requested() ? 'y' : 'n';
        co_return;
    };
    auto started = loop.start([&]() -> task<> {
        co_await look().ignore();
        co_await yield().ignore();
        co_await look().ignore();
        co_await shield(look()).ignore();
    });
    loop.turn();
    started.stop();
    loop.turn();
    REQUIRE(started.is_done());
    CHECK(seen == "nyn");
}
