// What a timer costs: in the queue itself, and to a task that sleeps.
#include "driver.hpp"

#include <dunlin/loop/timer_queue.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task.hpp>

#include <support/catch.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

using namespace dunlin;
using namespace dunlin::bench;
using namespace std::chrono_literals;

namespace {

/// Deadlines as timeouts have them: seconds away, each a little later than the one before.
constexpr std::int64_t in_seconds(int i) { return 5'000'000'000 + std::int64_t{i} * 1'017; }

task<> sleep_often(int& count) {
    for (int i = 0; i < times; ++i) {
        co_await sleep_for(1ns).or_throw();
        ++count;
    }
}

} // namespace

TEST_CASE("timers", "[timers]") {
    std::vector<timer_node> others(10'000);
    std::array<timer_node, times> nodes;
    timer_queue queue{0};
    for (std::size_t i = 0; i < others.size(); ++i)
        queue.arm(others[i], in_seconds(static_cast<int>(i)));

    BENCHMARK("1,000 timers armed, and then disarmed, beside 10,000") {
        for (int i = 0; i < times; ++i)
            queue.arm(nodes[static_cast<std::size_t>(i)], in_seconds(i));
        for (timer_node& each : nodes)
            queue.disarm(each);
        return queue.earliest();
    };
    for (timer_node& each : nodes)
        CHECK_FALSE(each.is_linked());
    for (timer_node& each : others)
        queue.disarm(each);
    CHECK(queue.is_empty());

    std::int64_t present = 0;
    BENCHMARK("1,000 timers armed, and given out when they are due") {
        for (int i = 0; i < times; ++i)
            queue.arm(nodes[static_cast<std::size_t>(i)], present + in_seconds(i));
        present += in_seconds(times);
        int due = 0;
        while (queue.pop_due(present) != nullptr)
            ++due;
        if (due != times) throw due;
        return due;
    };
}

TEST_CASE("sleeping", "[timers]") {
    driver loop;
    int count = 0;
    loop.run(sleep_often, std::ref(count));
    REQUIRE(count == times);

    BENCHMARK("1,000 sleeps of a nanosecond") {
        loop.run(sleep_often, std::ref(count));
        return count;
    };
}
