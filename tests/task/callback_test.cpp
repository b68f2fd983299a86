// Awaiting what a C function reports by calling back, whoever is gone first.
#include <dunlin/loop/remote.hpp>
#include <dunlin/task/callback.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>

#include <support/forked.hpp>
#include <support/net_support.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<int> wait_for(callback<int>& done) {
    const int given = co_await done.wait().or_return();
    co_return given;
}

/// The C API: it knows a function and a pointer.
struct c_api {
    void start(void (*report)(int status, void* user), void* user) {
        report_ = report;
        user_ = user;
    }
    void call_back(int status) { report_(status, user_); }

    void (*report_)(int, void*) = nullptr;
    void* user_ = nullptr;
};

void report_to_callback(int status, void* user) { callback<int>::complete(user, status); }

/// Counts how many of it are alive.
struct counted {
    counted() noexcept { ++alive; }
    counted(counted&&) noexcept { ++alive; }
    counted& operator=(counted&&) = delete;
    ~counted() { --alive; }
    static inline std::atomic<int> alive{0};
};

} // namespace

TEST_CASE("a callback whose call has come already does not wait",
          "[six:callback_operation:ready]") {
    test_loop loop;
    callback<int> done;
    c_api api;
    api.start(report_to_callback, done.user_data());
    api.call_back(7);
    auto waiting = loop.start(wait_for, done);
    loop.turn();
    REQUIRE(waiting.is_done());
    CHECK(waiting.result().value() == 7);
}

TEST_CASE("a callback waits for the call, and completes in the turn after it",
          "[six:callback_operation:later]") {
    test_loop loop;
    callback<int> done;
    c_api api;
    api.start(report_to_callback, done.user_data());
    auto waiting = loop.start(wait_for, done);
    loop.run_until_idle();
    REQUIRE_FALSE(waiting.is_done());
    const auto events = loop.counters().events;
    api.call_back(7);
    REQUIRE_FALSE(waiting.is_done()); // the call only queues it
    loop.turn();
    REQUIRE(waiting.is_done());
    CHECK(waiting.result().value() == 7);
    CHECK(loop.counters().events == events); // no eventfd was written to
}

TEST_CASE("a callback whose task is woken for nothing goes on waiting",
          "[six:callback_operation:spurious]") {
    test_loop loop;
    callback<int> done;
    const auto given = done.get_completer();
    task_context* who = nullptr;
    auto waiting = loop.start(observe(wait_for(done), who));
    loop.run_until_idle();
    wake_for_nothing(loop, who);
    REQUIRE_FALSE(waiting.is_done());
    CHECK(given.complete(7));
    loop.turn();
    REQUIRE(waiting.is_done());
    CHECK(waiting.result().value() == 7);
}

TEST_CASE("a wait for a callback that is stopped leaves the value to the next",
          "[six:callback_operation:stopped]") {
    test_loop loop;
    callback<int> done;
    const auto given = done.get_completer();
    auto waiting = loop.start(wait_for, done);
    loop.run_until_idle();
    waiting.stop();
    REQUIRE_FALSE(waiting.is_done());
    loop.turn();
    REQUIRE(waiting.is_done());
    CHECK(waiting.result().error() == errc::stopped);
    CHECK(given.complete(7));
    CHECK(loop.run(done.wait()).value() == 7);
}

TEST_CASE("a wait for a callback that is destroyed leaves the value to the next",
          "[six:callback_operation:destroyed]") {
    test_loop loop;
    callback<int> done;
    const auto given = done.get_completer();
    auto waiting = loop.start(wait_for, done);
    loop.run_until_idle();
    waiting.destroy();
    CHECK(given.complete(7));
    CHECK(loop.turn() == 0);
    CHECK(loop.run(done.wait()).value() == 7);
}

TEST_CASE("a wait for a callback that is destroyed between the call and its turn takes nothing",
          "[six:callback_operation:destroyed-ready]") {
    test_loop loop;
    callback<int> done;
    const auto given = done.get_completer();
    auto waiting = loop.start(wait_for, done);
    loop.run_until_idle();
    auto killer = loop.start([&]() -> task<> {
        CHECK(given.complete(7)); // queues it, behind us
        waiting.destroy();
        co_return;
    });
    CHECK(loop.turn() == 1);
    CHECK(killer.is_done());
    CHECK(loop.run(done.wait()).value() == 7);
}

TEST_CASE("a value that is there wins over the stop of that turn, and over the timeout",
          "[task][callback]") {
    test_loop loop;
    callback<int> done;
    const auto given = done.get_completer();
    auto waiting = loop.start(wait_for, done);
    loop.run_until_idle();
    waiting.stop();
    CHECK(given.complete(7));
    loop.turn();
    REQUIRE(waiting.is_done());
    CHECK(waiting.result().value() == 7);

    callback<int> late;
    const auto not_given = late.get_completer();
    CHECK(loop.run(late.wait().timeout(1ms)).error() == errc::timeout);
}

TEST_CASE("the loser of a race takes no value", "[task][callback]") {
    test_loop loop;
    callback<int> first, second;
    const auto to_first = first.get_completer();
    const auto to_second = second.get_completer();
    auto racing = loop.start([&]() -> io_task<std::size_t> {
        const auto won = co_await when_any(first.wait(), second.wait()).or_return();
        co_return won.index();
    });
    loop.run_until_idle();
    CHECK(to_first.complete(1));
    CHECK(to_second.complete(2)); // in the same turn
    loop.run_until_idle();
    REQUIRE(racing.is_done());
    CHECK(racing.result().value() == 0);
    CHECK(loop.run(second.wait()).value() == 2);
}

