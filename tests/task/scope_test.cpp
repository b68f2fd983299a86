// Tasks under deadlines: nested ones, what passes a scope unchanged, and what a scope does around a
// task that waits in different ways or not at all. Only the test moves the clock.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>

#include <support/branches.hpp>
#include <support/fake_clock.hpp>
#include <support/net_support.hpp>

#include <stdexcept>

using namespace dunlin;
using namespace dunlin::test;

namespace {

const std::error_code refused = std::make_error_code(std::errc::connection_refused);

std::error_code error_of(const result<void>& ended) {
    return ended ? std::error_code{} : ended.error();
}

io_task<> nap(std::chrono::nanoseconds span) { co_await sleep_for(span).or_return(); }

/// A nap that says how it ended.
io_task<> told_nap(std::chrono::nanoseconds span, std::error_code& why) {
    auto ended = co_await sleep_for(span);
    why = error_of(ended);
    co_await or_return(ended);
}

struct nested {
    std::error_code leaf;
    std::error_code inner;
    std::error_code outer;

    io_task<> within(std::chrono::nanoseconds span, std::chrono::nanoseconds inner_limit) {
        auto ended = co_await told_nap(span, leaf).timeout(inner_limit);
        inner = error_of(ended);
        co_await or_return(ended);
    }
    io_task<> whole(std::chrono::nanoseconds span, std::chrono::nanoseconds inner_limit,
                    std::chrono::nanoseconds outer_limit) {
        auto ended = co_await within(span, inner_limit).timeout(outer_limit);
        outer = error_of(ended);
        co_await or_return(ended);
    }
};

io_task<int> fails_within() {
    co_await fail(refused);
    co_return 1;
}
io_task<int> succeeds_within(std::chrono::nanoseconds span) {
    co_await sleep_for(span).ignore();
    co_return 7;
}
io_task<int> throws_within(std::chrono::nanoseconds span) {
    co_await sleep_for(span).ignore();
    throw std::runtime_error{"from within"};
}
io_task<int> fails_late() {
    co_await sleep_for(1h).ignore();
    co_return refused;
}

template <class T>
io_task<T> in_scope(io_task<T> inside, std::chrono::nanoseconds limit) {
    const auto value = co_await std::move(inside).timeout(limit).or_return();
    co_return value;
}

io_task<> three_deep(std::chrono::nanoseconds a, std::chrono::nanoseconds b,
                     std::chrono::nanoseconds c, std::chrono::nanoseconds span, int& ran) {
    const auto bottom = [](std::chrono::nanoseconds d, int& count) -> io_task<> {
        co_await sleep_for(d).or_return();
        ++count;
    };
    const auto third = [&bottom](std::chrono::nanoseconds l, std::chrono::nanoseconds d,
                                 int& count) -> io_task<> {
        co_await bottom(d, count).timeout(l).or_return();
        ++count;
    };
    const auto second = [&third](std::chrono::nanoseconds k, std::chrono::nanoseconds l,
                                 std::chrono::nanoseconds d, int& count) -> io_task<> {
        co_await third(l, d, count).timeout(k).or_return();
        ++count;
    };
    co_await second(b, c, span, ran).timeout(a).or_return();
    ++ran;
}

} // namespace

TEST_CASE("the inner deadline is a timeout of the inner scope", "[task][scope]") {
    test_loop loop;
    nested n;
    auto started = loop.start(n.whole(1h, 1s, 2s));
    advance_to_end(loop, 1s, started);
    CHECK(n.leaf == errc::stopped);
    CHECK(n.inner == errc::timeout);
    CHECK(n.outer == errc::timeout); // passed on as it was
    CHECK_FALSE(started.result());
}

TEST_CASE("the outer deadline stops what is inside and is a timeout of the outer scope only",
          "[task][scope]") {
    test_loop loop;
    nested n;
    std::chrono::nanoseconds inner = 2s;
    SECTION("later") {}
    SECTION("equal") { inner = 1s; }
    SECTION("none") { inner = std::chrono::nanoseconds::max(); }
    auto started = loop.start(n.whole(1h, inner, 1s));
    advance_to_end(loop, 1s, started);
    CHECK(n.leaf == errc::stopped);
    CHECK(n.inner == errc::stopped);
    CHECK(n.outer == errc::timeout);
}

