// Signals that are awaited: the six cases, who sent them, the mask, and `run` beside them.
#include <dunlin/task/run.hpp>
#include <dunlin/task/signal_set.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>

#include <support/forked.hpp>
#include <support/net_support.hpp>

#include <csignal>
#include <unistd.h>

using namespace dunlin;
using namespace dunlin::test;

namespace {

signal_set make_set(int first = SIGUSR1, int second = SIGUSR2) {
    auto made = signal_set::create(first, second);
    REQUIRE(made);
    return std::move(made).assume_value();
}

io_task<int> next_number(signal_set& from) {
    const auto came = co_await from.wait().or_return();
    co_return came.number();
}

bool is_blocked(int number) {
    sigset_t now_blocked;
    REQUIRE(::pthread_sigmask(SIG_BLOCK, nullptr, &now_blocked) == 0);
    return ::sigismember(&now_blocked, number) == 1;
}

bool is_pending(int number) {
    sigset_t waiting;
    REQUIRE(::sigpending(&waiting) == 0);
    return ::sigismember(&waiting, number) == 1;
}

volatile std::sig_atomic_t handled = 0;
void handle(int) { handled = handled + 1; }

} // namespace

TEST_CASE("a signal that has come already is taken at once", "[six:signal_operation:ready]") {
    test_loop loop;
    signal_set signals = make_set();
    std::raise(SIGUSR1);
    auto pending = loop.start(next_number, signals);
    loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result().value() == SIGUSR1);
    CHECK_FALSE(is_pending(SIGUSR1));
    CHECK(loop.counters().registrations == 0); // it never had to wait
}

TEST_CASE("a signal that comes later is waited for, again and again",
          "[six:signal_operation:later]") {
    test_loop loop;
    signal_set signals = make_set();
    for (const int number : {SIGUSR2, SIGUSR1, SIGUSR1}) {
        auto pending = loop.start(next_number, signals);
        loop.run_until_idle();
        REQUIRE_FALSE(pending.is_done());
        ::kill(::getpid(), number); // to the process, which is us
        loop.run_until([&] { return pending.is_done(); });
        CHECK(pending.result().value() == number);
    }
    CHECK(loop.counters().registrations == 1);
}

TEST_CASE("a wait for signals that is woken for nothing goes on",
          "[six:signal_operation:spurious]") {
    test_loop loop;
    signal_set signals = make_set();
    task_context* waiting = nullptr;
    auto pending = loop.start(observe(next_number(signals), waiting));
    loop.run_until_idle();
    wake_for_nothing(loop, waiting);
    REQUIRE_FALSE(pending.is_done());
    std::raise(SIGUSR1);
    loop.run_until([&] { return pending.is_done(); });
    CHECK(pending.result().value() == SIGUSR1);
}

TEST_CASE("a wait for signals that is stopped has taken none", "[six:signal_operation:stopped]") {
    test_loop loop;
    signal_set signals = make_set();
    auto pending = loop.start(next_number, signals);
    loop.run_until_idle();
    pending.stop();
    loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result().error() == errc::stopped);
    std::raise(SIGUSR1);
    CHECK(loop.run(next_number(signals)).value() == SIGUSR1);
}

TEST_CASE("a wait for signals that is destroyed has taken none",
          "[six:signal_operation:destroyed]") {
    test_loop loop;
    signal_set signals = make_set();
    auto pending = loop.start(next_number, signals);
    loop.run_until_idle();
    pending.destroy();
    std::raise(SIGUSR1);
    loop.run_until_idle();
    CHECK(is_pending(SIGUSR1));
    CHECK(loop.run(next_number(signals)).value() == SIGUSR1);
}

TEST_CASE("a wait for signals that is destroyed in the turn one came leaves it for the next",
          "[six:signal_operation:destroyed-ready]") {
    test_loop loop;
    sniper killer{loop};
    signal_set signals = make_set();
    auto victim = loop.start(next_number, signals);
    killer.aim(victim);
    killer.pull();
    std::raise(SIGUSR1);
    killer.fire();
    CHECK(is_pending(SIGUSR1));
    CHECK(loop.run(next_number(signals)).value() == SIGUSR1);
}

