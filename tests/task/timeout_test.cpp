// Timeouts of single operations and of tasks: which spans there are, and what equal and past
// deadlines do. Only the test moves the clock.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>

#include <support/fake_clock.hpp>
#include <support/net_support.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> nap(std::chrono::nanoseconds span) { co_await sleep_for(span).or_return(); }

template <class Limit>
io_task<> limited_nap(Limit limit) {
    co_await sleep_for(1h).timeout(limit).or_return();
}
io_task<> limited_nap_until(time_point limit) { co_await sleep_for(1h).until(limit).or_return(); }
template <class Limit>
io_task<> nap_in_scope(Limit limit) {
    co_await nap(1h).timeout(limit).or_return();
}
io_task<> nap_in_scope_until(time_point limit) { co_await nap(1h).until(limit).or_return(); }
template <class Limit>
io_task<> raced_nap(Limit limit) {
    co_await when_any(sleep_for(1h)).timeout(limit).ignore();
    co_await when_all(sleep_for(1h)).timeout(limit).or_return();
}
template <class Limit>
io_task<> limited_close(tcp_socket& sock, Limit limit) {
    co_await sock.lingering_close(1h).timeout(limit).or_return();
}
template <class Limit>
io_task<> limited_read(tcp_socket& sock, Limit limit) {
    co_await sock.read().timeout(limit).ignore();
    const auto data = co_await sock.read().timeout(limit).or_return();
    CHECK(data.is_end());
}

/// The greatest number of seconds that the clock's range still holds.
template <class Float>
std::chrono::duration<Float> nearly_for_ever() {
    auto most = static_cast<Float>(9223372036.854775807L);
    while (static_cast<long double>(most) >= 9223372036.854775807L)
        most = std::nextafter(most, Float{});
    return std::chrono::duration<Float>{most};
}

/// Over with `timeout` before the clock moves at all.
template <class T>
void check_over_at_once(test_loop& loop, pending<T> started) {
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::timeout);
}

/// Lasts as long as the sleep itself.
template <class T>
void check_lasts(test_loop& loop, pending<T> started) {
    loop.run_until_idle();
    fake_clock::advance(1h - 1ns);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(1ns);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result());
}

template <class Limit>
void check_all_over_at_once(Limit limit) {
    test_loop loop;
    check_over_at_once(loop, loop.start(limited_nap(limit)));
    check_over_at_once(loop, loop.start(nap_in_scope(limit)));
    check_over_at_once(loop, loop.start(raced_nap(limit)));
    auto [here, there] = loop.tcp_pair();
    check_over_at_once(loop, loop.start(limited_read(here, limit)));
    check_over_at_once(loop, loop.start(limited_close(here, limit)));
}

template <class Limit>
void check_all_last(Limit limit) {
    test_loop loop;
    check_lasts(loop, loop.start(limited_nap(limit)));
    check_lasts(loop, loop.start(nap_in_scope(limit)));
}

} // namespace

TEST_CASE("a timeout of nothing, or of less, is over as soon as there is a wait",
          "[task][timeout]") {
    SECTION("zero") { check_all_over_at_once(0s); }
    SECTION("less") { check_all_over_at_once(-1ns); }
    SECTION("hours ago") { check_all_over_at_once(std::chrono::hours{-100'000}); }
    SECTION("the least number of nanoseconds") {
        check_all_over_at_once(std::chrono::nanoseconds::min());
    }
    SECTION("the least number of hours") { check_all_over_at_once(std::chrono::hours::min()); }
    SECTION("minus infinity") {
        check_all_over_at_once(
            std::chrono::duration<double>{-std::numeric_limits<double>::infinity()});
    }
}

TEST_CASE("a deadline in the past is over as soon as there is a wait", "[task][timeout]") {
    test_loop loop;
    for (const time_point past : {now(), now() - 1ns, time_point{}, time_point{-1ns},
                                  time_point::min(), time_point::min() + 1ns}) {
        check_over_at_once(loop, loop.start(limited_nap_until(past)));
        check_over_at_once(loop, loop.start(nap_in_scope_until(past)));
    }
}

TEST_CASE("a timeout beyond the clock's range never ends anything", "[task][timeout]") {
    SECTION("hours") { check_all_last(std::chrono::hours::max()); }
    SECTION("nanoseconds") { check_all_last(std::chrono::nanoseconds::max()); }
    SECTION("years") { check_all_last(std::chrono::years::max()); }
    SECTION("infinity") {
        check_all_last(std::chrono::duration<double>{std::numeric_limits<double>::infinity()});
    }
    SECTION("no number") { check_all_last(std::chrono::duration<float>{std::nanf("")}); }
    SECTION("the greatest double below it") { check_all_last(nearly_for_ever<double>()); }
    SECTION("the greatest float below it") { check_all_last(nearly_for_ever<float>()); }
    SECTION("the greatest long double below it") { check_all_last(nearly_for_ever<long double>()); }
}

TEST_CASE("spans below a millisecond and in fractions are kept to the nanosecond",
          "[task][timeout]") {
    test_loop loop;
    const auto check_after = [&loop](std::chrono::nanoseconds expected, pending<result<void>> it) {
        loop.run_until_idle();
        fake_clock::advance(expected - 1ns);
        loop.run_until_idle();
        REQUIRE_FALSE(it.is_done());
        fake_clock::advance(1ns);
        loop.run_until_idle();
        REQUIRE(it.is_done());
        CHECK(it.result().error() == errc::timeout);
    };
    check_after(1us, loop.start(limited_nap(1us)));
    check_after(1us, loop.start(nap_in_scope(1us)));
    check_after(7ns, loop.start(limited_nap(7ns)));
    check_after(7ns, loop.start(nap_in_scope(7ns)));
    check_after(250'100ns,
                loop.start(limited_nap(std::chrono::duration<double, std::milli>{0.2501})));
    check_after(2ns, loop.start(nap_in_scope(std::chrono::duration<double, std::nano>{1.5})));
    check_after(1ns, loop.start(limited_nap(std::chrono::duration<int, std::pico>{1})));
}

TEST_CASE("of several timeouts of one operation the last counts", "[task][timeout]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        co_await sleep_for(1h).timeout(1ms).until(now() + 3s).timeout(2s).or_return();
    });
    loop.run_until_idle();
    fake_clock::advance(2s - 1ns);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(1ns);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::timeout);
}

