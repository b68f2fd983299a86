#include <dunlin/loop/timer_queue.hpp>

#include <support/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <vector>

using dunlin::timer_node;
using dunlin::timer_queue;

namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t forever = INT64_MAX;

/// Everything that is due, as the deadlines came out.
std::vector<std::int64_t> pop_all(timer_queue& queue, std::int64_t now) {
    std::vector<std::int64_t> out;
    while (const timer_node* const node = queue.pop_due(now))
        out.push_back(node->deadline());
    return out;
}

} // namespace

TEST_CASE("an empty queue never wakes and gives nothing", "[loop][timer_queue]") {
    timer_queue queue{5 * second};
    CHECK(queue.is_empty());
    CHECK(queue.next_wakeup() == timer_queue::never);
    CHECK(queue.pop_due(forever) == nullptr);
}

TEST_CASE("a node goes out when its deadline has come, not a nanosecond before",
          "[loop][timer_queue]") {
    timer_queue queue{0};
    timer_node node;
    CHECK_FALSE(node.is_linked());
    queue.arm(node, 30 * second);
    CHECK(node.is_linked());
    CHECK_FALSE(queue.is_empty());
    CHECK(queue.pop_due(30 * second - 1) == nullptr);
    CHECK(node.is_linked());
    CHECK(queue.pop_due(30 * second) == &node);
    CHECK_FALSE(node.is_linked());
    CHECK(queue.is_empty());
}

TEST_CASE("nodes go out in the order of their deadlines", "[loop][timer_queue]") {
    timer_queue queue{100};
    const std::vector<std::int64_t> sorted = {101,    102,        163,        164,
                                              4'200,  4'201,      1'000'000,  1'000'064,
                                              second, 2 * second, 2 * second, 300 * second};
    std::vector<std::int64_t> shuffled = sorted;
    std::mt19937 dice{1};
    std::shuffle(shuffled.begin(), shuffled.end(), dice);
    std::vector<timer_node> nodes(sorted.size());
    for (std::size_t i = 0; i < nodes.size(); ++i)
        queue.arm(nodes[i], shuffled[i]);
    CHECK(pop_all(queue, forever) == sorted);
}

TEST_CASE("equal deadlines go out in the order of their arming", "[loop][timer_queue]") {
    // The present moves on while they are armed, so that the early ones have been put again into
    // lower levels when the late ones come.
    const std::int64_t step = GENERATE(as<std::int64_t>{}, 0, 1, 63, 4'097, 999'983);
    constexpr std::size_t count = 1'000;
    const std::int64_t deadline = 1'000'000'007;
    timer_queue queue{0};
    std::vector<timer_node> nodes(count);
    for (std::size_t i = 0; i < count; ++i) {
        queue.arm(nodes[i], deadline);
        REQUIRE(queue.pop_due(static_cast<std::int64_t>(i) * step) == nullptr);
    }
    for (timer_node& each : nodes)
        REQUIRE(queue.pop_due(deadline) == &each);
    CHECK(queue.is_empty());
}

TEST_CASE("a deadline that has passed goes out on the next pop, after earlier ones of its kind",
          "[loop][timer_queue]") {
    timer_queue queue{0};
    CHECK(queue.pop_due(10 * second) == nullptr);
    timer_node first;
    timer_node second_one;
    timer_node negative;
    queue.arm(first, 9 * second);
    queue.arm(second_one, 3 * second);
    queue.arm(negative, -1);
    CHECK(first.deadline() == 10 * second);
    CHECK(queue.next_wakeup() == 10 * second);
    CHECK(queue.pop_due(0) == &first); // a clock that went back counts as one that stood still
    CHECK(queue.pop_due(10 * second) == &second_one);
    CHECK(queue.pop_due(10 * second) == &negative);
    CHECK(queue.pop_due(10 * second) == nullptr);
}

TEST_CASE("the first and the last deadline that there are work", "[loop][timer_queue]") {
    timer_queue queue{INT64_MIN};
    timer_node zero;
    timer_node last;
    timer_node last_but_one;
    timer_node far;
    queue.arm(last, forever);
    queue.arm(zero, 0);
    queue.arm(last_but_one, forever - 1);
    queue.arm(far, std::int64_t{1} << 60);
    CHECK(queue.next_wakeup() == 0);
    CHECK(queue.pop_due(0) == &zero);
    CHECK(queue.pop_due(0) == nullptr);
    CHECK(queue.next_wakeup() == std::int64_t{1} << 60);
    CHECK(queue.pop_due((std::int64_t{1} << 60) - 1) == nullptr);
    CHECK(queue.pop_due(forever - 1) == &far);
    CHECK(queue.pop_due(forever - 1) == &last_but_one);
    CHECK(queue.pop_due(forever - 1) == nullptr);
    CHECK(queue.next_wakeup() == forever);
    CHECK(queue.pop_due(forever) == &last);
    timer_node after_the_end;
    queue.arm(after_the_end, 7);
    CHECK(queue.pop_due(forever) == &after_the_end);
}

