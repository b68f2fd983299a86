// The way in from other threads. Runs under TSan too.
#include <dunlin/loop/remote.hpp>
#include <dunlin/task/sleep.hpp>

#include <support/test_loop.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

/// Counts what becomes of it.
class counting_node final : public post_node {
public:
    void run() noexcept override { ++ran; }
    void abandon() noexcept override { ++abandoned; }
    int ran = 0;
    int abandoned = 0;
};

/// Posts itself again until it has run `left` times.
class again_node final : public post_node {
public:
    again_node(remote to, int times) noexcept : to_{std::move(to)}, left{times} {}
    void run() noexcept override {
        if (--left > 0) static_cast<void>(to_.post(*this));
    }
    void abandon() noexcept override { was_refused = !to_.post(*this); }

private:
    remote to_;

public:
    int left;
    bool was_refused = false;
};

} // namespace

TEST_CASE("what is posted runs in a later turn, in order, on the scheduler's thread",
          "[loop][remote]") {
    test_loop loop;
    std::vector<int> order;
    const remote to = loop.sched().get_remote();
    const auto here = std::this_thread::get_id();
    bool is_here = true;
    std::thread poster{[&] {
        for (int i = 0; i < 100; ++i)
            static_cast<void>(to.post([&, i] {
                order.push_back(i);
                is_here = is_here && std::this_thread::get_id() == here;
            }));
    }};
    poster.join();
    CHECK(order.empty());
    loop.turn();
    REQUIRE(order.size() == 100);
    CHECK(std::is_sorted(order.begin(), order.end()));
    CHECK(is_here);
}

TEST_CASE("many posts cost one wake-up", "[loop][remote]") {
    test_loop loop;
    loop.turn();
    const remote to = loop.sched().get_remote();
    int ran = 0;
    for (int i = 0; i < 1000; ++i)
        REQUIRE(to.post([&ran] { ++ran; }));
    loop.run_until_idle();
    CHECK(ran == 1000);
    CHECK(loop.counters().events == 1);
}

TEST_CASE("a post wakes a scheduler that waits for ever", "[loop][remote]") {
    test_loop loop;
    const remote to = loop.sched().get_remote();
    std::atomic<bool> waits{false};
    bool ran = false;
    std::thread poster{[&] {
        while (!waits)
            std::this_thread::yield();
        static_cast<void>(to.post([&ran] { ran = true; }));
    }};
    waits = true;
    while (!ran)
        REQUIRE(loop.sched().poll_once(std::nullopt));
    poster.join();
}

TEST_CASE("a node may be posted again from its own run", "[loop][remote]") {
    test_loop loop;
    again_node node{loop.sched().get_remote(), 5};
    REQUIRE(loop.sched().get_remote().post(node));
    loop.turn();
    CHECK(node.left == 4); // once a turn
    loop.run_until([&] { return node.left == 0; });
    CHECK_FALSE(node.was_refused);
}

TEST_CASE("once the scheduler is gone posts are refused, and what waited is abandoned unrun",
          "[loop][remote]") {
    std::optional<remote> to;
    auto alive = std::make_shared<int>(0);
    counting_node early;
    counting_node late;
    std::optional<again_node> stubborn;
    int ran = 0;
    {
        scheduler loop;
        to = loop.get_remote();
        stubborn.emplace(*to, 1);
        CHECK(to->is_alive());
        REQUIRE(to->post(early));
        REQUIRE(loop.poll_once(0ns));
        CHECK(early.ran == 1);
        REQUIRE(to->post(late));
        REQUIRE(to->post(*stubborn));
        REQUIRE(to->post([held = alive, &ran] { ++ran; }));
        CHECK(alive.use_count() == 2);
    }
    CHECK(alive.use_count() == 1);
    CHECK(ran == 0);
    CHECK(late.ran == 0);
    CHECK(late.abandoned == 1);
    CHECK(stubborn->was_refused); // posted again while being abandoned
    CHECK_FALSE(to->is_alive());
    CHECK_FALSE(to->post(early));
    CHECK(early.abandoned == 0); // what is refused is not touched
    CHECK_FALSE(to->post([held = alive, &ran] { ++ran; }));
    CHECK(alive.use_count() == 1);
    const remote copy = *to;
    CHECK_FALSE(copy.is_alive());
    to.reset();
    CHECK_FALSE(copy.post([] {}));
}

TEST_CASE("functions that can only be moved, and large ones, can be posted", "[loop][remote]") {
    test_loop loop;
    int got = 0;
    struct large {
        int values[1000] = {};
    };
    REQUIRE(loop.sched().get_remote().post([&got, unique = std::make_unique<int>(3),
                                            big = large{}] { got = *unique + big.values[7]; }));
    loop.turn();
    CHECK(got == 3);
}

TEST_CASE("every post of several threads is run, each thread's in its order", "[loop][remote]") {
    test_loop loop;
    constexpr int threads = 4;
    constexpr int posts = 5'000;
    const remote to = loop.sched().get_remote();
    int next[threads] = {};
    bool is_ordered = true;
    std::vector<std::thread> posters;
    for (int t = 0; t < threads; ++t) {
        posters.emplace_back([&, t] {
            for (int i = 0; i < posts; ++i)
                static_cast<void>(
                    to.post([&, t, i] { is_ordered = is_ordered && next[t]++ == i; }));
        });
    }
    loop.run_until([&] {
        int sum = 0;
        for (const int each : next)
            sum += each;
        return sum == threads * posts;
    });
    for (std::thread& poster : posters)
        poster.join();
    CHECK(is_ordered);
}

TEST_CASE("posting while the scheduler dies: what was taken is run or abandoned, once",
          "[loop][remote]") {
    constexpr int rounds = 10'000;
    // One long-lived poster; each round hands it a remote of a scheduler that is about to die.
    std::atomic<const remote*> offered{nullptr};
    std::atomic<bool> is_over{false};
    std::atomic<int> accepted{0};
    struct node_t final : post_node {
        explicit node_t(std::atomic<int>& count) : handled{count} {}
        void run() noexcept override { ++handled; }
        void abandon() noexcept override { ++handled; }
        std::atomic<int>& handled;
    };
    std::atomic<int> handled{0};
    std::thread poster{[&] {
        while (!is_over) {
            const remote* const given = offered.exchange(nullptr);
            if (given == nullptr) continue;
            const remote to = *given;
            delete given;
            // A node of each kind: one that is ours, one that is allocated.
            if (to.post([&handled, counts = std::make_unique<int>(1)] { handled += *counts; }))
                ++accepted;
        }
    }};
    for (int i = 0; i < rounds; ++i) {
        node_t node{handled};
        scheduler loop;
        offered = new remote{loop.get_remote()};
        REQUIRE(loop.get_remote().post(node));
        ++accepted;
        if (i % 2 == 0) static_cast<void>(loop.poll_once(std::chrono::nanoseconds{0}));
        delete offered.exchange(nullptr);
    }
    is_over = true;
    poster.join();
    delete offered.exchange(nullptr);
    CHECK(accepted >= rounds);
    CHECK(handled >= rounds); // the functions that were destroyed unrun do not count themselves
    CHECK(handled <= accepted);
}
