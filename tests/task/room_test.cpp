// `task_group::room`: waiting for fewer children, without stopping any.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task_group.hpp>

#include <support/fake_clock.hpp>
#include <support/forked.hpp>
#include <support/net_support.hpp>

#include <optional>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> nap(std::chrono::nanoseconds span) { co_await sleep_for(span).or_return(); }

io_task<> find_room(task_group& group, int limit) {
    co_await group.room(static_cast<std::size_t>(limit)).or_return();
}

/// A group with children that sleep for 1 ms, 2 ms, and so on.
struct scene {
    explicit scene(int children) {
        for (int i = 1; i <= children; ++i)
            group->spawn(nap, i * 1ms);
        loop.run_until_idle();
    }

    void after(std::chrono::nanoseconds span) {
        fake_clock::advance(span);
        loop.run_until_idle();
    }

    test_loop loop;
    std::optional<task_group> group{std::in_place, on_child_error::carry_on};
    task_context* who = nullptr;
};

} // namespace

TEST_CASE("where there is room nobody waits for it", "[six:room_operation:ready]") {
    scene s{2};
    const auto resumed = s.loop.counters().resumptions;
    auto pending = s.loop.start(find_room, *s.group, 3);
    s.loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result());
    CHECK(s.loop.counters().resumptions == resumed + 1);
    CHECK(s.group->size() == 2);
}

TEST_CASE("room is there once fewer children are left, in the turn in which one has ended",
          "[six:room_operation:later]") {
    scene s{3};
    auto pending = s.loop.start(find_room, *s.group, 2);
    s.after(1ms);
    CHECK(s.group->size() == 2);
    REQUIRE_FALSE(pending.is_done());
    fake_clock::advance(1ms);
    s.loop.turn();
    CHECK(s.group->size() == 1);
    REQUIRE(pending.is_done());
    CHECK(pending.result());
    s.after(1ms);
    CHECK(s.group->failures() == 0); // nobody was stopped
}

TEST_CASE("who is woken for nothing, or whose room is taken again, goes on waiting",
          "[six:room_operation:spurious]") {
    scene s{1};
    auto pending = s.loop.start(observe(find_room(*s.group, 1), s.who));
    s.loop.run_until_idle();
    wake_for_nothing(s.loop, s.who);
    REQUIRE_FALSE(pending.is_done());
    auto taker = s.loop.start([&group = *s.group]() -> task<> {
        co_await sleep_for(1ms).ignore(); // due after the child, before the waiter has its turn
        group.spawn(nap, 1ms);
    });
    s.loop.run_until_idle();
    s.after(1ms);
    REQUIRE(taker.is_done());
    CHECK(s.group->size() == 1);
    REQUIRE_FALSE(pending.is_done());
    s.after(1ms);
    REQUIRE(pending.is_done());
    CHECK(pending.result());
}

TEST_CASE("a stop ends the wait for room, not the children", "[six:room_operation:stopped]") {
    scene s{2};
    auto pending = s.loop.start(find_room, *s.group, 2);
    s.loop.run_until_idle();
    SECTION("a stop") { pending.stop(); }
    SECTION("a drain") { pending.drain(); }
    s.loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result().error() == errc::stopped);
    CHECK(s.group->size() == 2);
    s.after(2ms);
    CHECK(s.group->is_empty());
    CHECK(s.group->failures() == 0);
}

TEST_CASE("one that was stopped before it asks gets the room that is there, and waits for none",
          "[task][room]") {
    scene s{1};
    const auto try_both = [](task_group& group) -> task<bool> {
        const auto there = co_await group.room(2);
        const auto wanting = co_await group.room(1);
        co_return there.has_value() && wanting.error() == errc::stopped;
    };
    auto pending = s.loop.start(try_both, *s.group);
    SECTION("a stop") { pending.stop(); }
    SECTION("a drain") { pending.drain(); }
    s.loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result());
}