TEST_CASE("any node can be disarmed, in any order", "[loop][timer_queue]") {
    timer_queue queue{0};
    std::vector<timer_node> nodes(9);
    std::vector<std::size_t> order = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    std::mt19937 dice{2};
    for (int round = 0; round < 200; ++round) {
        for (std::size_t i = 0; i < nodes.size(); ++i) // three lists: alone, two, six in one
            queue.arm(nodes[i], i == 0 ? 1'000 : i < 3 ? second : 70 * second);
        std::shuffle(order.begin(), order.end(), dice);
        for (const std::size_t i : order) {
            REQUIRE_FALSE(queue.is_empty());
            queue.disarm(nodes[i]);
            queue.disarm(nodes[i]); // once more does nothing
            REQUIRE_FALSE(nodes[i].is_linked());
        }
        REQUIRE(queue.is_empty());
        REQUIRE(queue.next_wakeup() == timer_queue::never);
    }
    CHECK(queue.pop_due(forever) == nullptr);
}

TEST_CASE("arming an armed node moves it, behind its equals", "[loop][timer_queue]") {
    timer_queue queue{0};
    timer_node a;
    timer_node b;
    queue.arm(a, second);
    queue.arm(b, second);
    queue.arm(a, second);
    CHECK(queue.pop_due(second) == &b);
    CHECK(queue.pop_due(second) == &a);
    queue.arm(a, 5 * second);
    queue.arm(a, 2 * second);
    CHECK(queue.next_wakeup() == 2 * second);
    queue.arm(a, 8 * second);
    CHECK(queue.pop_due(7 * second) == nullptr);
    CHECK(queue.pop_due(8 * second) == &a);
}

TEST_CASE("a lone timer costs one wake-up", "[loop][timer_queue]") {
    const std::int64_t start = 123'456'789'123'456;
    const std::int64_t span =
        GENERATE(as<std::int64_t>{}, 1, 999, 1'000'000, 30 * second, 86'400 * second);
    timer_queue queue{start};
    timer_node node;
    queue.arm(node, start + span);
    CHECK(queue.next_wakeup() == start + span);
    CHECK(queue.pop_due(queue.next_wakeup()) == &node);
}

TEST_CASE("many timers near each other cost a few wake-ups more, none of them late",
          "[loop][timer_queue]") {
    const std::int64_t start = 123'456'789'123'456;
    timer_queue queue{start};
    std::vector<timer_node> nodes(1'000);
    for (std::size_t i = 0; i < nodes.size(); ++i)
        queue.arm(nodes[i], start + 30 * second + static_cast<std::int64_t>(i));
    int wakeups = 0;
    std::int64_t now = start;
    for (std::size_t out = 0; out < nodes.size();) {
        REQUIRE(queue.next_wakeup() > now);
        REQUIRE(queue.next_wakeup() <= start + 30 * second + static_cast<std::int64_t>(out));
        now = queue.next_wakeup();
        ++wakeups;
        while (queue.pop_due(now) != nullptr)
            ++out;
    }
    CHECK(wakeups <= 1'000 + 11);
}

TEST_CASE("a node may be armed again between two pops", "[loop][timer_queue]") {
    timer_queue queue{0};
    timer_node early;
    timer_node late;
    queue.arm(early, 1 * second);
    queue.arm(late, 2 * second);
    CHECK(queue.pop_due(3 * second) == &early);
    queue.arm(early, 4 * second);
    CHECK(queue.pop_due(3 * second) == &late);
    CHECK(queue.pop_due(3 * second) == nullptr);
    CHECK(queue.next_wakeup() == 4 * second);
    queue.disarm(early);
}

TEST_CASE("a million random timers behave as a multimap's", "[loop][timer_queue]") {
    struct numbered : timer_node {
        bool is_expected = false;
    };
    constexpr std::size_t count = 1'000'000;
    constexpr std::size_t live_at_most = 20'000;
    std::mt19937_64 dice{3};
    const auto random_below = [&](std::uint64_t bound) { return dice() % bound; };

    std::int64_t now = 77 * second;
    timer_queue queue{now};
    const auto nodes = std::make_unique<numbered[]>(live_at_most);
    // A multimap keeps equal keys in the order of insertion.
    using reference_map = std::multimap<std::int64_t, timer_node*>;
    reference_map reference;
    std::vector<reference_map::iterator> where(live_at_most);
    std::size_t armed = 0;
    std::size_t popped = 0;
    bool is_right = true;

    while (armed < count || !reference.empty()) {
        // Some are armed (or moved), some disarmed, then time passes.
        for (std::size_t i = 0; i < 300 && armed < count; ++i) {
            const std::size_t which = random_below(live_at_most);
            numbered& node = nodes[which];
            is_right &= node.is_linked() == node.is_expected;
            if (node.is_expected) reference.erase(where[which]);
            if (node.is_expected && random_below(2) == 0) {
                queue.disarm(node);
                node.is_expected = false;
                continue;
            }
            // Spans of all sizes, and often equal ones.
            const auto span = static_cast<std::int64_t>(dice() >> (24 + random_below(40)));
            const std::int64_t deadline =
                now + (random_below(4) == 0 ? span / 1'000 * 1'000 : span);
            queue.arm(node, deadline);
            node.is_expected = true;
            where[which] = reference.emplace(deadline, &node);
            ++armed;
        }
        if (!reference.empty()) {
            const std::int64_t earliest = reference.begin()->first;
            is_right &= queue.next_wakeup() <= earliest;
            is_right &= queue.next_wakeup() >= now;
            if (random_below(2) == 0) now = std::max(now, queue.next_wakeup());
        }
        now += static_cast<std::int64_t>(dice() >> (30 + random_below(34)));
        while (timer_node* const node = queue.pop_due(now)) {
            REQUIRE_FALSE(reference.empty());
            is_right &= reference.begin()->second == node && reference.begin()->first <= now;
            static_cast<numbered*>(node)->is_expected = false;
            reference.erase(reference.begin());
            ++popped;
        }
        is_right &= reference.empty() || reference.begin()->first > now;
        is_right &= queue.is_empty() == reference.empty();
        REQUIRE(is_right);
    }
    CHECK(queue.is_empty());
    CHECK(queue.next_wakeup() == timer_queue::never);
    CHECK(popped > 10'000);
}
