// `scheduler_options::spin`: polling before a wait blocks, and when that is given up.
#include <dunlin/loop/descriptor.hpp>
#include <dunlin/loop/remote.hpp>
#include <dunlin/task/run.hpp>
#include <dunlin/task/sleep.hpp>

#include <support/test_loop.hpp>

#include <sys/timerfd.h>
#include <thread>

using namespace dunlin;
using namespace dunlin::test;

namespace {

// So long that no test sees its end, or so short that polling ends with the first look.
constexpr auto endless = 1h;
constexpr auto instant = 1ns;

io_task<> nap(std::chrono::nanoseconds span) { co_await sleep_for(span).or_return(); }

io_task<> count_wakes(tcp_socket& from, std::size_t& count) {
    std::byte byte{};
    for (;;) {
        co_await from.read({&byte, 1}).or_return();
        ++count;
    }
}

io_task<> nap_and_look(scheduler_counters& into) {
    co_await sleep_for(2ms).or_return();
    into = scheduler::current()->counters();
}

/// A loop with a task that reads single bytes from `there`.
struct reading {
    explicit reading(std::chrono::nanoseconds spin) : loop{{.spin = spin}} {
        loop.run_until_idle();
    }

    /// A wait in which nothing comes: how often it polled.
    std::uint64_t wait_in_vain() {
        const auto before = loop.counters().spins;
        REQUIRE(loop.turn(1ms) == 0);
        return loop.counters().spins - before;
    }

    /// A wait for what is there already.
    void wait_for_nothing() {
        ends.there.send("x");
        REQUIRE(loop.turn(1s) == 1);
    }

    test_loop loop;
    test_loop::connection ends = loop.socket_pair();
    std::size_t count = 0;
    pending<result<void>> reads = loop.start(count_wakes, ends.here, count);
};

/// A descriptor that becomes readable without anybody's doing.
descriptor readable_in(std::chrono::nanoseconds span) {
    unique_fd timer{::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
    REQUIRE(timer.is_open());
    itimerspec when{};
    when.it_value.tv_nsec = span.count();
    REQUIRE(::timerfd_settime(timer.get(), 0, &when, nullptr) == 0);
    return descriptor{std::move(timer)};
}

} // namespace

// ---- the rule

TEST_CASE("four waits in vain, in a row, end spinning", "[loop][spin]") {
    detail::spinning rule{50us};
    CHECK(rule.is_wanted());
    CHECK(rule.span() == 50'000);
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 3; ++i)
            rule.note_fruitless();
        CHECK(rule.polls());
        rule.note_saved(); // and they are no longer in a row
    }
    for (int i = 0; i < 3; ++i)
        rule.note_fruitless();
    CHECK(rule.polls());
    rule.note_fruitless();
    CHECK_FALSE(rule.polls());
}

