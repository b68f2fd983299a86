// `when_all` and `when_any` over ranges: what may be a range, what may be in it, and that nothing
// is left behind. Only the test moves the clock.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>

#include <support/branches.hpp>
#include <support/fake_clock.hpp>
#include <support/net_support.hpp>

#include <array>
#include <list>
#include <memory>
#include <ranges>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<int> value_after_seconds(int count) {
    return value_after(std::chrono::seconds{count}, count);
}
task<int> plain(int value) { co_return value; }

constexpr auto as_sleep = [](int count) { return sleep_for(std::chrono::seconds{count}); };

struct sockets {
    test_loop loop;
    test_loop::connection pairs[3] = {loop.socket_pair(), loop.socket_pair(), loop.socket_pair()};

    /// A view whose elements are reads.
    auto reads() {
        return std::views::all(pairs) |
               std::views::transform([](test_loop::connection& each) { return each.here.read(); });
    }
};

template <class Range>
concept is_taken = requires(Range&& range) { when_all(std::forward<Range>(range)); } &&
                   requires(Range&& range) { when_any(std::forward<Range>(range)); };

// What is const cannot be moved from, and what is no task is none.
static_assert(is_taken<std::vector<task<>>> && is_taken<std::vector<task<>>&>);
static_assert(!is_taken<const std::vector<task<>>&>);
static_assert(!is_taken<std::vector<int>> && !is_taken<std::string&> && !is_taken<int>);
// An operation stays where it is made, so it must be made here.
static_assert(is_taken<decltype(std::views::iota(0) | std::views::transform(as_sleep))>);
static_assert(!is_taken<std::list<sleep_operation>&> && !is_taken<sleep_operation&>);

} // namespace

TEST_CASE("when_all takes any range of tasks, and moves them out of it", "[task][when]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        std::vector<io_task<int>> kept;
        kept.push_back(value_after_seconds(2));
        kept.push_back(value_after_seconds(1));
        const auto of_lvalue = co_await when_all(kept).or_return();
        CHECK(of_lvalue == std::vector{2, 1});
        CHECK(kept.size() == 2); // of tasks that are moved from

        std::list<io_task<int>> linked;
        linked.push_back(value_after_seconds(2));
        linked.push_back(value_after_seconds(1));
        const auto of_list = co_await when_all(std::move(linked)).or_return();
        CHECK(of_list == std::vector{2, 1});

        std::array fixed{value_after_seconds(1), value_after_seconds(2), value_after_seconds(1)};
        const auto of_span = co_await when_all(std::span{fixed}.first(2)).or_return();
        CHECK(of_span == std::vector{1, 2});
        const auto of_rest = co_await when_all(fixed | std::views::drop(2)).or_return();
        CHECK(of_rest == std::vector{1});
    });
    advance_to_end(loop, 7s, started);
    CHECK(started.result());
    CHECK(in_frame::alive == 0);
}

TEST_CASE("when_all takes tasks that a view makes, also one that is read only once",
          "[task][when]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        const auto make = std::views::transform(value_after_seconds);
        const auto values = co_await when_all(std::views::iota(1, 4) | make).or_return();
        CHECK(values == std::vector{1, 2, 3});

        std::istringstream words{"3 1 2"};
        auto numbers = std::ranges::istream_view<int>(words);
        const auto read_once = co_await when_all(numbers | make).or_return();
        CHECK(read_once == std::vector{3, 1, 2});

        std::istringstream more{"2 1"};
        auto others = std::ranges::istream_view<int>(more);
        const auto first = co_await when_any(others | make).or_return();
        CHECK(first.first == 1);
        CHECK(first.second == 1);

        const auto plainly =
            co_await when_all(std::views::iota(5, 7) |
                              std::views::transform([](int i) { return plain(i); }))
                .or_return();
        CHECK(plainly == std::vector{5, 6});
    });
    advance_to_end(loop, 7s, started);
    CHECK(started.result());
    CHECK(in_frame::alive == 0);
}

TEST_CASE("when_all and when_any take vectors of tasks with timeouts of their own",
          "[task][when]") {
    test_loop loop;
    SECTION("all in time") {
        auto started = loop.start([]() -> io_task<> {
            std::vector<scoped_task<result<int>>> several;
            for (int i = 0; i < 20; ++i) // so that it grows and moves them
                several.push_back(value_after(1s, i).timeout(2s));
            const auto values = co_await when_all(std::move(several)).or_return();
            CHECK(values.size() == 20);
            CHECK(values.at(19) == 19);
        });
        advance_to_end(loop, 1s, started);
        CHECK(started.result());
    }
    SECTION("one too late") {
        auto started = loop.start([]() -> io_task<> {
            std::vector<scoped_task<result<int>>> several;
            several.push_back(value_after(3s, 0).timeout(4s));
            several.push_back(value_after(3s, 1).timeout(2s));
            const auto values = co_await when_all(several);
            CHECK(in_frame::alive == 0);
            co_await or_return(values);
        });
        advance_to_end(loop, 2s, started);
        CHECK(started.result().error() == errc::timeout);
    }
    SECTION("the first of them is in time, and the rest is gone by then") {
        auto started = loop.start([]() -> io_task<> {
            std::list<scoped_task<result<void>>> several;
            several.push_back(nothing_after(3s).timeout(4s));
            several.push_back(shield(nothing_after(1s)));
            several.push_back(nothing_after(2s).timeout(1h));
            const auto raced = co_await when_any(std::move(several)).or_return();
            CHECK(in_frame::alive == 0);
            CHECK(raced.first == 1);
        });
        advance_to_end(loop, 1s, started);
        CHECK(started.result());
    }
    SECTION("shielded ones that cannot fail") {
        auto started = loop.start([]() -> io_task<> {
            const auto values =
                co_await when_all(std::views::iota(1, 3) |
                                  std::views::transform([](int i) { return shield(plain(i)); }))
                    .or_return();
            CHECK(values == std::vector{1, 2});
        });
        loop.run_until_idle();
        REQUIRE(started.is_done());
        CHECK(started.result());
    }
    CHECK(in_frame::alive == 0);
}

