// What a shield keeps out, what it lets through, and what comes after it. Only the test moves the
// clock.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>

#include <support/fake_clock.hpp>
#include <support/net_support.hpp>

#include <memory>
#include <stdexcept>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> nap(std::chrono::nanoseconds span) { co_await sleep_for(span).or_return(); }

std::error_code error_of(const result<void>& ended) {
    return ended ? std::error_code{} : ended.error();
}

/// Sleeps shielded, then again without.
struct goodbye {
    std::error_code shielded = errc::busy;
    std::error_code after = errc::busy;

    io_task<> whole(std::chrono::nanoseconds span) {
        auto inside = co_await shield(nap(span));
        shielded = error_of(inside);
        auto outside = co_await sleep_for(1h);
        after = error_of(outside);
        co_await or_return(outside);
    }
    io_task<> limited(std::chrono::nanoseconds span, std::chrono::nanoseconds limit) {
        auto inside = co_await shield(nap(span)).timeout(limit);
        shielded = error_of(inside);
        auto outside = co_await sleep_for(1h);
        after = error_of(outside);
        co_await or_return(outside);
    }
};

io_task<> scoped(io_task<> inside, std::chrono::nanoseconds limit) {
    co_await std::move(inside).timeout(limit).or_return();
}

} // namespace

TEST_CASE("a stop is not seen inside a shield, and is seen after it", "[task][shield]") {
    test_loop loop;
    goodbye g;
    auto started = loop.start(g.whole(5s));
    SECTION("asked for before") {
        started.stop();
        loop.run_until_idle();
    }
    SECTION("asked for meanwhile") {
        loop.run_until_idle();
        started.stop();
        loop.run_until_idle();
    }
    SECTION("a drain") {
        started.drain();
        loop.run_until_idle();
        started.stop();
    }
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(5s - 1ns);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(1ns);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK_FALSE(g.shielded);
    CHECK(g.after == errc::stopped);
    CHECK(started.result().error() == errc::stopped);
}

TEST_CASE("a deadline outside of a shield is not seen inside, and is seen after it",
          "[task][shield]") {
    test_loop loop;
    goodbye g;
    auto started = loop.start(scoped(g.whole(5s), 1s));
    loop.run_until_idle();
    fake_clock::advance(1s);
    CHECK(loop.turn() == 0); // no timer for it
    fake_clock::advance(4s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK_FALSE(g.shielded);
    CHECK(g.after == errc::stopped);
    CHECK(started.result().error() == errc::timeout);
}

TEST_CASE("a deadline outside that comes after the shield still counts", "[task][shield]") {
    test_loop loop;
    goodbye g;
    auto started = loop.start(scoped(g.whole(1s), 5s));
    loop.run_until_idle();
    fake_clock::advance(1s);
    loop.run_until_idle();
    fake_clock::advance(4s - 1ns);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(1ns);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::timeout);
}

TEST_CASE("a shield's own timeout works, and is a timeout whatever happens outside",
          "[task][shield]") {
    test_loop loop;
    goodbye g;
    std::error_code after;
    auto started = loop.start(scoped(g.limited(1h, 3s), 2s));
    SECTION("nothing outside but a deadline") {
        loop.run_until_idle();
        after = errc::timeout;
    }
    SECTION("a stop before") {
        started.stop();
        loop.run_until_idle();
        after = errc::stopped;
    }
    SECTION("a stop meanwhile") {
        loop.run_until_idle();
        started.stop();
        loop.run_until_idle();
        after = errc::stopped;
    }
    fake_clock::advance(3s - 1ns);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(1ns);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(g.shielded == errc::timeout);
    CHECK(g.after == errc::stopped);
    CHECK(started.result().error() == after);
}

