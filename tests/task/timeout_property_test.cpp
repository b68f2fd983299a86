// Nested timeouts at random, held against a model. Only the test moves the clock.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task_group.hpp>

#include <support/fake_clock.hpp>
#include <support/test_loop.hpp>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <random>

using namespace dunlin;
using namespace dunlin::test;

namespace {

struct rounds {
    std::deque<time_point> begun; ///< When each began; the last is the present one.
    [[nodiscard]] std::size_t current() const { return begun.size() - 1; }
    /// Whether it is right that something with this deadline that began in `since` ends now.
    [[nodiscard]] bool is_time(time_point deadline, std::size_t since) const {
        if (deadline > begun.back()) return false;
        return since == current() || begun[current() - 1] < deadline;
    }
};

struct draw {
    std::mt19937& random;
    std::chrono::nanoseconds operator()() const {
        constexpr std::int64_t most[] = {3, 1'000, 1'000'000, 5'000'000, 50'000'000};
        return std::chrono::nanoseconds{
            static_cast<std::int64_t>(random() % static_cast<unsigned>(most[random() % 5]))};
    }
};

/// Sleeps under its own limit, in two scopes.
io_task<> inmost(std::chrono::nanoseconds span, std::chrono::nanoseconds limit) {
    co_await sleep_for(span).timeout(limit).or_return();
}
io_task<> inner_scope(std::chrono::nanoseconds span, std::chrono::nanoseconds limit,
                      std::chrono::nanoseconds scope, std::error_code& why) {
    auto ended = co_await inmost(span, limit).timeout(scope);
    why = ended ? std::error_code{} : ended.error();
    co_await or_return(ended);
}

task<> at_random(std::mt19937& random, rounds& time, int times, long& wrong, long& done) {
    const draw next{random};
    for (int i = 0; i < times; ++i) {
        const auto span = next();
        const auto limit = next();
        const auto inner = next();
        const auto outer = next();
        const std::size_t since = time.current();
        const time_point start = time.begun.back();
        std::error_code why_inner;
        auto ended = co_await inner_scope(span, limit, inner, why_inner).timeout(outer);
        const std::error_code why = ended ? std::error_code{} : ended.error();

        const time_point present = time.begun.back();
        const auto is_past = [&](std::chrono::nanoseconds each) { return start + each <= present; };
        const time_point first = start + std::min(std::min(span, limit), std::min(inner, outer));
        bool is_right = time.is_time(first, since);
        if (is_past(span)) {
            is_right = is_right && !why && !why_inner;
        } else if (is_past(outer)) {
            is_right = is_right && why == errc::timeout && why_inner == errc::stopped;
        } else {
            // Of the inner scope or of the sleep: both say so.
            is_right = is_right && why == errc::timeout && why_inner == errc::timeout;
        }
        if (!is_right) ++wrong;
        ++done;
    }
}

} // namespace

TEST_CASE("thousands of nested timeouts at random end when and as a model says",
          "[task][timeout]") {
    test_loop loop;
    std::mt19937 random{GENERATE(1U, 2U, 3U)};
    rounds time;
    long wrong = 0;
    long done = 0;
    task_group group;
    time.begun.push_back(now());
    for (int i = 0; i < 1000; ++i)
        group.spawn(at_random, std::ref(random), std::ref(time), 10, std::ref(wrong),
                    std::ref(done));
    loop.run_until_idle();
    while (!group.is_empty()) {
        REQUIRE(time.begun.size() < 100'000);
        fake_clock::advance(draw{random}() + 1us);
        time.begun.push_back(now());
        loop.run_until_idle();
        if (const auto next = loop.sched().next_deadline(); next && *next > now() + 1ms)
            fake_clock::advance(500us);
        else
            continue;
        time.begun.push_back(now());
        loop.run_until_idle();
    }
    CHECK(done == 10'000);
    CHECK(wrong == 0);
    fake_clock::advance(1s);
    CHECK(loop.turn() == 0);
    CHECK_FALSE(loop.sched().next_deadline().has_value());
}
