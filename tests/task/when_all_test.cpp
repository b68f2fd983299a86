// `when_all`: what it gives, and what the first error does to the rest. Only the test moves the
// clock.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>

#include <support/branches.hpp>
#include <support/fake_clock.hpp>
#include <support/net_support.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

const std::error_code refused = std::make_error_code(std::errc::connection_refused);
const std::error_code broken = std::make_error_code(std::errc::broken_pipe);

task<int> plain(int value) { co_return value; }
task<> plain_nothing() { co_return; }
unsigned failed_at = 0;
io_task<int> error_after(std::chrono::nanoseconds span, std::error_code why) {
    const in_frame here;
    co_await sleep_for(span).ignore();
    failed_at = std::source_location::current().line() + 1;
    co_await fail(why);
    co_return 0;
}
io_task<int> throw_after(std::chrono::nanoseconds span, const char* what) {
    const in_frame here;
    co_await sleep_for(span).ignore();
    throw std::runtime_error{what};
}
} // namespace

TEST_CASE("when_all gives the values in the order of its arguments", "[task][when]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        auto several =
            co_await when_all(value_after(3s, 1), plain(2), nothing_after(1s), owned_after(2s, 4),
                              plain_nothing(), sleep_for(1s), value_after(1s, 7).timeout(2s),
                              shield(plain(8)), shield(value_after(1s, 9)), shield(plain_nothing()))
                .or_return();
        auto& [a, b, c, d, e, f, g, h, i, j] = several;
        static_assert(std::is_same_v<decltype(several),
                                     std::tuple<int, int, no_value, std::unique_ptr<int>, no_value,
                                                no_value, int, int, int, no_value>>);
        CHECK(a == 1);
        CHECK(b == 2);
        CHECK(c == no_value{});
        CHECK(*d == 4);
        CHECK(e == f);
        CHECK(g == 7);
        CHECK(h == 8);
        CHECK(i == 9);
        CHECK(j == no_value{});
        CHECK(in_frame::alive == 0);
    });
    advance_to_end(loop, 3s, started);
    CHECK(started.result());
}

TEST_CASE("when_all of what gives nothing gives nothing", "[task][when]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        const auto none = co_await when_all(nothing_after(1s), plain_nothing(), sleep_for(2s));
        static_assert(std::is_same_v<decltype(none), const result<void>>);
        co_await or_return(none);
        co_await when_all(std::vector<task<>>{}).or_return();
        std::vector<io_task<>> several;
        several.push_back(nothing_after(1s));
        several.push_back(nothing_after(2s));
        co_await when_all(std::move(several)).or_return();
    });
    advance_to_end(loop, 4s, started);
    CHECK(started.result());
    CHECK(in_frame::alive == 0);
}

TEST_CASE("when_all of a vector gives a vector in the same order", "[task][when]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        std::vector<io_task<std::unique_ptr<int>>> several;
        for (int i = 0; i < 100; ++i)
            several.push_back(owned_after(std::chrono::seconds{100 - i}, i));
        const auto values = co_await when_all(std::move(several)).or_return();
        REQUIRE(values.size() == 100);
        for (int i = 0; i < 100; ++i)
            CHECK(*values[static_cast<std::size_t>(i)] == i);
        const auto none = co_await when_all(std::vector<io_task<int>>{}).or_return();
        CHECK(none.empty());
    });
    advance_to_end(loop, 100s, started);
    CHECK(started.result());
}

TEST_CASE("when_all of many costs no more than each of them", "[task][when]") {
    test_loop loop;
    const auto began = std::chrono::steady_clock::now();
    auto started = loop.start([]() -> io_task<> {
        std::vector<io_task<>> several;
        for (int i = 0; i < 100'000; ++i)
            several.push_back(nothing_after(std::chrono::nanoseconds{i % 7 + 1}));
        co_await when_all(std::move(several)).or_return();
    });
    loop.run_until_idle();
    fake_clock::advance(7ns);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result());
    CHECK(std::chrono::steady_clock::now() - began < 10s);
}

TEST_CASE("the first error stops the rest of a when_all and is reported with its path",
          "[task][when]") {
    test_loop loop;
    std::error_code told;
    std::vector<unsigned> path;
    unsigned awaited_at = 0;
    auto started = loop.start([&]() -> io_task<> {
        const auto waits = [&]() -> io_task<> {
            awaited_at = std::source_location::current().line() + 2;
            // clang-format off: g++ and clang name the same line
            co_await when_all(stubborn(5s, &told), error_after(1s, refused), value_after(1h, 1), error_after(2s, broken)).or_return();
            // clang-format on
        };
        auto ended = co_await waits();
        for (std::size_t i = 0; i < loop.sched().path().size(); ++i)
            path.push_back(loop.sched().path()[i].line());
        CHECK(in_frame::alive == 0);
        co_await or_return(ended);
    });
    loop.run_until_idle();
    fake_clock::advance(1s);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done()); // the stubborn one is waited for
    CHECK(told == errc::stopped);
    CHECK(in_frame::alive == 1);
    fake_clock::advance(5s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == refused);
    CHECK(path == std::vector{failed_at, awaited_at});
}