TEST_CASE("a wait that was short makes it spin again, a longer one does not", "[loop][spin]") {
    detail::spinning rule{50us};
    for (int i = 0; i < 4; ++i)
        rule.note_fruitless();
    rule.note_blocked(50'001);
    CHECK_FALSE(rule.polls());
    rule.note_blocked(50'000);
    CHECK(rule.polls());
}

TEST_CASE("the more often short waits have misled it, the more of them it wants to see",
          "[loop][spin]") {
    detail::spinning rule{50us};
    const auto short_waits_wanted = [&rule] {
        for (int i = 0; i < 4; ++i)
            rule.note_fruitless();
        int count = 0;
        for (; !rule.polls(); ++count)
            rule.note_blocked(10'000);
        return count;
    };
    for (const int wanted : {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024})
        CHECK(short_waits_wanted() == wanted);
    rule.note_saved(); // may be an accident
    CHECK(short_waits_wanted() == 512);
    for (int i = 0; i < 10; ++i)
        rule.note_saved();
    CHECK(short_waits_wanted() == 1);

    for (int i = 0; i < 4; ++i)
        rule.note_fruitless();
    rule.note_blocked(10'000);
    rule.note_blocked(60'000); // not in a row
    rule.note_blocked(10'000);
    CHECK_FALSE(rule.polls());
    rule.note_blocked(10'000);
    CHECK(rule.polls());
}

TEST_CASE("a span of zero or less is none", "[loop][spin]") {
    CHECK_FALSE(detail::spinning{0ns}.is_wanted());
    CHECK_FALSE(detail::spinning{-1s}.is_wanted());
    CHECK_FALSE(detail::spinning{scheduler_options{}.spin}.is_wanted());
}

// ---- the scheduler

TEST_CASE("without the option no turn polls twice", "[loop][spin]") {
    reading s{0ns};
    const auto turns = s.loop.counters().turns;
    for (int i = 0; i < 10; ++i)
        CHECK(s.wait_in_vain() == 0);
    CHECK(s.loop.counters().turns == turns + 10);
}

TEST_CASE("poll_once that may not wait does not spin", "[loop][spin]") {
    reading s{endless};
    const auto turns = s.loop.counters().turns;
    for (int i = 0; i < 10; ++i) {
        CHECK(s.loop.turn(0ns) == 0);
        CHECK(s.loop.turn(-1s) == 0);
    }
    s.ends.there.send("x");
    CHECK(s.loop.turn(0ns) == 1);
    CHECK(s.loop.counters().turns == turns + 21);
    CHECK(s.loop.counters().spins == 0);
}

TEST_CASE("what is there already is neither polled for nor counted as spared", "[loop][spin]") {
    reading s{endless};
    const auto turns = s.loop.counters().turns;
    for (int i = 0; i < 10; ++i)
        s.wait_for_nothing();
    auto runs = s.loop.start(nap, 0ns); // nor is a task that can run
    s.loop.turn(1s);
    CHECK(s.count == 10);
    CHECK(s.loop.counters().turns == turns + 11);
    CHECK(s.loop.counters().spins == 0);
    CHECK(s.loop.counters().spared_waits == 0);
    s.loop.run_until_idle();
}

TEST_CASE("what comes while it polls is taken without a wait that blocks",
          "[loop][spin][not_simulated]") {
    test_loop loop{{.spin = endless}};
    // Whether it comes in time to be waited for is the machine's business: so again, until it does.
    for (int round = 0; loop.counters().spared_waits == 0; ++round) {
        REQUIRE(round < 100);
        const auto before = loop.counters();
        descriptor soon = readable_in(2ms);
        auto waits = loop.start(
            [](descriptor& on) -> io_task<> { co_await on.readable().or_return(); }, soon);
        loop.turn(0ns); // it registers and waits
        while (!waits.is_done())
            REQUIRE(loop.sched().poll_once(std::nullopt));
        const auto after = loop.counters();
        // One look, and what it spun: nothing else called epoll_wait.
        CHECK(after.turns - before.turns <= 2 + (after.spins - before.spins));
        CHECK(after.spared_waits == (after.spins != before.spins ? 1 : 0));
    }
}

TEST_CASE("after four waits in which nothing came it polls no more", "[loop][spin]") {
    reading s{instant};
    for (int i = 0; i < 4; ++i)
        CHECK(s.wait_in_vain() == 1);
    for (int i = 0; i < 20; ++i)
        CHECK(s.wait_in_vain() == 0);
    CHECK(s.loop.counters().spared_waits == 0);
}

TEST_CASE("once waits are short again it polls again", "[loop][spin]") {
    reading s{endless};
    for (int i = 0; i < 4; ++i)
        CHECK(s.wait_in_vain() >= 1);
    REQUIRE(s.wait_in_vain() == 0);

    // A turn that need not or may not wait tells nothing of waits.
    s.ends.there.send("x");
    auto runs = s.loop.start(nap, 0ns);
    s.loop.turn(1s);
    s.loop.run_until_idle();
    s.ends.there.send("x");
    s.loop.turn(0ns);
    REQUIRE(s.count == 2);
    REQUIRE(s.wait_in_vain() == 0);

    s.wait_for_nothing();
    CHECK(s.wait_in_vain() >= 1);
    CHECK(s.loop.counters().spared_waits == 0);
}

TEST_CASE("a wait for a limited time polls no longer than that", "[loop][spin][not_simulated]") {
    reading s{endless};
    const auto turns = s.loop.counters().turns;
    const auto start = now();
    CHECK(s.wait_in_vain() >= 1);
    CHECK(now() - start >= 1ms);
    CHECK(s.loop.counters().turns == turns + 1 + s.loop.counters().spins); // and none blocked then
}

TEST_CASE("a deadline ends polling, and is no sign that it pays", "[loop][spin]") {
    test_loop loop{{.spin = endless}};
    const auto polls_of_a_nap = [&loop] {
        const auto before = loop.counters().spins;
        auto naps = loop.start(nap, 2ms);
        loop.turn(0ns);
        while (!naps.is_done())
            REQUIRE(loop.sched().poll_once(std::nullopt));
        return loop.counters().spins - before;
    };
    // A nap may be over before it is waited for, if the machine is busy; that does not count.
    int polled = 0;
    for (int round = 0; polled < 4; ++round) {
        REQUIRE(round < 100);
        if (polls_of_a_nap() != 0) ++polled;
    }
    for (int i = 0; i < 10; ++i)
        CHECK(polls_of_a_nap() == 0);
    CHECK(loop.counters().spared_waits == 0);
}

TEST_CASE("while it polls it hears of a post", "[loop][spin][not_simulated]") {
    test_loop loop{{.spin = endless}};
    int ran = 0;
    for (int i = 1; i <= 10; ++i) {
        std::thread poster{[there = loop.sched().get_remote(), &ran] {
            static_cast<void>(there.post([&ran] { ++ran; }));
        }};
        while (ran < i)
            REQUIRE(loop.sched().poll_once(std::nullopt));
        poster.join();
    }
    CHECK(ran == 10);
}

TEST_CASE("run spins, and ends with its task", "[loop][spin]") {
    run_options options;
    options.scheduler.spin = endless;
    scheduler_counters counters;
    CHECK(run(nap_and_look(counters), options) == 0);
    CHECK(counters.spins > 0);
}
