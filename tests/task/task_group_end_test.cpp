// How groups end: `end()` from inside and outside, destruction, and destructors that come back.
#include <dunlin/loop/remote.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task_group.hpp>
#include <dunlin/task/yield.hpp>

#include <support/test_loop.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> join(task_group& group) { co_await group.join().or_return(); }

/// Calls a function when it dies.
class at_end {
public:
    explicit at_end(std::function<void()> function) : function_{std::move(function)} {}
    at_end(const at_end&) = delete;
    at_end& operator=(const at_end&) = delete;
    ~at_end() { function_(); }

private:
    std::function<void()> function_;
};

task<> hold(std::shared_ptr<int> held) {
    co_await sleep_for(1h).ignore();
    static_cast<void>(held);
}

task<> own_and_end(std::unique_ptr<task_group>) { co_await sleep_for(0ns).ignore(); }

task<> own_and_end_all(std::unique_ptr<task_group> own) {
    own->end();
    co_await sleep_for(1h).ignore();
}

task<> call_at_end(std::function<void()> function) {
    const at_end calls{std::move(function)};
    co_await sleep_for(1h).ignore();
}

task<> call(std::function<void()> function) {
    function();
    co_return;
}

} // namespace

TEST_CASE("a finished child's frame is destroyed in the turn it ends, not at join",
          "[task][task_group]") {
    test_loop loop;
    auto alive = std::make_shared<int>(0);
    task_group group;
    group.spawn(
        [](std::shared_ptr<int> held) -> task<> {
            static_cast<void>(held);
            co_return;
        },
        alive);
    REQUIRE(alive.use_count() == 2);
    loop.turn();
    CHECK(alive.use_count() == 1);
    CHECK(group.is_empty());
}

TEST_CASE("destroying a group destroys its waiting and its queued children", "[task][task_group]") {
    test_loop loop;
    auto alive = std::make_shared<int>(0);
    {
        task_group group;
        group.spawn(hold, alive);
        loop.run_until_idle();
        group.spawn(hold, alive); // never run
        CHECK(alive.use_count() == 3);
    }
    CHECK(alive.use_count() == 1);
    loop.run_until_idle();
}

TEST_CASE("a parent may leave the scope of its group while the children wait",
          "[task][task_group]") {
    test_loop loop;
    auto alive = std::make_shared<int>(0);
    const auto parent = [&alive]() -> task<int> {
        {
            task_group group;
            for (int i = 0; i < 10; ++i)
                group.spawn(hold, alive);
            co_await sleep_for(1us).ignore();
            if (alive.use_count() != 11) co_return 1;
        }
        co_return alive.use_count() == 1 ? 0 : 2;
    };
    CHECK(loop.run(parent()) == 0);
}

TEST_CASE("end from outside destroys the children at once, and wakes the join",
          "[task][task_group]") {
    test_loop loop;
    auto alive = std::make_shared<int>(0);
    task_group group;
    group.spawn(hold, alive);
    auto pending = loop.start(join, group);
    loop.run_until_idle();
    group.end();
    CHECK(alive.use_count() == 1);
    CHECK(group.is_empty());
    CHECK_FALSE(pending.is_done());
    loop.run_until_idle();
    REQUIRE(pending.is_done());
    CHECK(pending.result());
    group.spawn(hold, alive); // an ended group destroys what is spawned into it, unrun
    CHECK(alive.use_count() == 1);
    CHECK(group.is_empty());
}

TEST_CASE("end from inside a child lets it run on to its next suspension", "[task][task_group]") {
    test_loop loop;
    auto alive = std::make_shared<int>(0);
    std::string seen;
    task_group group;
    group.spawn(hold, alive);
    group.spawn(
        [&](std::shared_ptr<int> held) -> task<> {
            co_await yield().ignore();
            group.end();
            seen += group.is_empty() ? "destroyed at once" : "runs on";
            if (held.use_count() != 3) seen += "?";
            co_await yield().ignore();
            seen += " too far";
        },
        alive);
    auto pending = loop.start(join, group);
    loop.run_until([&] { return pending.is_done(); });
    CHECK(pending.result());
    CHECK(seen == "runs on");
    CHECK(alive.use_count() == 1);
}

