// A million timers in one queue: their order, and that they cost no memory but their own nodes.
#include <dunlin/loop/timer_queue.hpp>

#include <support/catch.hpp>
#include <support/counted_new.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

using dunlin::timer_node;
using dunlin::timer_queue;
using namespace dunlin::test;

namespace {

constexpr std::size_t million = 1'000'000;
constexpr std::int64_t hour = 3'600'000'000'000;

/// What comes out of a queue, checked without Catch, which would take the longest.
struct drained {
    std::size_t count = 0;
    bool is_ordered = true; ///< By deadline; equal ones by the place of their nodes.
    bool is_right = true;   ///< Each was to go, and not before its time.
};

/// Moves the present on in `steps` until `end`, and takes out what is due. `is_to_go(index)` says
/// of a node whether it may come.
template <class Predicate>
drained drain(timer_queue& queue, const std::vector<timer_node>& nodes, std::int64_t end, int steps,
              Predicate is_to_go) {
    drained out;
    const timer_node* last = nullptr;
    std::int64_t earlier = -1;
    for (int step = 1; step <= steps; ++step) {
        const std::int64_t present = end / steps * step;
        while (const timer_node* const node = queue.pop_due(present)) {
            ++out.count;
            out.is_right = out.is_right && node->deadline() <= present &&
                           node->deadline() > earlier &&
                           is_to_go(static_cast<std::size_t>(node - nodes.data()));
            if (last != nullptr)
                out.is_ordered =
                    out.is_ordered && (last->deadline() < node->deadline() ||
                                       (last->deadline() == node->deadline() && last < node));
            last = node;
        }
        earlier = present;
    }
    return out;
}

} // namespace

TEST_CASE("a million timers go out in order, those that were disarmed do not, and none allocates",
          "[loop][timer_queue]") {
    std::vector<timer_node> nodes(million);
    std::mt19937_64 dice{7};
    // In whole microseconds of the next hour, and of the next second, so that many are equal.
    const std::int64_t span = GENERATE(as<std::int64_t>{}, hour, hour / 3'600);
    std::uniform_int_distribution<std::int64_t> microseconds{1, span / 1'000 - 1};
    timer_queue queue{0};

    const long before = allocations();
    for (timer_node& each : nodes)
        queue.arm(each, microseconds(dice) * 1'000);
    for (std::size_t i = 0; i < million; i += 2)
        queue.disarm(nodes[i]);
    const drained odd = drain(queue, nodes, span, 100, [](std::size_t i) { return i % 2 == 1; });
    const long after = allocations();

    CHECK(after == before);
    CHECK(odd.count == million / 2);
    CHECK(odd.is_ordered);
    CHECK(odd.is_right);
    CHECK(queue.is_empty());
}
