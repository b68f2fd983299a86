// `task_group::drain`: readers end, writers get their grace, then what is left is destroyed.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task_group.hpp>

#include <support/fake_clock.hpp>
#include <support/test_loop.hpp>

#include <memory>
#include <optional>
#include <string>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<std::size_t> drain(task_group& group, std::chrono::nanoseconds grace) {
    const std::size_t destroyed = co_await group.drain(grace).or_return();
    co_return destroyed;
}

io_task<> echo(tcp_socket client) {
    while (auto data = co_await client.read().or_return())
        co_await client.write(data).or_return();
}

io_task<> nap(std::chrono::nanoseconds span) { co_await sleep_for(span).or_return(); }

io_task<> send_much(tcp_socket client, std::size_t size) {
    const std::string much(size, '.');
    co_await client.write(much).or_return();
}

} // namespace

TEST_CASE("draining an empty group is over at once", "[six:drain_operation:ready]") {
    test_loop loop;
    task_group group;
    auto pending = loop.start(drain, group, 1h);
    loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result().value() == 0);
    CHECK_FALSE(loop.sched().next_deadline().has_value());
}

TEST_CASE("draining ends when the last child has ended", "[six:drain_operation:later]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    task_group group;
    group.spawn(send_much, std::move(here), std::size_t{1} << 20);
    auto pending = loop.start(drain, group, 1h);
    loop.run_until_idle();
    REQUIRE_FALSE(pending.is_done()); // the writer has its grace
    std::size_t received = 0;
    while (auto more = there.try_receive()) {
        if (more->empty()) break;
        received += more->size();
        loop.run_until_idle();
    }
    CHECK(received == std::size_t{1} << 20);
    REQUIRE(pending.is_done());
    CHECK(pending.result().value() == 0);
    CHECK(group.failures() == 0);
    CHECK_FALSE(loop.sched().next_deadline().has_value());
}

TEST_CASE("draining goes on when a child was spawned after the last had ended",
          "[six:drain_operation:spurious]") {
    test_loop loop;
    task_group group;
    group.spawn([&group]() -> task<> {
        co_await sleep_for(1ms).ignore();
        group.spawn(nap, 1ms);
    });
    auto pending = loop.start(drain, group, 1h);
    loop.run_until_idle();
    fake_clock::advance(1ms);
    loop.run_until_idle();
    CHECK(group.size() == 1);
    REQUIRE_FALSE(pending.is_done());
    fake_clock::advance(1ms);
    loop.run_until_idle();
    REQUIRE(pending.is_done());
    CHECK(pending.result().value() == 0);
}

TEST_CASE("a stop does not cut a drain short", "[six:drain_operation:stopped]") {
    test_loop loop;
    task_group group;
    group.spawn(nap, 2ms);
    auto pending = loop.start(drain, group, 1h);
    loop.run_until_idle();
    pending.stop();
    loop.run_until_idle();
    REQUIRE_FALSE(pending.is_done());
    CHECK(group.size() == 1);
    fake_clock::advance(2ms);
    loop.run_until_idle();
    REQUIRE(pending.is_done());
    CHECK(pending.result().value() == 0);

    group.spawn(nap, 2ms);
    auto stopped_before = loop.start(drain, group, 1h);
    stopped_before.stop();
    loop.run_until_idle();
    REQUIRE_FALSE(stopped_before.is_done());
    fake_clock::advance(2ms);
    loop.run_until_idle();
    CHECK(stopped_before.is_done());
}

TEST_CASE("a drain destroyed while waiting leaves the children and no timer",
          "[six:drain_operation:destroyed]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    task_group group;
    group.spawn(send_much, std::move(here), std::size_t{1} << 20);
    auto pending = loop.start(drain, group, 1ms);
    loop.run_until_idle();
    CHECK(loop.run(group.drain(1ms)).error() == errc::busy);
    pending.destroy();
    CHECK_FALSE(loop.sched().next_deadline().has_value());
    fake_clock::advance(1s);
    loop.run_until_idle();
    CHECK(group.size() == 1);
    auto again = loop.start(drain, group, 0ns);
    loop.run_until_idle();
    REQUIRE(again.is_done());
    CHECK(again.result().value() == 1);
}

TEST_CASE("a drain destroyed in the turn of its deadline destroys no children",
          "[six:drain_operation:destroyed-ready]") {
    test_loop loop;
    task_group group;
    group.spawn(nap, 1h);
    auto pending = std::optional{loop.start(drain, group, 2ms)};
    auto destroyer = loop.start([&pending]() -> task<> {
        co_await sleep_for(1ms).ignore();
        pending.reset();
    });
    loop.run_until_idle();
    fake_clock::advance(2ms); // both are due, the destroyer first
    loop.run_until_idle();
    CHECK(destroyer.is_done());
    CHECK(group.size() == 1);
}

TEST_CASE("idle readers end at once, and what they have received is answered first",
          "[task][drain]") {
    test_loop loop;
    auto [idle, idle_peer] = loop.socket_pair();
    auto [busy, busy_peer] = loop.socket_pair();
    task_group group{on_child_error::carry_on};
    group.spawn(echo, std::move(idle));
    group.spawn(echo, std::move(busy));
    loop.run_until_idle();
    const std::string much(100'000, 'x');
    busy_peer.send(much);
    auto pending = loop.start(drain, group, 1h);
    std::string got;
    loop.run_until([&] {
        while (auto more = busy_peer.try_receive()) {
            if (more->empty()) break;
            got += *more;
        }
        return pending.is_done();
    });
    CHECK(pending.result().value() == 0);
    got += busy_peer.receive_all();
    CHECK(got == much);
    CHECK(idle_peer.receive().empty());
    CHECK(group.failures() == 0);
}

TEST_CASE("the deadline destroys what is left and counts it", "[task][drain]") {
    test_loop loop;
    task_group group;
    auto alive = std::make_shared<int>(0);
    for (int i = 0; i < 3; ++i)
        group.spawn([held = alive]() -> task<> { co_await sleep_for(1h).ignore(); });
    group.spawn(nap, 1ms);
    auto pending = loop.start(drain, group, 5ms);
    loop.run_until_idle();
    fake_clock::advance(5ms - 1ns);
    loop.run_until_idle();
    REQUIRE_FALSE(pending.is_done());
    CHECK(group.size() == 3);
    fake_clock::advance(1ns);
    loop.run_until_idle();
    REQUIRE(pending.is_done());
    CHECK(pending.result().value() == 3);
    CHECK(alive.use_count() == 1);
    CHECK(group.is_empty());
}

TEST_CASE("a stop of the group during a drain ends the sleepers too", "[task][drain]") {
    test_loop loop;
    task_group group;
    group.spawn(nap, 1h);
    auto pending = loop.start(drain, group, 1h);
    loop.run_until_idle();
    REQUIRE_FALSE(pending.is_done());
    group.request_stop();
    loop.run_until_idle();
    REQUIRE(pending.is_done());
    CHECK(pending.result().value() == 0);
    CHECK(group.failures() == 0);
}
