// Stops that go from std::stop_token to tasks, and from tasks to std::stop_token.
#include <dunlin/task/callback.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/stop_token.hpp>
#include <dunlin/task/when.hpp>
#include <dunlin/task/yield.hpp>

#include <support/test_loop.hpp>

#include <atomic>
#include <optional>
#include <string>
#include <thread>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> nap(std::chrono::nanoseconds span = 1h) { co_await sleep_for(span).or_return(); }
io_task<int> nap_and_give(int value) {
    co_await sleep_for(1us).or_return();
    co_return value;
}
io_task<> fails() { co_await fail(std::make_error_code(std::errc::connection_refused)); }

/// Notes what it is told, then goes on outside of its sleep.
io_task<> told(std::string& seen) {
    const auto slept = co_await sleep_for(1h);
    seen += !slept && slept.error() == errc::stopped ? "stopped" : "?";
}

/// Keeps its token where a test can look at it.
struct keeps_token {
    std::stop_token* token;
    io_task<> operator()(std::stop_token given) const {
        *token = given;
        co_await sleep_for(1h).or_return();
    }
};

} // namespace

TEST_CASE("a task is asked to stop in the turn after its token was stopped", "[task][stop_token]") {
    test_loop loop;
    std::stop_source source;
    auto running = loop.start(stop_on(source.get_token(), nap()));
    loop.run_until_idle();
    REQUIRE_FALSE(running.is_done());
    source.request_stop();
    REQUIRE_FALSE(running.is_done());
    loop.turn();
    REQUIRE(running.is_done());
    CHECK(running.result().error() == errc::stopped);
    CHECK_FALSE(loop.sched().next_deadline().has_value());
}

TEST_CASE("a task whose token was stopped before is asked from the beginning",
          "[task][stop_token]") {
    test_loop loop;
    std::stop_source source;
    source.request_stop();
    auto running = loop.start(stop_on(source.get_token(), nap()));
    loop.turn();
    REQUIRE(running.is_done());
    CHECK(running.result().error() == errc::stopped);
    CHECK_FALSE(loop.run(stop_on(source.get_token(), nap(0ns))).has_error()); // it need not wait
}

TEST_CASE("a token that is not stopped changes nothing of what a task gives",
          "[task][stop_token]") {
    test_loop loop;
    std::stop_source source;
    CHECK(loop.run(stop_on(source.get_token(), nap_and_give(7))).value() == 7);
    CHECK(loop.run(stop_on(source.get_token(), fails())).error() == std::errc::connection_refused);
    CHECK(loop.run(stop_on(std::stop_token{}, nap_and_give(8))).value() == 8);
    source.request_stop(); // nobody listens any more
    CHECK(loop.turn() == 0);
}

TEST_CASE("only what runs under the token is stopped, and goes on as it likes",
          "[task][stop_token]") {
    test_loop loop;
    std::stop_source source;
    std::string seen;
    auto running = loop.start([&]() -> io_task<> {
        co_await stop_on(source.get_token(), told(seen)).or_return();
        seen += ", then ";
        const auto slept = co_await sleep_for(1us);
        seen += slept ? "slept" : "stopped again";
    });
    loop.run_until_idle();
    source.request_stop();
    loop.run_until([&] { return running.is_done(); });
    CHECK(running.result());
    CHECK(seen == "stopped, then slept");
}

TEST_CASE("a shield holds off a token's stop until it is left", "[task][stop_token]") {
    test_loop loop;
    std::stop_source source;
    std::string seen;
    callback<> may_go_on;
    const auto goes_on = may_go_on.get_completer();
    const auto shielded = [&]() -> io_task<> {
        co_await may_go_on.wait().or_return();
        seen += "shielded ";
    };
    const auto session = [&]() -> io_task<> {
        co_await shield(shielded()).or_return();
        co_await told(seen).or_return();
    };
    auto running = loop.start(
        [&]() -> io_task<> { co_await stop_on(source.get_token(), session()).or_return(); });
    loop.run_until_idle();
    source.request_stop();
    loop.run_until_idle();
    CHECK(seen.empty());
    CHECK(goes_on.complete());
    loop.run_until_idle();
    CHECK(seen == "shielded stopped");
    CHECK(running.is_done());
}

