// The same work for many items: how many at a time, in which order, and what an error does.
#include <dunlin/task/for_each.hpp>
#include <dunlin/task/sleep.hpp>

#include <support/fake_clock.hpp>
#include <support/forked.hpp>
#include <support/test_loop.hpp>

#include <iterator>
#include <list>
#include <memory>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

const std::error_code refused = std::make_error_code(std::errc::connection_refused);

/// What runs and ran.
struct record {
    int running = 0;
    int most = 0;
    std::vector<int> started, ended;
};

class running {
public:
    running(record& into, int item) : into_{into} {
        into_.started.push_back(item);
        into_.most = std::max(into_.most, ++into_.running);
    }
    running(const running&) = delete;
    running& operator=(const running&) = delete;
    ~running() { --into_.running; }

private:
    record& into_;
};

/// Works on an item for as many milliseconds as it says.
struct worker {
    record* seen;
    io_task<> operator()(int item) const {
        const running here{*seen, item};
        co_await sleep_for(std::chrono::milliseconds{item}).or_return();
        seen->ended.push_back(item);
    }
};

/// Fails at 3, else works for 10 ms.
struct fails_at_three {
    record* seen;
    io_task<> operator()(int item) const {
        const running here{*seen, item};
        if (item == 3) co_await fail(refused);
        co_await sleep_for(10ms).or_return();
        seen->ended.push_back(item);
    }
};

/// Counts up for ever, but for the step from 3.
struct steps {
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    int at = 1;
    int operator*() const { return at; }
    steps& operator++() {
        if (at == 3) throw std::out_of_range{"three"};
        ++at;
        return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return false; }
};

void pass(test_loop& loop, std::chrono::milliseconds span) {
    loop.run_until_idle();
    for (auto passed = 0ms; passed < span; passed += 1ms) {
        fake_clock::advance(1ms);
        loop.run_until_idle();
    }
}

} // namespace

TEST_CASE("so many items are worked on at a time, and the next one when one is done",
          "[task][for_each]") {
    test_loop loop;
    record seen;
    const std::vector items{3, 1, 2, 1, 1};
    auto all = loop.start(for_each_concurrent(items, 2, worker{&seen}));
    loop.run_until_idle();
    CHECK(seen.started == std::vector{3, 1});
    pass(loop, 1ms);
    CHECK(seen.started == std::vector{3, 1, 2});
    pass(loop, 2ms);
    CHECK(seen.started == items);
    CHECK(seen.running == 2);
    REQUIRE_FALSE(all.is_done());
    pass(loop, 1ms);
    REQUIRE(all.is_done());
    CHECK(all.result());
    CHECK(seen.ended == std::vector{1, 3, 2, 1, 1});
    CHECK(seen.most == 2);
    CHECK(seen.running == 0);
}

TEST_CASE("a limit beyond the number of items has all of them run at once, one has them in a row",
          "[task][for_each]") {
    test_loop loop;
    const std::vector items{5, 4, 3, 2, 1};
    record all_seen;
    auto all = loop.start(
        for_each_concurrent(items, std::numeric_limits<std::size_t>::max(), worker{&all_seen}));
    record row_seen;
    auto row = loop.start(for_each_concurrent(items, 1, worker{&row_seen}));
    pass(loop, 5ms);
    REQUIRE(all.is_done());
    CHECK(all_seen.most == 5);
    CHECK(all_seen.ended == std::vector{1, 2, 3, 4, 5});
    REQUIRE_FALSE(row.is_done());
    pass(loop, 10ms);
    REQUIRE(row.is_done());
    CHECK(row_seen.most == 1);
    CHECK(row_seen.ended == items);
}

TEST_CASE("work for no items is over at once", "[task][for_each]") {
    test_loop loop;
    record seen;
    CHECK(loop.run(for_each_concurrent(std::vector<int>{}, 3, worker{&seen})));
    CHECK(seen.started.empty());
}

TEST_CASE("the first error stops the rest, takes no further item and is the result",
          "[task][for_each]") {
    test_loop loop;
    record seen;
    const std::vector items{1, 2, 3, 4, 5, 6, 7, 8};
    auto all = loop.start(for_each_concurrent(items, 5, fails_at_three{&seen}));
    loop.run_until_idle(); // no time passes
    REQUIRE(all.is_done());
    CHECK(all.result().error() == refused);
    CHECK(seen.ended.empty());
    CHECK(seen.running == 0);
    CHECK(seen.started == std::vector{1, 2, 3});
}

TEST_CASE("an exception of an item's task, or of the range, comes out after the rest has ended",
          "[task][for_each]") {
    test_loop loop;
    record seen;
    const auto throws_at_two = [&seen](int item) -> io_task<> {
        const running here{seen, item};
        if (item == 2) throw std::runtime_error{"two"};
        co_await sleep_for(1h).or_return();
    };
    const std::vector items{1, 2, 3};
    CHECK_THROWS_AS(loop.run(for_each_concurrent(items, 3, throws_at_two)), std::runtime_error);
    CHECK(seen.running == 0);
    CHECK(seen.started == std::vector{1, 2});

    const auto throwing = items | std::views::transform([](int item) {
                              if (item == 2) throw std::out_of_range{"two"};
                              return item * 10;
                          });
    CHECK_THROWS_AS(loop.run(for_each_concurrent(throwing, 3, worker{&seen})), std::out_of_range);
    CHECK(seen.running == 0);
    CHECK(seen.started == std::vector{1, 2, 10});
}