TEST_CASE("of two errors in one turn the earlier one is reported", "[task][when]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        co_await when_all(error_after(2s, broken), error_after(1s, refused)).or_return();
    });
    loop.run_until_idle();
    fake_clock::advance(2s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == refused);
}

TEST_CASE("an exception stops the rest of a when_all and comes out of it", "[task][when]") {
    test_loop loop;
    std::string caught;
    const auto throws = [](std::string& into) -> io_task<> {
        try {
            auto both = co_await when_all(throw_after(1s, "first"), stubborn(1s),
                                          error_after(1s, refused), throw_after(2s, "second"));
            CHECK(both); // never
        } catch (const std::runtime_error& thrown) {
            CHECK(in_frame::alive == 0);
            into = thrown.what();
        }
    };
    SECTION("looked at") {
        auto started = loop.start(throws(caught));
        advance_to_end(loop, 2s, started);
    }
    SECTION("ignored: an exception is none of its errors") {
        auto started = loop.start([&caught]() -> task<> {
            try {
                co_await when_all(throw_after(1s, "first"), value_after(1h, 1)).ignore();
            } catch (const std::runtime_error& thrown) {
                caught = thrown.what();
            }
        });
        advance_to_end(loop, 1s, started);
    }
    SECTION("out of a vector") {
        auto started = loop.start([&caught]() -> task<> {
            std::vector<io_task<int>> several;
            several.push_back(value_after(1h, 1));
            several.push_back(throw_after(1s, "first"));
            try {
                co_await when_all(std::move(several)).ignore();
            } catch (const std::runtime_error& thrown) {
                caught = thrown.what();
            }
        });
        advance_to_end(loop, 1s, started);
    }
    CHECK(caught == "first");
    CHECK(in_frame::alive == 0);
}

TEST_CASE("an error before an exception counts, and the exception is dropped", "[task][when]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        co_await when_all(error_after(1s, refused), throw_after(2s, "late")).or_return();
    });
    loop.run_until_idle();
    fake_clock::advance(2s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == refused);
}

TEST_CASE("an error that or_throw throws comes out after all frames are gone", "[task][when]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        std::error_code why;
        try {
            co_await when_all(error_after(1s, refused), value_after(1h, 1)).or_throw();
        } catch (const std::system_error& thrown) {
            why = thrown.code();
        }
        CHECK(in_frame::alive == 0);
        CHECK(why == refused);
    });
    advance_to_end(loop, 1s, started);
    CHECK(started.result());
}

TEST_CASE("a branch that has not begun when another fails does not begin", "[task][when]") {
    test_loop loop;
    bool ran = false;
    auto started = loop.start([&ran]() -> io_task<> {
        const auto runs = [&ran]() -> io_task<> {
            ran = true;
            co_return;
        };
        co_await when_all(error_after(0ns, refused), runs()).or_return();
    });
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == refused);
    CHECK_FALSE(ran);
}

TEST_CASE("when_all and when_any are nested to any depth", "[task][when]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        auto all =
            co_await when_all(
                when_any(value_after(1s, 1), value_after(2s, 2)),
                when_all(value_after(3s, 3), when_all(nothing_after(1s))),
                when_any(when_all(value_after(1h, 4), sleep_for(2h)).timeout(9s), sleep_for(2s)))
                .or_return();
        auto& [first, second, third] = all;
        CHECK(std::get<0>(first) == 1);
        CHECK(std::get<0>(second) == 3);
        CHECK(third.index() == 1);
        CHECK(in_frame::alive == 0);
    });
    advance_to_end(loop, 3s, started);
    CHECK(started.result());
}

TEST_CASE("a timeout of a nested when_all is an error like any other", "[task][when]") {
    test_loop loop;
    std::error_code told;
    auto started = loop.start([&told]() -> io_task<> {
        co_await when_all(when_all(sleep_for(1h)).timeout(1s), stubborn(1s, &told)).or_return();
    });
    advance_to_end(loop, 2s, started);
    CHECK(started.result().error() == errc::timeout);
    CHECK(told == errc::stopped);
}