TEST_CASE("timeouts within and around a token say timeout, the token says stopped",
          "[task][stop_token]") {
    test_loop loop;
    std::stop_source source;
    const auto around = [&]() -> io_task<> {
        co_await stop_on(source.get_token(), nap()).timeout(1ms).or_return();
    };
    CHECK(loop.run(around()).error() == errc::timeout);
    const auto limited = []() -> io_task<> { co_await nap().timeout(1ms).or_return(); };
    CHECK(loop.run(stop_on(source.get_token(), limited())).error() == errc::timeout);
    const auto both = [&]() -> io_task<> {
        co_await stop_on(source.get_token(), nap()).timeout(1h).or_return();
    };
    auto running = loop.start(both);
    loop.run_until_idle();
    source.request_stop();
    loop.run_until_idle();
    REQUIRE(running.is_done());
    CHECK(running.result().error() == errc::stopped);
}

TEST_CASE("a task that is destroyed under its token is out of the token's reach",
          "[task][stop_token]") {
    test_loop loop;
    std::stop_source source;
    auto first = loop.start(stop_on(source.get_token(), nap()));
    auto second = loop.start(stop_on(source.get_token(), nap()));
    loop.run_until_idle();
    first.destroy();
    source.request_stop();
    second.destroy(); // when the stop is on its way already
    CHECK(loop.turn() == 0);
}

TEST_CASE("a token is stopped by other threads, also while the task ends by itself",
          "[task][stop_token][threads]") {
    test_loop loop;
    for (int round = 0; round < 500; ++round) {
        std::stop_source source;
        auto running =
            loop.start(stop_on(source.get_token(), nap(std::chrono::microseconds{round % 100})));
        std::thread stopper{[&source] { source.request_stop(); }};
        loop.run_until([&] { return running.is_done(); });
        const auto ended = running.result();
        if (!ended) REQUIRE(ended.error() == errc::stopped);
        stopper.join();
    }
    for (int round = 0; round < 500; ++round) {
        std::stop_source source;
        std::thread stopper;
        {
            scheduler mine;
            const scheduler::as_current here{mine};
            task_group group;
            group.spawn([&source]() -> io_task<> {
                co_await stop_on(source.get_token(), nap()).or_return();
            });
            REQUIRE(mine.poll_once(0ns));
            stopper = std::thread{[&source] { source.request_stop(); }};
            if (round % 2 == 0) REQUIRE(mine.poll_once(0ns));
        }
        stopper.join();
    }
}

// ---- the other way

TEST_CASE("a token is stopped when the task that it was made for is", "[task][stop_token]") {
    test_loop loop;
    std::stop_token token;
    auto running = loop.start(with_stop_token(keeps_token{&token}));
    loop.run_until_idle();
    REQUIRE(token.stop_possible());
    CHECK_FALSE(token.stop_requested());
    running.drain();
    loop.run_until_idle();
    CHECK_FALSE(token.stop_requested());
    running.stop();
    CHECK_FALSE(token.stop_requested()); // from the loop, not from within the request
    std::stop_token seen_by_callback = token;
    loop.run_until_idle();
    REQUIRE(running.is_done());
    CHECK(running.result().error() == errc::stopped);
}

TEST_CASE("code on another thread hears through its token that the task was stopped",
          "[task][stop_token][threads]") {
    test_loop loop;
    std::thread worker;
    const auto computes = [&worker](std::stop_token token) -> io_task<int> {
        callback<int> done;
        worker = std::thread{[token = std::move(token), given = done.get_completer()] {
            int rounds = 1;
            while (!token.stop_requested())
                std::this_thread::yield();
            given.complete(rounds);
        }};
        const auto waits = [&done]() -> io_task<int> {
            const int got = co_await done.wait().or_return();
            co_return got;
        };
        const int rounds = co_await shield(waits()).or_return(); // until the thread has heard it
        worker.join();
        co_return rounds;
    };
    auto running = loop.start(with_stop_token(computes));
    loop.run_until_idle();
    REQUIRE_FALSE(running.is_done());
    running.stop();
    loop.run_until([&] { return running.is_done(); });
    CHECK(running.result().value() == 1);
}

