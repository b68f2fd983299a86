// Memory: timeouts, shields and races allocate nothing once the pools are warm; and whichever
// allocation is refused, the error comes out (and nothing leaks, says ASan). Only the test moves
// the clock.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>

#include <support/counted_new.hpp>
#include <support/fake_clock.hpp>
#include <support/net_support.hpp>
#include <support/refused_scene.hpp>

#include <ranges>
#include <sstream>
#include <sys/socket.h>
#include <utility>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<int> value(int given) {
    co_await sleep_for(1ns).timeout(1h).ignore();
    co_return given;
}

/// Steps that came out right. (Catch's assertions may allocate.)
thread_local int rights = 0;

io_task<> all_of_three() {
    auto both = co_await when_all(value(1), value(2).timeout(1h), sleep_for(1ns)).or_return();
    auto& [one, two, none] = both;
    rights += one + two == 3 && none == no_value{};
}
io_task<> one_of_two() {
    auto raced = co_await when_any(sleep_for(1h), value(3)).timeout(1h).or_return();
    rights += raced.index() == 1;
}
io_task<> shielded() {
    const int got = co_await shield(value(4)).timeout(1s).or_return();
    rights += got == 4;
    co_await shield(sleep_for(1ns)).or_return();
}
io_task<> late() {
    auto ended = co_await value(5).timeout(0s);
    rights += !ended || ended.value() == 5;
    co_await or_return(std::move(ended));
}

/// Everything that this part of the library has, once. In several, as the pools keep no frame of
/// more than a kilobyte.
io_task<> scene() {
    co_await all_of_three().or_return();
    co_await one_of_two().or_return();
    co_await shielded().or_return();
    co_await late().or_return();
}

io_task<> scene_with_vectors() {
    co_await scene().or_return();
    std::vector<io_task<int>> several;
    several.push_back(value(1));
    several.push_back(value(2));
    auto values = co_await when_all(std::move(several)).or_return();
    rights += values.size() == 2;
    std::vector<io_task<int>> racing;
    racing.push_back(value(1));
    racing.push_back(value(2));
    auto first = co_await when_any(std::move(racing)).or_return();
    rights += first.first == 0;
}

constexpr auto as_value = [](int given) { return value(given); };
constexpr auto as_timed = [](int given) { return value(given).timeout(1h); };
constexpr auto as_sleep = [](int span) { return sleep_for(std::chrono::nanoseconds{span}); };

/// Nothing but ranges: of tasks, of others, and one that is gone through once.
io_task<> scene_with_ranges() {
    const auto numbers = std::views::iota(1, 4);
    const auto values = co_await when_all(numbers | std::views::transform(as_value)).or_return();
    rights += values.size() == 3;
    const auto timed = co_await when_any(numbers | std::views::transform(as_timed)).or_return();
    rights += timed.first == 0;
    co_await when_all(numbers | std::views::transform(as_sleep)).or_return();
    const auto slept = co_await when_any(numbers | std::views::transform(as_sleep)).or_return();
    rights += slept.first == 0;
    std::istringstream text{"1 2 3"};
    auto words = std::ranges::istream_view<int>(text);
    const auto once = co_await when_all(words | std::views::transform(as_timed)).or_return();
    rights += once.size() == 3;
}

io_task<> repeat(int times) {
    for (int i = 0; i < times; ++i)
        co_await scene().or_return();
}

io_task<> echo_with_timeouts(tcp_socket& sock, int times) {
    for (int i = 0; i < times; ++i) {
        const auto data = co_await sock.read().timeout(1h).or_return();
        co_await sock.write(data).timeout(1h).or_return();
    }
}

} // namespace

TEST_CASE("scopes, shields and races allocate nothing in steady state", "[task][memory]") {
    if (!has_pools()) return;
    test_loop loop;
    const auto play = [&loop](int times) {
        auto started = loop.start(repeat(times));
        const long before = allocations();
        while (!started.is_done()) {
            static_cast<void>(loop.sched().poll_once(0ns));
            fake_clock::advance(1ns);
        }
        const long made = allocations() - before;
        CHECK(started.result());
        CHECK(std::exchange(rights, 0) == 4 * times);
        return made;
    };
    static_cast<void>(play(2)); // fills the pools
    CHECK(play(200) == 0);
}

TEST_CASE("a timeout on every read and write allocates nothing", "[task][memory]") {
    if (!has_pools()) return;
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    auto started = loop.start(echo_with_timeouts(here, 1002));
    long before = 0;
    char answer[8];
    for (int i = 0; i < 1001; ++i) {
        if (i == 1) before = allocations();
        static_cast<void>(loop.sched().poll_once(0ns));
        if (::send(there.fd().get(), "x", 1, 0) != 1) break;
        while (::recv(there.fd().get(), answer, sizeof answer, MSG_DONTWAIT) != 1)
            static_cast<void>(loop.sched().poll_once(0ns));
    }
    const long made = allocations() - before;
    CHECK(made == 0);
    CHECK_FALSE(started.is_done());
}

TEST_CASE("a range costs a block for its branches, and one for what is no task", "[task][memory]") {
    if (!has_pools()) return;
    test_loop loop;
    const auto cost_of = [&loop](auto make) {
        long made = 0;
        const auto once = [&]() -> io_task<> {
            auto several = make();
            const long before = allocations();
            co_await when_all(several).or_return();
            made = allocations() - before;
        };
        for (int round = 0; round < 2; ++round) { // the first one fills the pools
            auto started = loop.start(once);
            while (!started.is_done()) {
                static_cast<void>(loop.sched().poll_once(0ns));
                fake_clock::advance(1ns);
            }
            CHECK(started.result());
        }
        return made;
    };
    const auto numbers = std::views::iota(1, 4);
    const auto in_vector = [](auto range) {
        std::vector<std::ranges::range_value_t<decltype(range)>> all;
        for (auto&& each : range)
            all.push_back(std::move(each));
        return all;
    };
    const auto as_nothing = [](int given) -> io_task<> { co_await value(given).ignore(); };
    CHECK(cost_of([=] { return in_vector(numbers | std::views::transform(as_nothing)); }) == 1);
    CHECK(cost_of([=] { return in_vector(numbers | std::views::transform(as_value)); }) == 2);
    CHECK(cost_of([=] { return in_vector(numbers | std::views::transform(as_timed)); }) == 3);
    CHECK(cost_of([=] { return numbers | std::views::transform(as_sleep); }) == 2);
    CHECK(cost_of([] { return std::vector<io_task<int>>{}; }) == 0);
}

TEST_CASE("whichever allocation of a race is refused, it ends with that error", "[task][memory]") {
    const bool of_ranges = GENERATE(false, true);
    int right = 0;
    const auto play = [of_ranges, &right]() -> io_task<> {
        rights = 0; // this thread's
        if (of_ranges)
            co_await scene_with_ranges().or_return();
        else
            co_await scene_with_vectors().or_return();
        right = rights;
    };
    const auto advance = [](scheduler& loop) {
        static_cast<void>(loop.poll_once(0ns));
        fake_clock::advance(1ns);
    };
    long errors = 0;
    const long count = play_all_refused(play, advance, [&](const refused_scene& seen) {
        CHECK((seen.threw || seen.why == std::errc::not_enough_memory)); // thrown: the vectors'
        if (!seen.threw) ++errors;
        right = 0;
    });
    CHECK(right == (of_ranges ? 4 : 6));
    CHECK(errors > 2);
    CHECK(count > errors);
}
