// Spawning, joining, errors and stops. How groups end is in task_group_end_test.cpp.
#include <dunlin/loop/remote.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task_group.hpp>
#include <dunlin/task/yield.hpp>

#include <support/test_loop.hpp>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

const std::error_code refused = std::make_error_code(std::errc::connection_refused);
const std::error_code broken = std::make_error_code(std::errc::broken_pipe);

io_task<> join(task_group& group) { co_await group.join().or_return(); }

io_task<> nap(std::chrono::nanoseconds span) { co_await sleep_for(span).or_return(); }

/// Sleeps until it is stopped, notes that, and succeeds.
task<> until_stopped(int& stopped) {
    auto slept = co_await sleep_for(1h);
    if (!slept && slept.error() == errc::stopped) ++stopped;
}

io_task<> fails(std::error_code why) { co_await fail(why); }
io_task<> throws_out(const char* what) {
    throw std::runtime_error{what};
    co_return;
}

std::string seen;
io_task<> none() {
    seen += "0";
    co_return;
}
io_task<> six(int a, std::string b, std::unique_ptr<int> c, char d, bool e, double f) {
    co_await sleep_for(1us).ignore(); // the arguments live on
    seen += std::to_string(a) + b + std::to_string(*c) + d + (e ? "t" : "f") +
            std::to_string(static_cast<int>(f));
}
task<> by_reference(int& counter, const std::string& text) {
    co_await sleep_for(1us).ignore();
    ++counter;
    seen += text;
}

} // namespace

TEST_CASE("spawn takes a coroutine function and up to six arguments, moved or copied in",
          "[task][task_group]") {
    test_loop loop;
    seen.clear();
    task_group group;
    group.spawn(none);
    {
        std::string text = "text";
        group.spawn(six, 1, text, std::make_unique<int>(2), 'c', true, 3.5);
        text = "changed";
    }
    CHECK(seen.empty()); // it queues and never runs
    CHECK(group.size() == 2);
    CHECK(loop.run(join(group)));
    CHECK(seen == "01text2ct3");
    CHECK(group.is_empty());
}

TEST_CASE("spawn keeps a lambda's captures, and what it passes by reference, in the child",
          "[task][task_group]") {
    test_loop loop;
    seen.clear();
    int counter = 0;
    task_group group;
    {
        auto owned = std::make_unique<std::string>("captured");
        group.spawn([kept = std::move(owned)]() -> task<> {
            co_await sleep_for(1us).ignore();
            seen += *kept;
        });
        group.spawn(
            [](std::string& own) -> io_task<> { // a reference to the child's copy
                co_await sleep_for(1us).ignore();
                seen += own;
            },
            std::string{"+own"});
    }
    CHECK(loop.run(join(group)));
    CHECK(seen == "captured+own");
    seen.clear();
    group.spawn(by_reference, std::ref(counter), std::string{"text"});
    CHECK(loop.run(join(group)));
    CHECK(counter == 1);
    CHECK(seen == "text");
    group.spawn(nap(1us)); // a task that was made already
    group.spawn(&none);
    std::function<io_task<>()> wrapped = none;
    group.spawn(wrapped);
    CHECK(loop.run(join(group)));
}

TEST_CASE("a join of an empty group is over at once", "[six:join_operation:ready]") {
    test_loop loop;
    task_group group;
    auto pending = loop.start(join, group);
    loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result());
    CHECK(loop.counters().resumptions == 1);
}

TEST_CASE("a join ends when the last child has ended", "[six:join_operation:later]") {
    test_loop loop;
    task_group group;
    int stopped = 0;
    auto pending = loop.start(join, group);
    group.spawn(until_stopped, std::ref(stopped));
    group.spawn(none);
    loop.run_until_idle();
    CHECK(group.size() == 1);
    REQUIRE_FALSE(pending.is_done());
    group.request_stop();
    CHECK(stopped == 0);
    loop.run_until_idle();
    CHECK(stopped == 1);
    REQUIRE(pending.is_done());
    CHECK(pending.result());
}