TEST_CASE("a sleep whose end and whose timeout come in one turn has succeeded", "[task][timeout]") {
    test_loop loop;
    const auto both = [](std::chrono::nanoseconds span,
                         std::chrono::nanoseconds limit) -> io_task<> {
        co_await sleep_for(span).timeout(limit).or_return();
    };
    auto equal = loop.start(both, 5ms, 5ms);
    auto limit_first = loop.start(both, 5ms, 4ms);
    auto sleep_first = loop.start(both, 4ms, 5ms);
    loop.run_until_idle();
    fake_clock::advance(5ms);
    CHECK(loop.turn() == 3);
    CHECK(equal.result());
    CHECK(limit_first.result());
    CHECK(sleep_first.result());
}

TEST_CASE("a thousand timeouts of one deadline end in the order in which they began",
          "[task][timeout]") {
    test_loop loop;
    std::vector<int> order;
    task_group group;
    const auto sleeper = [](int number, std::vector<int>& into) -> task<> {
        switch (number % 3) {
        case 0:
            co_await sleep_for(1s).ignore();
            break;
        case 1:
            co_await sleep_for(1h).timeout(1s).ignore();
            break;
        default:
            co_await nap(1h).timeout(1s).ignore();
            break;
        }
        into.push_back(number);
    };
    for (int i = 0; i < 1000; ++i)
        group.spawn(sleeper, i, std::ref(order));
    loop.run_until_idle();
    fake_clock::advance(1s - 1ns);
    loop.run_until_idle();
    REQUIRE(order.empty());
    fake_clock::advance(1ns);
    loop.run_until_idle();
    REQUIRE(order.size() == 1000);
    CHECK(std::is_sorted(order.begin(), order.end()));
    CHECK_FALSE(loop.sched().next_deadline().has_value());
}

TEST_CASE("a timer that is left armed neither wakes nor ends what comes after", "[task][timeout]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    int steps = 0;
    auto started = loop.start(
        [&steps](tcp_socket& sock) -> io_task<> {
            const auto first = co_await sock.read().timeout(1s).or_return();
            ++steps;
            const auto second = co_await sock.read().or_return();
            ++steps;
            const auto third = co_await sock.read().timeout(10s).or_return();
            CHECK(first.text() != second.text());
            CHECK(second.text() != third.text());
        },
        here);
    loop.run_until_idle();
    there.send("1");
    loop.run_until_idle();
    REQUIRE(steps == 1);
    fake_clock::advance(1s); // the first read's deadline, in the second's wait
    CHECK(loop.turn() == 0);
    CHECK_FALSE(loop.sched().next_deadline().has_value());
    there.send("2");
    loop.run_until_idle();
    REQUIRE(steps == 2);
    fake_clock::advance(10s - 1ns);
    CHECK(loop.turn() == 0);
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(1ns);
    CHECK(loop.turn() == 1);
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::timeout);
}

TEST_CASE("a shorter timeout after a longer one ends in its own time", "[task][timeout]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    auto started = loop.start(
        [](tcp_socket& sock) -> io_task<> {
            co_await sock.read().timeout(1h).ignore();
            co_await sock.read().timeout(1ms).ignore();
            const auto last = co_await sock.read().timeout(1s).or_return();
            CHECK(last.is_end()); // never
        },
        here);
    loop.run_until_idle();
    there.send("1");
    loop.run_until_idle();
    fake_clock::advance(1ms);
    CHECK(loop.turn() == 1);
    fake_clock::advance(1s - 1ns);
    CHECK(loop.turn() == 0);
    fake_clock::advance(1ns);
    CHECK(loop.turn() == 1);
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::timeout);
    fake_clock::advance(2h);
    CHECK(loop.turn() == 0);
}

TEST_CASE("a deadline that had passed when a sleep began outlives a wake-up for nothing",
          "[task][timeout]") {
    test_loop loop;
    task_group group;
    result<void> ended = success();
    group.spawn([&ended]() -> task<> {
        auto got = co_await nap(1h).until(time_point{1ns});
        ended = got;
    });
    // In the turn in which it begins to wait, another task wakes it.
    group.spawn([&group]() -> task<> {
        group.request_drain();
        co_return;
    });
    loop.run_until_idle();
    REQUIRE(group.is_empty());
    CHECK(ended.error() == errc::timeout);
}

TEST_CASE("a hundred thousand timeouts are armed, left, and armed again in no time",
          "[task][timeout]") {
    test_loop loop;
    task_group group;
    long over = 0;
    const auto sleeper = [](int number, long& count) -> task<> {
        const std::chrono::nanoseconds span{number};
        co_await sleep_for(1h).timeout(1ms + span).ignore();
        co_await sleep_for(1ms).timeout(1h).ignore();
        ++count;
    };
    for (int i = 0; i < 100'000; ++i)
        group.spawn(sleeper, i, std::ref(over));
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < 40; ++i) {
        loop.run_until_idle();
        fake_clock::advance(100us);
    }
    loop.run_until_idle();
    CHECK(over == 100'000);
    CHECK(group.is_empty());
    CHECK(std::chrono::steady_clock::now() - began < 20s);
}