TEST_CASE("a shield inside of a shield keeps the outer one's deadline out", "[task][shield]") {
    test_loop loop;
    std::error_code innermost = errc::busy;
    std::error_code middle = errc::busy;
    std::error_code outer = errc::busy;
    auto started = loop.start([&]() -> io_task<> {
        const auto inside = [&]() -> io_task<> {
            auto first = co_await shield(nap(5s));
            innermost = error_of(first);
            auto second = co_await sleep_for(1h);
            middle = error_of(second);
            co_await or_return(second);
        };
        auto ended = co_await shield(inside()).timeout(1s);
        outer = error_of(ended);
        co_await sleep_for(1h).or_return();
    });
    loop.run_until_idle();
    started.stop();
    fake_clock::advance(1s);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(4s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK_FALSE(innermost);
    CHECK(middle == errc::stopped);
    CHECK(outer == errc::timeout);
    CHECK(started.result().error() == errc::stopped);
}

TEST_CASE("a deadline inside of a shield ends what it stands around", "[task][shield]") {
    test_loop loop;
    auto started =
        loop.start([]() -> io_task<> { co_await shield(scoped(nap(1h), 1s)).or_return(); });
    loop.run_until_idle();
    started.stop();
    fake_clock::advance(1s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::timeout);
}

TEST_CASE("branches inside of a shield are shielded, too", "[task][shield]") {
    test_loop loop;
    const auto both = []() -> io_task<> { co_await when_all(sleep_for(2s), nap(3s)).or_return(); };
    auto started = loop.start([&both]() -> io_task<> {
        co_await shield(both()).or_return();
        co_await shield(when_all(sleep_for(2s), nap(3s))).or_return();
    });
    SECTION("from a stop before") { started.stop(); }
    SECTION("from one meanwhile") {
        loop.run_until_idle();
        started.stop();
    }
    for (int i = 0; i < 6; ++i) {
        loop.run_until_idle();
        REQUIRE_FALSE(started.is_done());
        fake_clock::advance(1s);
    }
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result());
}

TEST_CASE("a shield in a branch keeps out what stops the others", "[task][shield]") {
    test_loop loop;
    bool said = false;
    auto started = loop.start([&said]() -> io_task<> {
        const auto last_word = [&said]() -> io_task<> {
            co_await shield(sleep_for(5s)).or_return();
            said = true;
        };
        const auto fails = []() -> io_task<> {
            co_await sleep_for(1s).or_return();
            co_await fail(std::make_error_code(std::errc::connection_refused));
        };
        co_await when_all(last_word(), fails()).or_return();
    });
    loop.run_until_idle();
    fake_clock::advance(1s);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(4s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(said);
    CHECK(started.result().error() == std::errc::connection_refused);
}

TEST_CASE("a shield of one operation lets it wait under a stop", "[task][shield]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    auto started = loop.start(
        [](tcp_socket& sock) -> io_task<std::string> {
            const auto data = co_await shield(sock.read()).or_return();
            co_return std::string{data.text()};
        },
        here);
    started.stop();
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    there.send("late");
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().value() == "late");
}

TEST_CASE("values and exceptions of a shielded plain task come out", "[task][shield]") {
    test_loop loop;
    const auto plain = [](int value) -> task<std::unique_ptr<int>> {
        co_await sleep_for(1ns).ignore();
        if (value < 0) throw std::runtime_error{"negative"};
        co_return std::make_unique<int>(value);
    };
    const auto both = [&plain](int value) -> task<int> {
        const auto got = co_await shield(plain(value));
        co_return *got;
    };
    auto gives = loop.start(both(4));
    auto throws = loop.start(both(-4));
    gives.stop();
    throws.stop();
    loop.run_until_idle();
    REQUIRE_FALSE(gives.is_done());
    fake_clock::advance(1ns);
    loop.run_until_idle();
    CHECK(gives.result() == 4);
    CHECK_THROWS_AS(throws.result(), std::runtime_error);
}

TEST_CASE("destroying a task destroys what is shielded with it", "[task][shield]") {
    test_loop loop;
    auto alive = std::make_shared<int>(0);
    auto started = loop.start(
        [](std::shared_ptr<int> held) -> io_task<> {
            const auto inside = [](std::shared_ptr<int> copy) -> io_task<> {
                co_await sleep_for(1h).or_return();
                CHECK(copy == nullptr); // never
            };
            co_await shield(inside(held)).timeout(2h).or_return();
        },
        alive);
    loop.run_until_idle();
    REQUIRE(alive.use_count() > 1);
    started.destroy();
    CHECK(alive.use_count() == 1);
    CHECK_FALSE(loop.sched().next_deadline().has_value());
}
