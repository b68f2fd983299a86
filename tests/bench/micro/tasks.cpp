// What calling, spawning, and handing something over between tasks costs.
#include "driver.hpp"

#include <dunlin/sync/channel.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/task/yield.hpp>

#include <support/catch.hpp>

#include <functional>

using namespace dunlin;
using namespace dunlin::bench;

namespace {

task<int> child(int value) { co_return value; }

task<> call_children(int& sum) {
    for (int i = 0; i < times; ++i) {
        const int given = co_await child(1);
        sum += given;
    }
}

task<> end_at_once(int& count) {
    ++count;
    co_return;
}

task<> spawn_and_join(int& count) {
    for (int i = 0; i < times; ++i) {
        task_group group;
        group.spawn(end_at_once, std::ref(count));
        co_await group.join().or_throw();
    }
}

task<> spawn_all_and_join(int& count) {
    task_group group;
    for (int i = 0; i < times; ++i)
        group.spawn(end_at_once, std::ref(count));
    co_await group.join().or_throw();
}

task<> yield_often(int& count) {
    for (int i = 0; i < times; ++i) {
        co_await yield().or_throw();
        ++count;
    }
}

task<> send_all(channel<int>& items) {
    for (int i = 0; i < times; ++i)
        co_await items.send(1).or_throw();
}

task<> receive_all(channel<int>& items, int& sum) {
    for (int i = 0; i < times; ++i) {
        const int item = co_await items.receive().or_throw();
        sum += item;
    }
}

task<> hand_over(channel<int>& items, int& sum) {
    task_group group;
    group.spawn(receive_all, std::ref(items), std::ref(sum));
    group.spawn(send_all, std::ref(items));
    co_await group.join().or_throw();
}

} // namespace

TEST_CASE("tasks", "[tasks]") {
    driver loop;
    int count = 0;
    loop.run(call_children, std::ref(count));
    REQUIRE(count == times);
    loop.run(spawn_and_join, std::ref(count));
    REQUIRE(count == 2 * times);
    loop.run(spawn_all_and_join, std::ref(count));
    REQUIRE(count == 3 * times);
    loop.run(yield_often, std::ref(count));
    REQUIRE(count == 4 * times);

    BENCHMARK("1,000 calls of a task that completes at once") {
        loop.run(call_children, std::ref(count));
        return count;
    };
    BENCHMARK("1,000 groups of one: spawn, join") {
        loop.run(spawn_and_join, std::ref(count));
        return count;
    };
    BENCHMARK("1,000 spawns into one group, and its join") {
        loop.run(spawn_all_and_join, std::ref(count));
        return count;
    };
    BENCHMARK("1,000 yields: from a task to the run queue and back") {
        loop.run(yield_often, std::ref(count));
        return count;
    };
}

TEST_CASE("channel", "[channel]") {
    driver loop;
    int sum = 0;
    channel<int> one{1};
    channel<int> many{64};
    loop.run(hand_over, std::ref(one), std::ref(sum));
    loop.run(hand_over, std::ref(many), std::ref(sum));
    REQUIRE(sum == 2 * times);

    BENCHMARK("1,000 items from task to task through a channel of 1") {
        loop.run(hand_over, std::ref(one), std::ref(sum));
        return sum;
    };
    BENCHMARK("1,000 items from task to task through a channel of 64") {
        loop.run(hand_over, std::ref(many), std::ref(sum));
        return sum;
    };
}
