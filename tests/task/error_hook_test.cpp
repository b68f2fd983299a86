// What a group tells of its failed children, and member functions as children.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task_group.hpp>

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
io_task<> succeeds() { co_return; }
io_task<> fails(std::error_code why) { co_await fail(why); }
io_task<> passes_up(std::error_code why) { co_await fails(why).or_return(); }
io_task<> gives_error(std::error_code why) {
    co_await sleep_for(1us).ignore();
    co_await fail(why);
}
io_task<> nap() { co_await sleep_for(1h).or_return(); }
task<> throws_out() {
    throw std::runtime_error{"out"};
    co_return;
}

std::vector<std::error_code> heard_by_function;
void hear(const child_failure& failed) noexcept { heard_by_function.push_back(failed.error()); }

struct counter {
    io_task<> add(int n) {
        co_await sleep_for(1us).ignore();
        sum += n;
    }
    task<> add_to(int& total) const noexcept {
        co_await sleep_for(1us).ignore();
        total += sum;
    }
    int sum = 0;
};

} // namespace

TEST_CASE("a group's hook hears of each child that fails, in order, and of no other",
          "[task][task_group]") {
    test_loop loop;
    std::vector<std::error_code> heard;
    const auto hook = [&heard](const child_failure& failed) { heard.push_back(failed.error()); };
    task_group group{on_child_error::carry_on, hook};
    group.spawn(fails, refused);
    group.spawn(succeeds);
    group.spawn(gives_error, broken);
    group.spawn(nap);
    auto joined = loop.start(join, group);
    loop.run_until([&] { return group.size() == 1; });
    CHECK(heard == std::vector{refused, broken});
    CHECK(group.failures() == 2);
    group.request_stop(); // `stopped` as it was asked to
    loop.run_until_idle();
    REQUIRE(joined.is_done());
    CHECK(joined.result());
    CHECK(heard.size() == 2);
}

TEST_CASE("what the hook is told says who failed, where it was spawned and how the error came",
          "[task][task_group]") {
    test_loop loop;
    int calls = 0;
    const auto hook = [&calls](const child_failure& failed) {
        ++calls;
        CHECK(failed.error() == refused);
        CHECK(failed.exception() == nullptr);
        CHECK(failed.number() != 0);
        CHECK(std::string{failed.spawned_at().file_name()}.ends_with("error_hook_test.cpp"));
        REQUIRE(failed.path() != nullptr);
        CHECK(failed.path()->length() == 2); // in fails, in passes_up
    };
    task_group group{on_child_error::carry_on, hook};
    group.spawn(passes_up, refused);
    loop.run_until_idle();
    CHECK(calls == 1);
}

TEST_CASE("an exception that the hook of a group that carries on has heard is not thrown by join",
          "[task][task_group]") {
    test_loop loop;
    std::string what;
    const auto hook = [&what](const child_failure& failed) {
        CHECK_FALSE(failed.error());
        REQUIRE(failed.exception() != nullptr);
        try {
            std::rethrow_exception(failed.exception());
        } catch (const std::runtime_error& thrown) {
            what += thrown.what();
        }
    };
    task_group group{on_child_error::carry_on, hook};
    group.spawn(throws_out);
    group.spawn(throws_out);
    auto joined = loop.start(join, group);
    loop.run_until_idle();
    REQUIRE(joined.is_done());
    CHECK(joined.result());
    CHECK(what == "outout");
    CHECK(group.failures() == 2);

    task_group without_hook{on_child_error::carry_on};
    without_hook.spawn(throws_out);
    CHECK_THROWS_AS(loop.run(join(without_hook)), std::runtime_error);
    CHECK(without_hook.failures() == 1);
}

TEST_CASE("a group that stops its siblings has a hook that hears all, and join reports the first",
          "[task][task_group]") {
    test_loop loop;
    heard_by_function.clear();
    task_group group{on_child_error::stop_siblings, hear};
    group.spawn(fails, refused);
    group.spawn(fails, broken);
    group.spawn(nap);
    auto joined = loop.start(join, group);
    loop.run_until_idle();
    REQUIRE(joined.is_done());
    CHECK(joined.result().error() == refused);
    CHECK(heard_by_function == std::vector{refused, broken});
}

TEST_CASE("a hook may start a child again, stop the others, and end the group",
          "[task][task_group]") {
    test_loop loop;
    struct supervisor {
        void hear(const child_failure&) {
            if (++failed < 3) return group.spawn(fails, refused);
            if (failed == 3) return group.spawn(nap);
            group.end();
        }
        int failed = 0;
        task_group group{on_child_error::carry_on,
                         [this](const child_failure& failure) { hear(failure); }};
    } watched;
    watched.group.spawn(fails, refused);
    auto joined = loop.start(join, watched.group);
    loop.run_until_idle();
    CHECK(watched.failed == 3);
    CHECK(watched.group.size() == 1);
    REQUIRE_FALSE(joined.is_done());
    watched.group.spawn(fails, refused);
    loop.run_until_idle();
    CHECK(watched.failed == 4);
    CHECK(watched.group.is_empty());
    CHECK(joined.is_done());
}

TEST_CASE("a member function is spawned with its object by pointer, by reference or moved in",
          "[task][task_group]") {
    test_loop loop;
    task_group group;
    counter here;
    int total = 0;
    group.spawn(&counter::add, &here, 1);
    group.spawn(&counter::add, std::ref(here), 2);
    auto shared = std::make_shared<counter>();
    group.spawn(&counter::add, shared, 4);
    auto unique = std::make_unique<counter>();
    unique->sum = 8;
    group.spawn(&counter::add_to, std::move(unique), std::ref(total)); // kept in the child
    {
        counter passing;
        passing.sum = 16;
        group.spawn(&counter::add_to, passing, std::ref(total)); // a copy of it
    }
    const auto joined = loop.run(join(group));
    CHECK(joined);
    CHECK(here.sum == 3);
    CHECK(shared->sum == 4);
    CHECK(total == 24);
}