TEST_CASE("a wait for signals ends with its timeout, and the loser of a race takes none",
          "[task][signal_set]") {
    test_loop loop;
    signal_set signals = make_set();
    const auto late = loop.run(signals.wait().timeout(1ms));
    REQUIRE_FALSE(late);
    CHECK(late.error() == errc::timeout);

    auto race = loop.start([&]() -> io_task<std::size_t> {
        const auto first =
            co_await when_any(sleep_for(1ms), signals.wait(), sleep_for(1h)).or_return();
        co_return first.index();
    });
    loop.run_until([&] { return race.is_done(); });
    CHECK(race.result().value() == 0);
    std::raise(SIGUSR1);
    CHECK(loop.run(next_number(signals)).value() == SIGUSR1);
}

TEST_CASE("it is told who sent a signal, and how", "[task][signal_set]") {
    test_loop loop;
    signal_set signals = make_set(SIGUSR1, SIGRTMIN);
    ::kill(::getpid(), SIGUSR1);
    const auto from_kill = loop.run(signals.wait());
    REQUIRE(from_kill);
    CHECK(from_kill.value().number() == SIGUSR1);
    CHECK(from_kill.value().code() == SI_USER);
    CHECK(from_kill.value().sender() == ::getpid());
    CHECK(from_kill.value().user() == ::getuid());
    for (const int given : {7, 8}) { // real-time signals queue
        union sigval value{};
        value.sival_int = given;
        REQUIRE(::sigqueue(::getpid(), SIGRTMIN, value) == 0);
    }
    for (const int given : {7, 8}) {
        const auto queued = loop.run(signals.wait());
        REQUIRE(queued);
        CHECK(queued.value().number() == SIGRTMIN);
        CHECK(queued.value().code() == SI_QUEUE);
        CHECK(queued.value().value() == given);
    }
}

TEST_CASE("an ordinary signal sent three times before it was taken comes once",
          "[task][signal_set]") {
    test_loop loop;
    signal_set signals = make_set();
    for (int i = 0; i < 3; ++i)
        std::raise(SIGUSR1);
    CHECK(loop.run(next_number(signals)).value() == SIGUSR1);
    auto again = loop.start(next_number, signals);
    loop.run_until_idle();
    CHECK_FALSE(again.is_done());
}

TEST_CASE(
    "a set blocks its signals while it lives, and leaves those alone that were blocked before",
    "[task][signal_set]") {
    sigset_t before;
    sigset_t usr2;
    ::sigemptyset(&usr2);
    ::sigaddset(&usr2, SIGUSR2);
    ::pthread_sigmask(SIG_BLOCK, &usr2, &before);
    REQUIRE_FALSE(is_blocked(SIGUSR1));
    {
        signal_set first = make_set();
        CHECK(is_blocked(SIGUSR1));
        CHECK(is_blocked(SIGUSR2));
        CHECK_FALSE(is_blocked(SIGTERM));
        signal_set moved{std::move(first)};
        first.close(); // is nothing any more
        CHECK(is_blocked(SIGUSR1));
        signal_set other = make_set(SIGHUP, SIGHUP);
        moved = std::move(other);
        CHECK_FALSE(is_blocked(SIGUSR1));
        CHECK(is_blocked(SIGHUP));
    }
    CHECK_FALSE(is_blocked(SIGHUP));
    CHECK_FALSE(is_blocked(SIGUSR1));
    CHECK(is_blocked(SIGUSR2));
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_CASE("a signal that nobody took is delivered when its set is gone", "[task][signal_set]") {
    const auto old = std::signal(SIGUSR1, handle);
    handled = 0;
    {
        const signal_set signals = make_set();
        std::raise(SIGUSR1);
        CHECK(handled == 0);
    }
    CHECK(handled == 1);
    std::signal(SIGUSR1, old);
}

TEST_CASE("a set that is replaced leaves blocked what the new one has", "[task][signal_set]") {
    test_loop loop;
    {
        signal_set signals = make_set(SIGUSR1, SIGHUP);
        signals = make_set(SIGUSR1, SIGUSR2);
        CHECK(is_blocked(SIGUSR1));
        CHECK(is_blocked(SIGUSR2));
        CHECK_FALSE(is_blocked(SIGHUP));
        std::raise(SIGUSR1);
        CHECK(loop.run(next_number(signals)).value() == SIGUSR1);
    }
    CHECK_FALSE(is_blocked(SIGUSR1));
    CHECK_FALSE(is_blocked(SIGUSR2));
}

TEST_CASE("closing a set tells who waits for it", "[task][signal_set]") {
    test_loop loop;
    signal_set signals = make_set();
    auto pending = loop.start(next_number, signals);
    auto second = loop.start(next_number, signals);
    loop.run_until_idle();
    REQUIRE(second.is_done());
    CHECK(second.result().error() == errc::busy);
    REQUIRE_FALSE(pending.is_done());
    signals.close();
    loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result().error() == errc::closed);
    CHECK(loop.run(next_number(signals)).error() == errc::closed);
}