TEST_CASE("a wait for room that is destroyed leaves the place to others",
          "[six:room_operation:destroyed]") {
    scene s{1};
    auto pending = s.loop.start(find_room, *s.group, 1);
    s.loop.run_until_idle();
    CHECK(s.loop.run(s.group->room(1)).error() == errc::busy);
    pending.destroy();
    auto other = s.loop.start(find_room, *s.group, 1);
    s.after(1ms);
    REQUIRE(other.is_done());
    CHECK(other.result());
    s.group.reset(); // asserts that nobody waits
}

TEST_CASE("a wait for room that is destroyed in the turn in which there is some is harmless",
          "[six:room_operation:destroyed-ready]") {
    scene s{1};
    auto pending = std::optional{s.loop.start(find_room, *s.group, 1)};
    s.loop.run_until_idle();
    auto destroyer = s.loop.start([&pending]() -> task<> {
        co_await sleep_for(1ms).ignore(); // due after the child
        pending.reset();
    });
    s.loop.run_until_idle();
    s.after(1ms);
    CHECK(destroyer.is_done());
    CHECK(s.group->is_empty());
    CHECK(s.loop.run(s.group->room(1)));
}

TEST_CASE("one waits for a group at a time", "[task][room]") {
    scene s{1};
    auto pending = s.loop.start(find_room, *s.group, 1);
    s.loop.run_until_idle();
    CHECK(s.loop.run(s.group->room(1)).error() == errc::busy);
    CHECK(s.loop.run(s.group->join()).error() == errc::busy);
    CHECK(s.loop.run(s.group->drain(0ns)).error() == errc::busy);
    REQUIRE_FALSE(pending.is_done());
    s.after(1ms);
    CHECK(pending.is_done());
}

TEST_CASE("a wait for room gives up at its timeout, and the children go on", "[task][room]") {
    scene s{2};
    const auto limited = [](task_group& group) -> io_task<> {
        co_await group.room(1).timeout(1500us).or_return();
    };
    auto pending = s.loop.start(limited, *s.group);
    s.loop.run_until_idle();
    s.after(1ms);
    REQUIRE_FALSE(pending.is_done());
    s.after(500us);
    REQUIRE(pending.is_done());
    CHECK(pending.result().error() == errc::timeout);
    CHECK(s.group->size() == 1);
    s.after(500us);
    CHECK(s.group->is_empty());
    CHECK(s.group->failures() == 0);
}

TEST_CASE("room that comes in the turn of the timeout counts", "[task][room]") {
    scene s{1};
    const auto limited = [](task_group& group) -> io_task<> {
        co_await group.room(1).timeout(1ms).or_return();
    };
    auto pending = s.loop.start(limited, *s.group);
    s.loop.run_until_idle();
    s.after(1ms);
    REQUIRE(pending.is_done());
    CHECK(pending.result());
}

TEST_CASE("ending a group makes room", "[task][room]") {
    scene s{3};
    auto pending = s.loop.start(find_room, *s.group, 2);
    s.loop.run_until_idle();
    s.group->end();
    s.loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result());
}

TEST_CASE("a drain of the waiting task finds it idle", "[task][room]") {
    scene s{1};
    task_group outer;
    outer.spawn(find_room, std::ref(*s.group), 1);
    s.loop.run_until_idle();
    const auto* const leaf = outer.newest_child()->leaf;
    REQUIRE(leaf != nullptr);
    CHECK(leaf->is_idle());
    const auto destroyed = s.loop.run(outer.drain(1h));
    CHECK(destroyed.value() == 0);
}

TEST_CASE("room for nobody is a bug of the caller", "[task][room]") {
    const auto became = run_forked([] {
        scheduler sched;
        const scheduler::as_current here{sched};
        task_group outer;
        task_group group;
        outer.spawn(find_room, std::ref(group), 0);
        static_cast<void>(sched.poll_once(0ns));
        return 0;
    });
    CHECK(became.signal == SIGABRT);
}