TEST_CASE("deadlines that pass in one turn count as the outermost", "[task][scope]") {
    test_loop loop;
    nested n;
    auto started = loop.start(n.whole(1h, 1s, 2s));
    loop.run_until_idle();
    fake_clock::advance(3s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(n.inner == errc::stopped);
    CHECK(n.outer == errc::timeout);
}

TEST_CASE("what is over when its deadline comes has succeeded", "[task][scope]") {
    test_loop loop;
    nested n;
    auto started = loop.start(n.whole(1s, 1s, 1s));
    advance_to_end(loop, 1s, started);
    CHECK(started.result());
    CHECK_FALSE(n.leaf);
}

TEST_CASE("any other end passes a scope unchanged, after its deadline, too", "[task][scope]") {
    test_loop loop;
    CHECK(loop.run(in_scope(fails_within(), 1s)).error() == refused);
    CHECK(loop.run(in_scope(succeeds_within(0ns), 1s)).value() == 7);
    CHECK_THROWS_AS(loop.run(in_scope(throws_within(0ns), 1s)), std::runtime_error);

    auto fails = loop.start(in_scope(fails_late(), 1s));
    auto succeeds = loop.start(in_scope(succeeds_within(1h), 1s));
    auto throws = loop.start(in_scope(throws_within(1h), 1s));
    loop.run_until_idle();
    fake_clock::advance(1s);
    loop.run_until_idle();
    CHECK(fails.result().error() == refused);
    CHECK(succeeds.result().value() == 7);
    CHECK_THROWS_AS(throws.result(), std::runtime_error);
}

TEST_CASE("a scope around a task that never waits is left without a timer", "[task][scope]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<int> {
        const auto computes = []() -> io_task<int> {
            fake_clock::advance(1h); // long past its deadline
            co_return 3;
        };
        const int value = co_await computes().timeout(1s).or_return();
        co_return value;
    });
    loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().value() == 3);
    CHECK_FALSE(loop.sched().next_deadline().has_value());
}

TEST_CASE("the first wait after the deadline passed unnoticed ends with it", "[task][scope]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        const auto computes = []() -> io_task<> {
            fake_clock::advance(2s);
            co_await sleep_for(1h).or_return();
        };
        co_await computes().timeout(1s).or_return();
    });
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::timeout);
}

TEST_CASE("a task that never waits but spends its budget hears of its deadline", "[task][scope]") {
    test_loop loop;
    long rounds = 0;
    auto started = loop.start([&rounds]() -> io_task<> {
        const auto spins = [](long& count) -> io_task<> {
            for (;;) {
                co_await sleep_for(0ns).or_return();
                ++count;
                fake_clock::advance(1ms);
            }
        };
        co_await spins(rounds).timeout(1s).or_return();
    });
    loop.run_until([&] { return started.is_done(); });
    CHECK(started.result().error() == errc::timeout);
    CHECK(rounds >= 1000);
    CHECK(rounds < 1300);
}

TEST_CASE("an error passed up through several scopes leaves each", "[task][scope]") {
    test_loop loop;
    int ran = 0;
    SECTION("the innermost deadline") {
        auto started = loop.start(three_deep(3s, 2s, 1s, 1h, ran));
        advance_to_end(loop, 1s, started);
        CHECK(started.result().error() == errc::timeout);
        CHECK(ran == 0);
    }
    SECTION("the middle one") {
        auto started = loop.start(three_deep(3s, 1s, 2s, 1h, ran));
        advance_to_end(loop, 1s, started);
        CHECK(started.result().error() == errc::timeout);
    }
    SECTION("none") {
        auto started = loop.start(three_deep(3s, 2s, 1s, 1ms, ran));
        advance_to_end(loop, 1ms, started);
        CHECK(started.result());
        CHECK(ran == 4);
    }
    SECTION("a stop") {
        auto started = loop.start(three_deep(3s, 2s, 1s, 1h, ran));
        loop.run_until_idle();
        started.stop();
        loop.run_until_idle();
        REQUIRE(started.is_done());
        CHECK(started.result().error() == errc::stopped);
    }
    fake_clock::advance(1h);
    CHECK(loop.turn() == 0); // no scope is left
}