TEST_CASE("a join goes on waiting when a child was spawned after the last had ended",
          "[six:join_operation:spurious]") {
    test_loop loop;
    task_group group;
    int stopped = 0;
    // The first child's end queues the join; before that has its turn there is another child.
    group.spawn([&]() -> task<> {
        struct at_end {
            task_group& group;
            int& stopped;
            explicit at_end(task_group& g, int& s) : group{g}, stopped{s} {}
            ~at_end() { group.spawn(until_stopped, std::ref(stopped)); }
        } spawns_when_it_dies{group, stopped};
        co_await yield().ignore();
    });
    auto pending = loop.start(join, group);
    loop.run_until([&] { return loop.counters().resumptions >= 4; });
    loop.run_until_idle();
    CHECK(group.size() == 1);
    REQUIRE_FALSE(pending.is_done());
    group.request_stop();
    loop.run_until_idle();
    REQUIRE(pending.is_done());
    CHECK(pending.result());
    CHECK(stopped == 1);
}

TEST_CASE("a join that is stopped stops the children and stays until they are gone",
          "[six:join_operation:stopped]") {
    test_loop loop;
    task_group group;
    int stopped = 0;
    group.spawn(until_stopped, std::ref(stopped));
    group.spawn([]() -> task<> { // takes its time to clean up
        co_await sleep_for(1h).ignore();
        task_group cleaning;
        cleaning.spawn(nap, 3ms);
        co_await cleaning.drain(1h).ignore(); // no stop cuts this short
    });
    auto pending = loop.start(join, group);
    loop.run_until_idle();
    pending.stop();
    loop.turn();
    CHECK(stopped == 1);
    CHECK(group.size() == 1);
    REQUIRE_FALSE(pending.is_done());
    loop.run_until([&] { return pending.is_done(); });
    CHECK(pending.result().error() == errc::stopped);
    CHECK(group.is_empty());
}

TEST_CASE("a stop before the join goes on to the children too", "[task][task_group]") {
    test_loop loop;
    task_group group;
    int stopped = 0;
    group.spawn(until_stopped, std::ref(stopped));
    auto pending = loop.start(join, group);
    pending.stop();
    loop.run_until_idle();
    REQUIRE(pending.is_done());
    CHECK(pending.result().error() == errc::stopped);
    CHECK(stopped == 1);
}

TEST_CASE("a join destroyed while waiting lets another wait", "[six:join_operation:destroyed]") {
    test_loop loop;
    task_group group;
    int stopped = 0;
    group.spawn(until_stopped, std::ref(stopped));
    auto first = loop.start(join, group);
    loop.run_until_idle();
    CHECK(loop.run(group.join()).error() == errc::busy);
    first.destroy();
    auto second = loop.start(join, group);
    loop.run_until_idle();
    REQUIRE_FALSE(second.is_done());
    group.request_stop();
    loop.run_until_idle();
    CHECK(second.is_done());
}

TEST_CASE("a join destroyed in the turn the last child ended is not resumed",
          "[six:join_operation:destroyed-ready]") {
    test_loop loop;
    task_group group;
    int stopped = 0;
    group.spawn(until_stopped, std::ref(stopped));
    auto pending = loop.start(join, group);
    loop.run_until_idle();
    group.request_stop();
    auto killer = loop.start([&pending]() -> task<> {
        pending.destroy();
        co_return;
    });
    CHECK(loop.turn() == 2); // the child, which queued the join, and the killer
    CHECK(killer.is_done());
    CHECK(stopped == 1);
    CHECK_FALSE(pending.is_done());
    CHECK(loop.run(group.join()));
}