TEST_CASE("what is no signal, or cannot be waited for, is refused and changes nothing",
          "[task][signal_set]") {
    const std::size_t open = open_descriptors();
    for (const int number : {0, -1, 65, 1000, 32, SIGKILL, SIGSTOP}) {
        const auto refused = signal_set::create(SIGUSR1, number);
        REQUIRE_FALSE(refused);
        CHECK(refused.error() == std::errc::invalid_argument);
        CHECK_FALSE(is_blocked(SIGUSR1));
    }
    CHECK(open_descriptors() == open);
}

TEST_CASE("an ignored signal is awaited all the same", "[task][signal_set]") {
    test_loop loop;
    const auto old = std::signal(SIGUSR1, SIG_IGN);
    {
        signal_set signals = make_set();
        std::raise(SIGUSR1);
        CHECK(loop.run(next_number(signals)).value() == SIGUSR1);
    }
    std::signal(SIGUSR1, old);
}

namespace prog {

/// Takes SIGTERM twice, then gives it back and is stopped by the third.
io_task<int> has_it_for_a_while() {
    {
        auto signals = co_await or_return(signal_set::create(SIGTERM));
        for (int i = 0; i < 2; ++i) {
            ::kill(::getpid(), SIGTERM);
            const auto came = co_await signals.wait().or_return();
            if (came.number() != SIGTERM) co_return 1;
            co_await sleep_for(1ms).or_return(); // nobody has asked us to stop
        }
    }
    ::kill(::getpid(), SIGTERM);
    const auto slept = co_await sleep_for(10s);
    co_return !slept && slept.error() == errc::stopped ? 42 : 2;
}

/// Does not take it, so `run` gets it when the set is gone.
io_task<int> leaves_it_pending() {
    {
        const auto signals = co_await or_return(signal_set::create(SIGTERM));
        ::kill(::getpid(), SIGTERM);
        co_await sleep_for(1ms).or_return();
    }
    const auto slept = co_await sleep_for(10s);
    co_return !slept && slept.error() == errc::stopped ? 42 : 2;
}

/// The other signal of `run` still stops.
io_task<int> is_interrupted() {
    auto signals = co_await or_return(signal_set::create(SIGTERM));
    ::kill(::getpid(), SIGINT);
    const auto came = co_await signals.wait();
    co_return !came && came.error() == errc::stopped ? 42 : 2;
}

} // namespace prog

TEST_CASE("while a set has SIGTERM, run hears nothing of it; afterwards it stops as ever",
          "[task][signal_set]") {
    CHECK(run_forked([] { return run(prog::has_it_for_a_while()); }).exit_code == 42);
    CHECK(run_forked([] { return run(prog::leaves_it_pending()); }).exit_code == 42);
    CHECK(run_forked([] { return run(prog::is_interrupted()); }).exit_code == 42);
}