TEST_CASE("a stop goes on to the items' tasks, and no further item is taken", "[task][for_each]") {
    test_loop loop;
    record seen;
    const auto ignores = [&seen](int item) -> task<> {
        const running here{seen, item};
        co_await sleep_for(1h).ignore();
        seen.ended.push_back(item);
    };
    const std::vector items{1, 2, 3, 4};
    auto all = loop.start(for_each_concurrent(items, 2, ignores));
    loop.run_until_idle();
    all.stop();
    loop.run_until_idle();
    REQUIRE(all.is_done());
    CHECK(all.result().error() == errc::stopped);
    CHECK(seen.started == std::vector{1, 2});
    CHECK(seen.ended.size() == 2);
}

TEST_CASE("a timeout around it ends the items' tasks and is the result", "[task][for_each]") {
    test_loop loop;
    record seen;
    const std::vector items{1, 50, 60};
    const auto limited = [&]() -> io_task<> {
        co_await for_each_concurrent(items, 2, worker{&seen}).timeout(5ms).or_return();
    };
    auto all = loop.start(limited);
    loop.run_until_idle();
    pass(loop, 5ms);
    REQUIRE(all.is_done());
    CHECK(all.result().error() == errc::timeout);
    CHECK(seen.running == 0);
    CHECK(seen.ended == std::vector{1});
}

TEST_CASE("destroyed under way, it leaves no task behind", "[task][for_each]") {
    test_loop loop;
    record seen;
    auto all = loop.start(for_each_concurrent(std::vector{1, 2, 3}, 2, worker{&seen}));
    loop.run_until_idle();
    CHECK(seen.running == 2);
    all.destroy();
    CHECK(seen.running == 0);
    CHECK_FALSE(loop.sched().next_deadline().has_value());
}

TEST_CASE("items that are read one by one are not read before there is room", "[task][for_each]") {
    test_loop loop;
    std::istringstream words{"1 2 3 4"};
    auto read =
        std::ranges::subrange{std::istream_iterator<int>{words}, std::istream_iterator<int>{}};
    record seen;
    auto all = loop.start(for_each_concurrent(read, 2, worker{&seen}));
    loop.run_until_idle();
    CHECK(seen.started == std::vector{1, 2});
    CHECK(words.tellg() == 3); // two read, no third
    pass(loop, 10ms);
    REQUIRE(all.is_done());
    CHECK(seen.ended == std::vector{1, 2, 3, 4});
}

TEST_CASE("an endless range of computed items is worked through until it is stopped",
          "[task][for_each]") {
    test_loop loop;
    record seen;
    auto all = loop.start(for_each_concurrent(std::views::iota(1), 3, worker{&seen}));
    pass(loop, 12ms);
    CHECK(seen.running == 3);
    CHECK(seen.most == 3);
    CHECK(seen.ended.size() >= 6);
    all.stop();
    loop.run_until_idle();
    CHECK(all.is_done());
}

TEST_CASE("items of a container are handed out by reference, given ones are moved",
          "[task][for_each]") {
    test_loop loop;
    std::list<std::unique_ptr<int>> owned;
    for (int i = 1; i <= 3; ++i)
        owned.push_back(std::make_unique<int>(i));
    const auto doubles = [](std::unique_ptr<int>& item) -> io_task<> {
        co_await sleep_for(1ms).or_return();
        *item *= 2;
    };
    auto in_place = loop.start(for_each_concurrent(owned, 2, doubles));
    pass(loop, 2ms);
    REQUIRE(in_place.is_done());
    CHECK(*owned.back() == 6);

    int sum = 0;
    const auto adds = [&sum](std::unique_ptr<int> item) -> task<> {
        co_await sleep_for(1ms).ignore();
        sum += *item;
    };
    auto moved = loop.start(for_each_concurrent(
        std::ranges::subrange{std::move_iterator{owned.begin()}, std::move_iterator{owned.end()}},
        2, adds));
    pass(loop, 2ms);
    REQUIRE(moved.is_done());
    CHECK(sum == 12);
    CHECK(owned.front() == nullptr);
}

TEST_CASE("a range that throws while it steps on loses none of what it gave", "[task][for_each]") {
    test_loop loop;
    record seen;
    auto all = loop.start(for_each_concurrent(std::ranges::subrange{steps{}, std::default_sentinel},
                                              10, worker{&seen}));
    loop.run_until_idle();
    REQUIRE(all.is_done());
    CHECK_THROWS_AS(all.result(), std::out_of_range);
    CHECK(seen.started == std::vector{1, 2, 3});
    CHECK(seen.running == 0);
}

TEST_CASE("a hundred thousand items whose work never waits need two workers", "[task][for_each]") {
    test_loop loop;
    long sum = 0;
    const auto add = [&sum](int item) -> task<> {
        sum += item;
        co_return;
    };
    CHECK(loop.run(for_each_concurrent(std::views::iota(0, 100'000), 50'000, add)));
    CHECK(sum == 100'000L * 99'999 / 2);
    CHECK(loop.counters().resumptions <= 6);
}

TEST_CASE("a limit of nothing is a bug", "[task][for_each]") {
    const auto became = run_forked([] {
        record seen;
        const auto made = for_each_concurrent(std::vector{1}, 0, worker{&seen});
        return 1;
    });
    CHECK(became.signal == SIGABRT);
    CHECK(became.said("limit > 0"));
}