TEST_CASE("end from inside a child that ends in the same breath", "[task][task_group]") {
    test_loop loop;
    auto alive = std::make_shared<int>(0);
    task_group group;
    group.spawn(hold, alive);
    group.spawn(call, [&group] { group.end(); });
    loop.turn();
    CHECK(group.is_empty());
    CHECK(alive.use_count() == 1);
}

TEST_CASE("a parent that ends its group and dies in the same breath leaves nothing behind",
          "[task][task_group]") {
    test_loop loop;
    auto alive = std::make_shared<int>(0);
    const auto parent = [&alive]() -> task<> {
        task_group group;
        group.spawn(hold, alive);
        co_await sleep_for(1us).ignore();
        group.end();
    };
    loop.run(parent());
    CHECK(alive.use_count() == 1);
}

TEST_CASE("two groups ended by one task are both destroyed after it", "[task][task_group]") {
    test_loop loop;
    auto alive = std::make_shared<int>(0);
    task_group one;
    task_group two;
    one.spawn(hold, alive);
    two.spawn(hold, alive);
    loop.run_until_idle();
    loop.run(call([&] {
        one.end();
        two.end();
        one.end();
    }));
    CHECK(alive.use_count() == 1);
}

TEST_CASE("destructors of the children's locals may spawn, stop and end", "[task][task_group]") {
    test_loop loop;
    auto alive = std::make_shared<int>(0);
    int calls = 0;
    std::optional<task_group> group{std::in_place};
    group->spawn(call_at_end, [&] {
        ++calls;
        group->spawn(hold, alive); // destroyed unrun: the group is going
    });
    group->spawn(call_at_end, [&] {
        ++calls;
        group->request_stop();
        group->request_drain();
    });
    group->spawn(call_at_end, [&] {
        ++calls;
        group->end();
    });
    group->spawn(hold, alive);
    loop.run_until_idle();

    SECTION("when the group is destroyed from outside") { group.reset(); }
    SECTION("when it is ended") {
        group->end();
        CHECK(group->is_empty());
    }
    SECTION("when it is destroyed from inside another task") {
        loop.run(call([&] { group.reset(); }));
    }
    SECTION("when they end by themselves") {
        group->request_stop();
        loop.run_until_idle();
        CHECK(group->is_empty());
    }
    CHECK(calls == 3);
    CHECK(alive.use_count() == 1);
}

TEST_CASE("destructors that run when a group is drained to its deadline may come back",
          "[task][task_group]") {
    test_loop loop;
    auto alive = std::make_shared<int>(0);
    task_group group;
    int calls = 0;
    group.spawn(call_at_end, [&] {
        if (++calls < 3) group.spawn(hold, alive); // not ended yet: destroyed like the others
    });
    group.spawn(call_at_end, [&] {
        ++calls;
        group.end();
    });
    const auto drains = [](task_group& drained) -> io_task<std::size_t> {
        const std::size_t left = co_await drained.drain(0ns).or_return();
        co_return left;
    };
    loop.run_until_idle();
    CHECK(loop.run(drains(group)).value() == 2);
    loop.run_until_idle();
    CHECK(calls == 2);
    CHECK(group.is_empty());
    CHECK(alive.use_count() == 1);
}

TEST_CASE("a group may die with the child whose root owns it", "[task][task_group]") {
    test_loop loop;
    auto alive = std::make_shared<int>(0);
    auto owner = std::make_unique<task_group>();
    task_group& group = *owner;
    group.spawn(hold, alive);
    SECTION("when the child ends") { group.spawn(own_and_end, std::move(owner)); }
    SECTION("when the child ends the group") { group.spawn(own_and_end_all, std::move(owner)); }
    group.spawn(hold, alive);
    loop.run_until_idle();
    CHECK(alive.use_count() == 1);
}

TEST_CASE("a child destroyed while it is queued, timed and waiting is in no list any more",
          "[task][task_group]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    std::optional<task_group> group{std::in_place};
    group->spawn(
        [](tcp_socket& from) -> io_task<> { auto data = co_await from.read().or_return(); },
        std::ref(here));
    loop.run_until_idle();
    there.send("x");
    REQUIRE(loop.sched().get_remote().post([&group] { group.reset(); }));
    CHECK(loop.turn() == 0);
    CHECK(loop.run(here.read(loop.scratch())).value() == 1);
}