TEST_CASE("the first error stops the siblings, and join reports it", "[task][task_group]") {
    test_loop loop;
    task_group group;
    int stopped = 0;
    group.spawn(until_stopped, std::ref(stopped));
    group.spawn(fails, refused);
    group.spawn(fails, broken);
    group.spawn(until_stopped, std::ref(stopped));
    auto pending = loop.start(join, group);
    loop.run_until_idle();
    REQUIRE(pending.is_done());
    CHECK(pending.result().error() == refused);
    CHECK(stopped == 2);
    CHECK(group.failures() == 2);
    CHECK(group.first_error() == refused);
    group.spawn(until_stopped, std::ref(stopped)); // later ones are stopped as well
    loop.run_until_idle();
    CHECK(stopped == 3);
}

TEST_CASE("a group that carries on counts errors and reports none", "[task][task_group]") {
    test_loop loop;
    task_group group{on_child_error::carry_on};
    int stopped = 0;
    group.spawn(fails, refused);
    group.spawn(fails, broken);
    group.spawn(until_stopped, std::ref(stopped));
    auto pending = loop.start(join, group);
    loop.run_until_idle();
    REQUIRE_FALSE(pending.is_done());
    CHECK(group.failures() == 2);
    CHECK(stopped == 0);
    group.request_stop();
    group.spawn(nap, 1h); // ends with `stopped`, as it was asked to
    loop.run_until_idle();
    REQUIRE(pending.is_done());
    CHECK(pending.result());
    CHECK(group.failures() == 2);
}

TEST_CASE("an exception beats an error, and join throws it", "[task][task_group]") {
    test_loop loop;
    for (const auto policy : {on_child_error::stop_siblings, on_child_error::carry_on}) {
        task_group group{policy};
        group.spawn(fails, refused);
        group.spawn(throws_out, "first");
        group.spawn(throws_out, "second");
        CHECK_THROWS_WITH(loop.run(join(group)), "first");
        CHECK(group.is_empty());
    }
    task_group group;
    int stopped = 0;
    group.spawn(until_stopped, std::ref(stopped));
    group.spawn(throws_out, "x");
    CHECK_THROWS_WITH(loop.run([](task_group& joined) -> task<> {
        co_await joined.join().ignore(); // an exception still comes out
    }(group)),
                      "x");
    CHECK(stopped == 1);
}

TEST_CASE("a stop requested before a child first runs reaches it", "[task][task_group]") {
    test_loop loop;
    task_group group;
    int stopped = 0;
    group.spawn(until_stopped, std::ref(stopped));
    group.request_stop();
    loop.turn();
    CHECK(stopped == 1);
    CHECK(group.is_empty());
}

TEST_CASE("a stop goes through nested groups to the last leaf", "[task][task_group]") {
    test_loop loop;
    int stopped = 0;
    const auto nested = [&](auto& self, int depth) -> io_task<> {
        task_group group;
        group.spawn(until_stopped, std::ref(stopped));
        if (depth > 0) group.spawn(std::ref(self), std::ref(self), depth - 1);
        co_await group.join().or_return();
    };
    auto pending = loop.start(nested, nested, 20);
    loop.run_until_idle();
    CHECK(stopped == 0);
    pending.stop();
    loop.run_until_idle();
    REQUIRE(pending.is_done());
    CHECK(pending.result().error() == errc::stopped);
    CHECK(stopped == 21);
}

TEST_CASE("a stop while the parent is not in join ends it, and its group with it",
          "[task][task_group]") {
    test_loop loop;
    auto alive = std::make_shared<int>(0);
    const auto parent = [&alive]() -> io_task<> {
        task_group group;
        group.spawn([held = alive]() -> task<> { co_await sleep_for(1h).ignore(); });
        co_await sleep_for(1h).or_return();
    };
    auto pending = loop.start(parent);
    loop.run_until_idle();
    CHECK(alive.use_count() == 2);
    pending.stop();
    loop.run_until_idle();
    REQUIRE(pending.is_done());
    CHECK(pending.result().error() == errc::stopped);
    CHECK(alive.use_count() == 1);
}