TEST_CASE("a value is given once and taken once", "[task][callback]") {
    test_loop loop;
    callback<int> done;
    const auto one = done.get_completer();
    const auto other = one;
    CHECK(one.complete(1));
    CHECK_FALSE(one.complete(2));
    CHECK_FALSE(other.complete(3));
    CHECK(loop.run(done.wait()).value() == 1);
    CHECK(loop.run(done.wait()).error() == errc::closed);
}

TEST_CASE("a second task that waits for a callback is told that it is busy", "[task][callback]") {
    test_loop loop;
    callback<int> done;
    const auto given = done.get_completer();
    auto first = loop.start(wait_for, done);
    loop.run_until_idle();
    auto second = loop.start(wait_for, done);
    loop.run_until_idle();
    REQUIRE(second.is_done());
    CHECK(second.result().error() == errc::busy);
    CHECK(given.complete(1));
    loop.run_until_idle();
    CHECK(first.result().value() == 1);
}

TEST_CASE("when nobody is left to call back, the waiting task is told", "[task][callback]") {
    test_loop loop;
    callback<int> done;
    void* const user = done.user_data();
    auto waiting = [&] {
        const auto dropped = done.get_completer();
        auto started = loop.start(wait_for, done);
        loop.run_until_idle();
        return started;
    }();
    loop.run_until_idle();
    REQUIRE_FALSE(waiting.is_done()); // the user data is still out
    callback<int>::give_up(user);
    loop.turn();
    REQUIRE(waiting.is_done());
    CHECK(waiting.result().error() == errc::closed);
    CHECK_FALSE(done.get_completer().complete(1));
}

TEST_CASE("a call that comes when the callback is gone is harmless, and its value destroyed",
          "[task][callback]") {
    void* user = nullptr;
    void* never_called = nullptr;
    {
        test_loop loop;
        {
            callback<counted> done;
            user = done.user_data();
            never_called = done.user_data();
        }
        CHECK_FALSE(callback<counted>::complete(user, counted{}));
        CHECK(counted::alive == 0);
        callback<counted> again;
        user = again.user_data();
    }
    CHECK_FALSE(callback<counted>::complete(user, counted{})); // the scheduler is gone, too
    CHECK(counted::alive == 0);
    callback<counted>::give_up(never_called);
}

TEST_CASE("a value that nobody took is destroyed with the callback, one that was taken once",
          "[task][callback]") {
    test_loop loop;
    {
        callback<counted> done;
        const auto given = done.get_completer();
        CHECK(given.complete(counted{}));
        CHECK(counted::alive == 1);
    }
    CHECK(counted::alive == 0);
    callback<counted> taken;
    const auto given = taken.get_completer();
    CHECK(given.complete(counted{}));
    {
        const auto value = loop.run(taken.wait());
        CHECK(value);
        CHECK(counted::alive == 1);
    }
    CHECK(counted::alive == 0);
}

TEST_CASE("a callback may give nothing, or what can only be moved", "[task][callback]") {
    test_loop loop;
    callback<> done;
    void* const user = done.user_data();
    CHECK(callback<>::complete(user));
    CHECK(loop.run(done.wait()));

    callback<std::unique_ptr<std::string>> text;
    const auto given = text.get_completer();
    CHECK(given.complete(std::make_unique<std::string>("text")));
    const auto got = loop.run(text.wait());
    REQUIRE(got);
    CHECK(*got.assume_value() == "text");
}

TEST_CASE("calls come from other threads", "[task][callback][threads]") {
    test_loop loop;
    for (int round = 0; round < 1000; ++round) {
        callback<std::string> done;
        std::thread caller{[user = done.user_data(), round] {
            callback<std::string>::complete(user, std::to_string(round) + " came from a thread");
        }};
        const auto got = loop.run(done.wait());
        caller.join();
        REQUIRE(got);
        REQUIRE(got.assume_value() == std::to_string(round) + " came from a thread");
    }
}

TEST_CASE("a callback and its scheduler may end while another thread calls",
          "[task][callback][threads]") {
    for (int round = 0; round < 500; ++round) {
        std::thread caller;
        {
            scheduler loop;
            callback<std::string> done;
            std::atomic<bool> is_running{false};
            caller = std::thread{[given = done.get_completer(), &is_running] {
                is_running = true;
                given.complete("too late, or just in time");
            }};
            while (!is_running)
                std::this_thread::yield();
            if (round % 2 == 0) CHECK(loop.poll_once(0ns));
        }
        caller.join();
    }
}

TEST_CASE("a callback that ends while somebody waits for it is a bug", "[task][callback]") {
    const auto became = run_forked([] {
        scheduler loop;
        std::optional<callback<int>> done{std::in_place};
        const auto given = done->get_completer();
        task_group group;
        group.spawn([&]() -> io_task<> { co_await done->wait().ignore(); });
        static_cast<void>(loop.poll_once(0ns));
        done.reset();
        return 1;
    });
    CHECK(became.signal == SIGABRT);
    CHECK(became.said("waiter == nullptr"));
}
