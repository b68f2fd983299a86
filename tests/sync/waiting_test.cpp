// What all awaiters of sync/ have in common beyond the six cases: stops and timeouts in the turn of
// the wake-up, races, the next in line, the budget.
#include "scenes.hpp"

#include <dunlin/task/when.hpp>

#include <support/fake_clock.hpp>

#include <type_traits>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

// Those of which one unit is for one task. (All who wait for an event have it.)
#define SCENES_OF_UNITS                                                                            \
    mutex_scene, semaphore_scene, channel_receive_scene, channel_send_scene, remote_receive_scene, \
        remote_send_scene, one_shot_scene
#define ALL_SCENES event_scene, SCENES_OF_UNITS

template <class Scene>
io_task<> race(Scene& scene, event& other) {
    auto raced = co_await when_any(scene.operation(), other.wait());
    if (!raced) co_await fail(raced.error());
    if (raced.assume_value().index() == 0) co_await fail(std::make_error_code(std::errc::io_error));
}

template <class Scene>
io_task<> race_late(event& other, Scene& scene) {
    auto raced = co_await when_any(other.wait(), scene.operation());
    if (!raced) co_await fail(raced.error());
    if (raced.assume_value().index() == 1) co_await fail(std::make_error_code(std::errc::io_error));
}

} // namespace

TEMPLATE_TEST_CASE("what comes in the turn of a stop wins over it", "[sync]", ALL_SCENES) {
    test_loop loop;
    TestType scene;
    auto started = loop.start(await_in(scene));
    loop.run_until_idle();
    started.stop();
    scene.provide();
    loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result());
}

TEMPLATE_TEST_CASE("a stop after the wake-up, before the turn, comes too late", "[sync]",
                   ALL_SCENES) {
    test_loop loop;
    TestType scene;
    auto started = loop.start(await_in(scene));
    loop.run_until_idle();
    scene.provide();
    started.stop();
    loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result());
}

TEMPLATE_TEST_CASE("a stopped task still has what is there, and only then hears of the stop",
                   "[sync]", ALL_SCENES) {
    test_loop loop;
    TestType scene;
    scene.provide();
    auto started = loop.start(await_in(scene));
    started.stop(); // before it has run at all
    loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result());

    TestType empty;
    auto next = loop.start(await_in(empty));
    next.stop();
    loop.turn();
    REQUIRE(next.is_done()); // without a wait in between
    CHECK(next.result().error() == errc::stopped);
}

TEMPLATE_TEST_CASE("a timeout ends the wait, which has taken nothing", "[sync]", ALL_SCENES) {
    test_loop loop;
    TestType scene;
    auto started = loop.start(await_in_for(scene, 5ms));
    loop.run_until_idle();
    fake_clock::advance(5ms - 1ns);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(1ns);
    loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::timeout);
    scene.provide();
    loop.run_until_idle();
    CHECK(scene.is_there(loop));
}

TEMPLATE_TEST_CASE("what comes in the turn of the timeout wins over it", "[sync]", ALL_SCENES) {
    test_loop loop;
    TestType scene;
    auto started = loop.start(await_in_for(scene, 5ms));
    loop.run_until_idle();
    fake_clock::advance(1s);
    scene.provide();
    loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result());
}

TEMPLATE_TEST_CASE("the loser of a race has taken nothing, even if it was woken before it lost",
                   "[sync]", SCENES_OF_UNITS) {
    test_loop loop;
    TestType scene;
    event other;
    auto started = loop.start(race(scene, other));
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    bool is_provided = false;
    SECTION("woken in the same turn, after the winner") { is_provided = true; }
    SECTION("never woken") {}
    other.set();
    if (is_provided) scene.provide();
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result());
    if (!is_provided) scene.provide();
    CHECK(scene.is_there(loop));
}

TEMPLATE_TEST_CASE("a race that is decided before a wait begins takes nothing by it", "[sync]",
                   channel_receive_scene, remote_receive_scene, mutex_scene, semaphore_scene) {
    test_loop loop;
    TestType scene;
    scene.provide(); // there, but the other branch runs first
    event other;
    other.set();
    auto started = loop.start(race_late(other, scene));
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result());
    CHECK(scene.is_there(loop));
}

TEMPLATE_TEST_CASE("what one gives up goes to the next in line", "[sync]", SCENES_OF_UNITS) {
    test_loop loop;
    TestType scene;
    auto first = loop.start(await_in(scene));
    loop.run_until_idle();
    auto second = loop.start(await_in(scene));
    loop.run_until_idle();
    SECTION("destroyed between its wake-up and its turn") {
        scene.provide();
        first.destroy();
    }
    SECTION("destroyed while it waits") {
        first.destroy();
        scene.provide();
    }
    SECTION("stopped while it waits") {
        first.stop();
        loop.turn();
        scene.provide();
    }
    loop.run_until_idle();
    REQUIRE(second.is_done());
    CHECK(second.result());
}

TEMPLATE_TEST_CASE("the first who waits is the first to be served", "[sync]", mutex_scene,
                   semaphore_scene, channel_receive_scene, remote_receive_scene) {
    test_loop loop;
    TestType scene;
    std::vector<int> order;
    const auto note = [&](int number) -> io_task<> {
        auto ended = co_await scene.operation();
        if (ended) order.push_back(number);
        scene.provide();
    };
    task_group group;
    for (int i = 0; i < 5; ++i)
        group.spawn(note, i);
    loop.run_until_idle();
    CHECK(order.empty());
    if constexpr (std::is_same_v<TestType, mutex_scene>)
        scene.held.unlock();
    else
        scene.provide();
    loop.run_until_idle();
    CHECK(order == std::vector{0, 1, 2, 3, 4});
}

TEMPLATE_TEST_CASE("a task that never has to wait lets others run", "[sync]", event_scene,
                   semaphore_scene, channel_receive_scene, remote_receive_scene) {
    test_loop loop;
    TestType scene;
    int rounds = 0;
    const auto greedy = [&]() -> io_task<> {
        while (rounds < 1000) {
            scene.provide();
            auto had = co_await scene.operation();
            if (!had) break;
            ++rounds;
        }
    };
    auto started = loop.start(greedy);
    loop.turn();
    CHECK(rounds == 64);
    loop.run_until_idle();
    CHECK(started.is_done());
    CHECK(rounds == 1000);
}

TEMPLATE_TEST_CASE("a loop that does not listen to its stop lets others run", "[sync]",
                   ALL_SCENES) {
    test_loop loop;
    TestType scene;
    long rounds = 0;
    const auto repeat = [&]() -> io_task<> {
        for (;;) {
            co_await scene.operation().ignore();
            ++rounds;
        }
    };
    auto stubborn = loop.start(repeat);
    loop.run_until_idle();
    stubborn.stop();
    loop.turn();
    const long before = rounds;
    CHECK(before <= 130); // a budget or two
    loop.turn();
    CHECK(rounds > before); // it is still at it, a turn at a time
    REQUIRE_FALSE(stubborn.is_done());
    stubborn.destroy();
}
