#include <dunlin/sync/event.hpp>
#include <dunlin/sync/latch.hpp>

#include <support/forked.hpp>
#include <support/test_loop.hpp>

#include <csignal>
#include <optional>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> wait_for(event& flag) { co_await flag.wait().or_return(); }
io_task<> note_after(event& flag, int number, std::vector<int>& order) {
    co_await flag.wait().or_return();
    order.push_back(number);
}
io_task<> arrive(latch& at) { co_await at.arrive_and_wait().or_return(); }
io_task<> wait_at(latch& at) { co_await at.wait().or_return(); }

} // namespace

TEST_CASE("setting an event lets all go on who wait, in the order in which they came",
          "[sync][event]") {
    test_loop loop;
    event flag;
    std::vector<int> order;
    task_group group;
    for (int i = 0; i < 4; ++i)
        group.spawn(note_after, std::ref(flag), i, std::ref(order));
    loop.run_until_idle();
    CHECK(order.empty());
    flag.set();
    CHECK(order.empty());
    loop.turn();
    CHECK(order == std::vector{0, 1, 2, 3});
}

TEST_CASE("after a reset tasks wait again, but not those that had been let go on",
          "[sync][event]") {
    test_loop loop;
    event flag;
    auto before = loop.start(wait_for(flag));
    loop.run_until_idle();
    flag.set();
    flag.reset();
    CHECK_FALSE(flag.is_set());
    auto after = loop.start(wait_for(flag));
    loop.run_until_idle();
    CHECK(before.is_done());
    CHECK_FALSE(after.is_done());
    flag.set();
    flag.set(); // twice is once
    loop.run_until_idle();
    CHECK(after.is_done());
}

TEST_CASE("an event that has been set may be destroyed before those it lets go on have their turn",
          "[sync][event]") {
    test_loop loop;
    std::optional<event> flag{std::in_place};
    auto first = loop.start(wait_for(*flag));
    auto second = loop.start(wait_for(*flag));
    loop.run_until_idle();
    flag->set();
    flag.reset();
    second.destroy();
    loop.turn();
    REQUIRE(first.is_done());
    CHECK(first.result());
}

TEST_CASE("destroying an event that a task waits for is a bug that is caught", "[sync][event]") {
    const auto died = run_forked([] {
        scheduler loop;
        std::optional<event> flag{std::in_place};
        task_group group;
        group.spawn(wait_for, std::ref(*flag));
        static_cast<void>(loop.poll_once(0ns));
        flag.reset();
        return 0;
    });
    CHECK(died.signal == SIGABRT);
    CHECK(died.said("first_ == nullptr"));
}

TEST_CASE("waiting for an event on two threads' schedulers is a bug that is caught",
          "[sync][event]") {
    const auto died = run_forked([] {
        event flag;
        scheduler one;
        task_group first;
        first.spawn(wait_for, std::ref(flag));
        static_cast<void>(one.poll_once(0ns));
        scheduler other;
        const scheduler::as_current here{other};
        task_group second;
        second.spawn(wait_for, std::ref(flag));
        static_cast<void>(other.poll_once(0ns));
        return 0;
    });
    CHECK(died.signal == SIGABRT);
    CHECK(died.said("home_"));
}

TEST_CASE("a latch lets all go on when it has counted down", "[sync][latch]") {
    test_loop loop;
    latch at{3};
    auto waits = loop.start(wait_at(at));
    auto first = loop.start(arrive(at));
    auto second = loop.start(arrive(at));
    loop.run_until_idle();
    CHECK(at.left() == 1);
    CHECK_FALSE(at.is_ready());
    CHECK_FALSE(waits.is_done());
    CHECK_FALSE(first.is_done());
    at.count_down();
    CHECK(at.is_ready());
    loop.turn();
    CHECK(waits.is_done());
    CHECK(first.is_done());
    CHECK(second.is_done());
    CHECK(loop.run(at.wait()));
}

TEST_CASE("an arrival is counted even if the wait after it is stopped", "[sync][latch]") {
    test_loop loop;
    latch at{2};
    auto stopped = loop.start(arrive(at));
    loop.run_until_idle();
    stopped.stop();
    loop.turn();
    CHECK(stopped.result().error() == errc::stopped);
    CHECK(at.left() == 1);
    auto last = loop.start(arrive(at));
    loop.turn();
    CHECK(last.is_done());
}

TEST_CASE("a latch of nothing is ready; counting below zero is a bug that is caught",
          "[sync][latch]") {
    test_loop loop;
    latch at{0};
    CHECK(at.is_ready());
    CHECK(loop.run(at.wait()));
    const auto died = run_forked([&] {
        at.count_down();
        return 0;
    });
    CHECK(died.signal == SIGABRT);
}