TEST_CASE("a scope that was left has no part in what comes after it", "[task][scope]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        co_await nap(1h).timeout(1s).ignore();
        co_await sleep_for(5s).or_return(); // not stopped
        co_await nap(1ms).timeout(1s).or_return();
        co_await sleep_for(5s).or_return();
    });
    loop.run_until_idle();
    fake_clock::advance(1s);
    loop.run_until_idle();
    fake_clock::advance(5s);
    loop.run_until_idle();
    fake_clock::advance(1ms);
    loop.run_until_idle();
    fake_clock::advance(1s);
    CHECK(loop.turn() == 0);
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(4s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result());
}

TEST_CASE("a stop wins over a deadline, whichever comes first", "[task][scope]") {
    test_loop loop;
    nested n;
    auto started = loop.start(n.whole(1h, 1s, 2s));
    loop.run_until_idle();
    SECTION("before it") {
        started.stop();
        loop.run_until_idle();
    }
    SECTION("in the same turn") {
        started.stop();
        fake_clock::advance(1s);
        loop.turn();
    }
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::stopped);
    CHECK(n.inner == errc::stopped);
    CHECK(n.outer == errc::stopped);
}

TEST_CASE("a stop after a deadline, while the task still ends, is what it reports",
          "[task][scope]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    auto started = loop.start(
        [](tcp_socket& sock) -> io_task<> {
            const auto slow_to_end = [](tcp_socket& on) -> io_task<> {
                auto ended = co_await sleep_for(1h);
                co_await shield(read_text(on)).ignore();
                co_await or_return(ended);
            };
            co_await slow_to_end(sock).timeout(1s).or_return();
        },
        here);
    loop.run_until_idle();
    fake_clock::advance(1s);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done()); // it returns only when the work has really stopped
    std::error_code expected = errc::timeout;
    SECTION("with a stop") {
        started.stop();
        loop.run_until_idle();
        REQUIRE_FALSE(started.is_done());
        expected = errc::stopped;
    }
    SECTION("without") {}
    there.send("x");
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == expected);
}

TEST_CASE("the deadline in force can be asked for anywhere", "[task][scope]") {
    test_loop loop;
    CHECK_FALSE(current_deadline().has_value());
    CHECK_FALSE(time_left().has_value());
    const time_point start = now();
    std::vector<std::optional<std::chrono::nanoseconds>> seen;
    const auto note = [&]() {
        const auto deadline = current_deadline();
        seen.push_back(deadline ? std::optional{*deadline - start} : std::nullopt);
    };
    const auto notes = [&note]() -> io_task<> {
        note();
        co_return;
    };
    const auto notes_shielded = [&]() -> io_task<> {
        note();                                                      // 5 s
        co_await shield(notes()).or_return();                        // none
        co_await shield(notes()).timeout(9s).or_return();            // 9 s, whatever is outside
        co_await notes().timeout(1h).or_return();                    // 5 s
        co_await notes().timeout(1s).or_return();                    // 1 s
        co_await when_all(notes(), notes().timeout(2s)).or_return(); // 5 s, 2 s
        co_await when_all(notes()).timeout(3s).or_return();          // 3 s
        co_await when_any(shield(notes())).or_return();              // none
        note();                                                      // 5 s
    };
    auto started = loop.start([&]() -> io_task<> {
        note(); // none
        co_await notes_shielded().timeout(5s).or_return();
        note(); // none
        co_await when_all(notes_shielded().timeout(5s)).or_return();
    });
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result());
    using some = std::vector<std::optional<std::chrono::nanoseconds>>;
    const some within{5s, std::nullopt, 9s, 5s, 1s, 5s, 2s, 3s, std::nullopt, 5s};
    some expected{std::nullopt};
    expected.insert(expected.end(), within.begin(), within.end());
    expected.emplace_back(std::nullopt);
    expected.insert(expected.end(), within.begin(), within.end());
    CHECK(seen == expected);
}

TEST_CASE("after the deadline no time is left, rather than no deadline", "[task][scope]") {
    test_loop loop;
    std::optional<std::chrono::nanoseconds> before;
    std::optional<std::chrono::nanoseconds> after;
    std::optional<std::chrono::nanoseconds> outside = 1ns;
    auto started = loop.start([&]() -> io_task<> {
        const auto looks = [&]() -> io_task<> {
            before = time_left();
            co_await sleep_for(1h).ignore();
            after = time_left();
        };
        co_await looks().timeout(1s).ignore();
        outside = time_left();
    });
    loop.run_until_idle();
    fake_clock::advance(2s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(before == 1s);
    CHECK(after == 0ns);
    CHECK(outside == std::nullopt);
}