TEST_CASE("a token of a task that has been stopped already is stopped from the beginning",
          "[task][stop_token]") {
    test_loop loop;
    bool was_stopped = false;
    const auto looks = [&was_stopped](std::stop_token token) -> io_task<> {
        was_stopped = token.stop_requested();
        co_return;
    };
    auto running = loop.start([&]() -> io_task<> {
        co_await yield().ignore();
        co_await with_stop_token(looks).or_return();
    });
    loop.turn();
    running.stop();
    loop.turn();
    REQUIRE(running.is_done());
    CHECK(running.result());
    CHECK(was_stopped);
}

TEST_CASE("a token is stopped by a deadline around it, but not by one within, nor in a shield",
          "[task][stop_token]") {
    test_loop loop;
    std::stop_token token;
    const auto hold = [&token](std::stop_token given) -> io_task<> {
        token = given;
        co_await nap().timeout(1ms).ignore(); // within
        CHECK_FALSE(given.stop_requested());
        const auto slept = co_await sleep_for(1h); // until the deadline around
        CHECK_FALSE(slept);
        co_await shield(nap(1ms)).ignore(); // turns go by
        CHECK(given.stop_requested());
    };
    const auto around = [&]() -> io_task<> {
        co_await with_stop_token(hold).timeout(20ms).or_return();
    };
    CHECK(loop.run(around()));

    std::stop_token shielded;
    auto running = loop.start([&]() -> io_task<> {
        co_await shield(with_stop_token(keeps_token{&shielded})).timeout(1h).ignore();
    });
    loop.run_until_idle();
    running.stop();
    loop.run_until_idle();
    CHECK_FALSE(running.is_done());
    CHECK_FALSE(shielded.stop_requested());
}

TEST_CASE("a token is stopped although its task is shielded where it stands",
          "[task][stop_token]") {
    test_loop loop;
    std::stop_token token;
    callback<> may_go_on;
    const auto goes_on = may_go_on.get_completer();
    const auto inner = [&]() -> io_task<> { co_await may_go_on.wait().or_return(); };
    const auto holds = [&](std::stop_token given) -> io_task<> {
        token = given;
        co_await shield(inner()).or_return();
    };
    auto running = loop.start(with_stop_token(holds));
    loop.run_until_idle();
    running.stop();
    loop.run_until_idle();
    CHECK(token.stop_requested());
    REQUIRE_FALSE(running.is_done());
    CHECK(goes_on.complete());
    loop.run_until_idle();
    CHECK(running.is_done());
}

TEST_CASE("a branch of when_any that loses has its token stopped", "[task][stop_token]") {
    test_loop loop;
    std::string seen;
    const auto clings = [&seen](std::stop_token given) -> io_task<> {
        co_await sleep_for(1h).ignore();
        co_await shield(yield()).ignore(); // the turn after
        seen += given.stop_requested() ? "token stopped" : "?";
    };
    const auto race = [&]() -> io_task<> {
        const auto won = co_await when_any(with_stop_token(clings), nap(1us)).or_return();
        CHECK(won.index() == 1);
    };
    CHECK(loop.run(race()));
    CHECK(seen == "token stopped");
}

TEST_CASE("a token outlives its task, and is not stopped after it", "[task][stop_token]") {
    std::stop_token ended, destroyed, stopped_last;
    {
        test_loop loop;
        const auto returns = [&ended](std::stop_token given) -> io_task<> {
            ended = given;
            co_return;
        };
        CHECK(loop.run(with_stop_token(returns)));
        auto running = loop.start(with_stop_token(keeps_token{&destroyed}));
        auto stopped = loop.start(with_stop_token(keeps_token{&stopped_last}));
        loop.run_until_idle();
        running.destroy();
        stopped.stop();
        stopped.destroy(); // with the stop on its way
        loop.run_until_idle();
    }
    CHECK_FALSE(ended.stop_requested());
    CHECK_FALSE(destroyed.stop_requested());
    CHECK_FALSE(stopped_last.stop_requested());
}
