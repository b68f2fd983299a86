#include <dunlin/sync/event.hpp>
#include <dunlin/sync/mutex.hpp>
#include <dunlin/task/sleep.hpp>

#include <support/test_loop.hpp>

#include <optional>
#include <string>
#include <utility>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> hold_until(mutex& door, event& leave, std::string& log, char name) {
    const auto guard = co_await door.lock().or_return();
    log += name;
    co_await leave.wait().or_return();
}

} // namespace

TEST_CASE("a mutex has one holder at a time, across its awaits", "[sync][mutex]") {
    test_loop loop;
    mutex door;
    int inside = 0;
    int most = 0;
    int done = 0;
    const auto work = [&]() -> io_task<> {
        for (int i = 0; i < 100; ++i) {
            const auto guard = co_await door.lock().or_return();
            ++inside;
            most = inside > most ? inside : most;
            co_await sleep_for(0ns).ignore();
            --inside;
            ++done;
        }
    };
    task_group group;
    for (int i = 0; i < 5; ++i)
        group.spawn(work);
    loop.run_until([&] { return group.is_empty(); });
    CHECK(most == 1);
    CHECK(done == 500);
    CHECK_FALSE(door.is_locked());
}

TEST_CASE("who unlocks and locks again does not overtake who waits", "[sync][mutex]") {
    test_loop loop;
    mutex door;
    std::string order;
    const auto work = [&](char name) -> io_task<> {
        for (int i = 0; i < 3; ++i) {
            const auto guard = co_await door.lock().or_return();
            order += name;
        }
    };
    auto guard = door.try_lock();
    auto first = loop.start(work, 'a');
    auto second = loop.start(work, 'b');
    loop.run_until_idle();
    guard.unlock();
    CHECK(door.is_locked()); // it is a's already
    CHECK_FALSE(door.try_lock());
    loop.run_until_idle();
    CHECK(first.is_done());
    CHECK(second.is_done());
    CHECK(order == "ababab");
}

TEST_CASE("a task that is destroyed while it holds a mutex unlocks it", "[sync][mutex]") {
    test_loop loop;
    mutex door;
    event leave;
    std::string log;
    auto first = loop.start(hold_until(door, leave, log, 'a'));
    auto second = loop.start(hold_until(door, leave, log, 'b'));
    loop.run_until_idle();
    CHECK(log == "a");
    first.destroy();
    loop.run_until_idle();
    CHECK(log == "ab");
    leave.set();
    loop.run_until_idle();
    CHECK(second.is_done());
    CHECK_FALSE(door.is_locked());
}

TEST_CASE("a guard can be moved, emptied and assigned", "[sync][mutex]") {
    mutex one;
    mutex other;
    auto guard = one.try_lock();
    REQUIRE(guard);
    CHECK_FALSE(one.try_lock());
    auto moved = std::move(guard);
    CHECK(moved);
    CHECK(one.is_locked());
    moved = other.try_lock();
    CHECK_FALSE(one.is_locked());
    CHECK(other.is_locked());
    moved.unlock();
    moved.unlock();
    CHECK_FALSE(moved);
    CHECK_FALSE(other.is_locked());
    mutex_guard empty;
    CHECK_FALSE(empty);
}