TEST_CASE("when_all and when_any take operations that a view makes, each once", "[task][when]") {
    test_loop loop;
    int made = 0;
    auto started = loop.start([&]() -> io_task<> {
        const auto counting = [&](int count) {
            ++made;
            return sleep_for(std::chrono::seconds{count});
        };
        const auto counts = std::views::iota(1, 4);
        co_await when_all(counts | std::views::transform(counting)).or_return();
        CHECK(made == 3);
        auto backwards = counts | std::views::reverse | std::views::transform(counting);
        const auto first = co_await when_any(backwards).or_return();
        CHECK(made == 6);
        CHECK(first.first == 2);
        const auto late = co_await when_all(backwards).timeout(1s);
        CHECK(late.error() == errc::timeout);
    });
    advance_to_end(loop, 5s, started);
    CHECK(started.result());
}

TEST_CASE("of the reads in a range that when_any takes one wins, and no other takes anything",
          "[task][when]") {
    sockets several;
    test_loop& loop = several.loop;
    auto started = loop.start([&]() -> io_task<std::string> {
        const auto raced = co_await when_any(several.reads()).or_return();
        CHECK(raced.first == 1);
        co_return std::string{raced.second.text()};
    });
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    several.pairs[1].there.send("second");
    loop.run_until([&] { return started.is_done(); });
    CHECK(started.result().value() == "second");
    for (auto& each : several.pairs) {
        each.there.send("still here");
        CHECK(loop.run(read_text(each.here)).value() == "still here");
    }
}

TEST_CASE("the reads in a range that is destroyed, stopped or never awaited take nothing",
          "[task][when]") {
    sockets several;
    test_loop& loop = several.loop;
    const auto read_all = [&]() -> io_task<> {
        const auto all = co_await when_all(several.reads()).or_return();
        CHECK(all.empty()); // not reached
    };
    SECTION("destroyed while they wait") {
        auto started = loop.start(read_all);
        loop.run_until_idle();
        REQUIRE_FALSE(started.is_done());
        started.destroy();
    }
    SECTION("destroyed in the turn in which they are ready") {
        auto started = loop.start(read_all);
        loop.run_until_idle();
        for (auto& each : several.pairs)
            each.there.send("now");
        started.destroy();
        for (auto& each : several.pairs)
            CHECK(loop.run(read_text(each.here)).value() == "now");
    }
    SECTION("stopped") {
        auto started = loop.start(read_all);
        loop.run_until_idle();
        started.stop();
        loop.run_until_idle();
        REQUIRE(started.is_done());
        CHECK(started.result().error() == errc::stopped);
    }
    SECTION("destroyed before they begin") {
        const auto made = when_all(several.reads());
        const auto timed = when_any(std::views::iota(1, 3) | std::views::transform([](int count) {
                                        return value_after_seconds(count);
                                    }));
    }
    for (auto& each : several.pairs) {
        each.there.send("still here");
        CHECK(loop.run(read_text(each.here)).value() == "still here");
    }
}

TEST_CASE("of an empty range when_all gives none, and when_any is invalid", "[task][when]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        const auto tasks = co_await when_all(std::list<io_task<int>>{}).or_return();
        CHECK(tasks.empty());
        const auto timed = co_await when_all(std::vector<scoped_task<result<int>>>{}).or_return();
        CHECK(timed.empty());
        const auto none = std::views::iota(0, 0) | std::views::transform(as_sleep);
        co_await when_all(none).or_return();
        std::istringstream nothing;
        auto words = std::ranges::istream_view<int>(nothing);
        const auto once = co_await when_all(words | std::views::transform(value_after_seconds));
        CHECK(once.value().empty());

        const auto no_operation = co_await when_any(none);
        CHECK(no_operation.error() == std::errc::invalid_argument);
        const auto no_task = co_await when_any(std::span<io_task<int>>{});
        CHECK(no_task.error() == std::errc::invalid_argument);
    });
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result());
}

TEST_CASE("an exception of the range comes out of the call, and nothing is left", "[task][when]") {
    test_loop loop;
    const std::weak_ptr<int> kept_by_tasks = [] {
        auto counted = std::make_shared<int>(0);
        const auto holds = [](std::shared_ptr<int>) -> io_task<> { co_return; };
        const auto throw_at_third = [&](int i) {
            if (i == 2) throw std::runtime_error{"third"};
            return holds(counted);
        };
        const auto with_timeout = [&](int i) { return throw_at_third(i).timeout(1s); };
        const auto counts = std::views::iota(0, 4);
        CHECK_THROWS_AS(static_cast<void>(when_all(counts | std::views::transform(throw_at_third))),
                        std::runtime_error);
        CHECK_THROWS_AS(static_cast<void>(when_any(counts | std::views::transform(with_timeout))),
                        std::runtime_error);
        return std::weak_ptr{counted};
    }();
    CHECK(kept_by_tasks.expired());
}
