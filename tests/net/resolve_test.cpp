// Names: the six cases of a lookup, lookups that hang, and many of them.
#include <dunlin/net/resolve.hpp>
#include <dunlin/task/run.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>

#include <support/fake_resolver.hpp>
#include <support/forked.hpp>
#include <support/net_support.hpp>

#include <cstdlib>
#include <thread>

using namespace dunlin;
using namespace dunlin::test;

namespace {

using list = std::vector<endpoint>;

list both_families(std::uint16_t port) {
    return {endpoint::parse("2001:db8::7", port).value(),
            endpoint::parse("192.0.2.7", port).value()};
}

io_task<list> look_up(std::string host, std::string service) {
    auto found = co_await resolve(host, service).or_return();
    co_return found;
}

io_task<> look_up_and_forget() {
    const auto found = co_await resolve("both.test", "1").or_return();
    if (found.empty()) co_await fail(errc::busy);
}

} // namespace

// ---- the six

TEST_CASE("an address with a port needs no thread, and no wait",
          "[net][resolve][six:resolve_operation:ready]") {
    resolving_loop loop;
    const int before = lookups_begun();
    for (const auto& [host, service, is] :
         {std::tuple{"127.0.0.1", "80", "127.0.0.1:80"}, std::tuple{"::1", "0", "[::1]:0"},
          std::tuple{"192.0.2.1", "00080", "192.0.2.1:80"},
          std::tuple{"fe80::1%1", "65535", "[fe80::1%1]:65535"}}) {
        auto pending = loop.start(look_up(host, service));
        loop.turn();
        REQUIRE(pending.is_done());
        const list found = pending.result().value();
        REQUIRE(found.size() == 1);
        CHECK(found[0] == endpoint::parse(is).value());
    }
    CHECK(lookups_begun() == before);
}

TEST_CASE("a name is looked up on another thread, and its addresses keep their order",
          "[net][resolve][six:resolve_operation:later]") {
    resolving_loop loop;
    set_addresses("both.test", both_families(0));
    pending<result<list>> started;
    {
        const hanging_lookups none_answers;
        const int before = lookups_begun();
        started = loop.start(look_up("both.test", "443"));
        loop.turn();
        wait_until_begun(before + 1);
        loop.run_until_idle();
        REQUIRE_FALSE(started.is_done());
    }
    loop.run_until([&] { return started.is_done(); });
    CHECK(started.result().value() == both_families(443));
    CHECK_FALSE(was_on_this_thread());
    CHECK_FALSE(let_signals_through());
}

TEST_CASE("a lookup that is woken for nothing goes on waiting",
          "[net][resolve][six:resolve_operation:spurious]") {
    resolving_loop loop;
    set_addresses("both.test", both_families(0));
    task_context* waiting = nullptr;
    pending<result<list>> started;
    {
        const hanging_lookups none_answers;
        started = loop.start(observe(look_up("both.test", "1"), waiting));
        loop.run_until_idle();
        for (int i = 0; i < 3; ++i)
            wake_for_nothing(loop, waiting);
        REQUIRE_FALSE(started.is_done());
    }
    loop.run_until([&] { return started.is_done(); });
    CHECK(started.result().value().size() == 2);
}

TEST_CASE("a lookup that is stopped ends at once, and its late answer is dropped",
          "[net][resolve][six:resolve_operation:stopped]") {
    resolving_loop loop;
    set_addresses("both.test", both_families(0));
    {
        const hanging_lookups none_answers;
        const int before = lookups_begun();
        auto started = loop.start(look_up("both.test", "1"));
        loop.turn();
        wait_until_begun(before + 1);
        started.stop();
        loop.turn();
        REQUIRE(started.is_done());
        CHECK(started.result().error() == errc::stopped);

        auto stopped_before = loop.start(look_up("both.test", "1"));
        stopped_before.stop();
        loop.turn();
        REQUIRE(stopped_before.is_done());
        CHECK(stopped_before.result().error() == errc::stopped);
        CHECK(lookups_begun() == before + 1);

        auto needs_no_wait = loop.start(look_up("127.0.0.1", "1"));
        needs_no_wait.stop();
        loop.turn();
        REQUIRE(needs_no_wait.is_done());
        CHECK(needs_no_wait.result());
    }
    loop.wait_for_answers();
}

TEST_CASE("a lookup that is destroyed while it lasts drops its late answer",
          "[net][resolve][six:resolve_operation:destroyed]") {
    resolving_loop loop;
    set_addresses("both.test", both_families(0));
    {
        const hanging_lookups none_answers;
        const int before = lookups_begun();
        auto under_way = loop.start(look_up("both.test", "1"));
        loop.turn();
        wait_until_begun(before + 1);
        auto queued = loop.start(look_up("both.test", "1"));
        loop.turn();
        under_way.destroy();
        queued.destroy(); // nobody will ever ask for it
    }
    loop.wait_for_answers();
    const int before = lookups_begun();
    CHECK(loop.run(look_up("both.test", "1")).value().size() == 2);
    CHECK(lookups_begun() == before + 1);
}

TEST_CASE("a lookup that is destroyed in the turn its answer came is not resumed",
          "[net][resolve][six:resolve_operation:destroyed-ready]") {
    resolving_loop loop;
    set_addresses("both.test", both_families(0));
    sniper killer{loop};
    auto victim = std::optional<pending<result<list>>>{};
    {
        const hanging_lookups none_answers;
        const int before = lookups_begun();
        victim.emplace(loop.start(look_up("both.test", "1")));
        killer.aim(*victim);
        wait_until_begun(before + 1);
        killer.pull();
    }
    wait_for_resolver_to_end(); // it is posted
    killer.fire();
    CHECK_FALSE(victim->is_done());
}

// ---- time

TEST_CASE("a lookup that hangs stalls nobody, and its timeout is kept", "[net][resolve]") {
    resolving_loop loop;
    set_addresses("both.test", both_families(0));
    {
        const hanging_lookups none_answers;
        int naps = 0;
        auto others = loop.start([&]() -> io_task<> {
            for (; naps < 20; ++naps)
                co_await sleep_for(2ms).or_return();
        });
        const auto began = std::chrono::steady_clock::now();
        const auto late = loop.run(resolve("both.test", "1").timeout(50ms));
        const auto took = std::chrono::steady_clock::now() - began;
        REQUIRE_FALSE(late);
        CHECK(late.error() == errc::timeout);
        CHECK(took >= 40ms);
        CHECK(took < 1s);
        loop.run_until([&] { return others.is_done(); });
        CHECK(naps == 20);

        auto task_late = loop.run([]() -> io_task<> {
            const auto found = co_await look_up("both.test", "1").timeout(5ms).or_return();
            if (found.empty()) co_await fail(errc::busy);
        }());
        REQUIRE_FALSE(task_late);
        CHECK(task_late.error() == errc::timeout);
    }
    loop.wait_for_answers();
}

TEST_CASE("the loser of a race is gone before its answer comes", "[net][resolve]") {
    resolving_loop loop;
    set_addresses("both.test", both_families(0));
    {
        const hanging_lookups none_answers;
        auto race = loop.start([]() -> io_task<std::size_t> {
            const auto first = co_await when_any(resolve("both.test", "1"),
                                                 resolve("127.0.0.1", "1"), sleep_for(1h))
                                   .or_return();
            co_return first.index();
        });
        loop.run_until([&] { return race.is_done(); });
        CHECK(race.result().value() == 1);
    }
    loop.wait_for_answers();
}

TEST_CASE("numbers looked up without end let others run", "[net][resolve]") {
    resolving_loop loop;
    auto busy = loop.start([]() -> io_task<> {
        for (;;)
            co_await resolve("127.0.0.1", "1").or_return();
    });
    for (int i = 0; i < 3; ++i)
        CHECK(loop.turn() == 1);
    busy.stop();
    loop.turn();
    REQUIRE(busy.is_done()); // a spent budget is a wait
    CHECK(busy.result().error() == errc::stopped);
}

// ---- many, and the end

TEST_CASE("lookups are worked off in order, those that were given up left out", "[net][resolve]") {
    resolving_loop loop;
    std::vector<int> order;
    std::vector<pending<void>> started;
    const auto note = [&](int number) -> task<> {
        const std::string name = "n" + std::to_string(number) + ".test";
        co_await resolve(name, "1").ignore();
        order.push_back(number);
    };
    int before = 0;
    {
        const hanging_lookups none_answers;
        before = lookups_begun();
        for (int i = 0; i < 6; ++i) {
            set_addresses("n" + std::to_string(i) + ".test", both_families(0));
            started.push_back(loop.start(note, i));
        }
        loop.run_until_idle();
        wait_until_begun(before + 1);
        for (const std::size_t given_up : {2U, 5U, 3U})
            started[given_up].destroy();
    }
    loop.run_until(
        [&] { return started[0].is_done() && started[1].is_done() && started[4].is_done(); });
    CHECK(order == std::vector{0, 1, 4});
    CHECK(lookups_begun() == before + 3);
}

TEST_CASE("a scheduler may die while a lookup is under way", "[net][resolve]") {
    set_addresses("both.test", both_families(0));
    const int before = lookups_begun();
    {
        const hanging_lookups none_answers;
        {
            scheduler loop;
            task_group group;
            group.spawn(look_up_and_forget);
            REQUIRE(loop.poll_once(0ns));
            wait_until_begun(before + 1);
        }
    }
    wait_for_resolver_to_end();
    // The next one shows that all is well.
    resolving_loop loop;
    CHECK(loop.run(look_up("both.test", "1")).value().size() == 2);
}

TEST_CASE("an answer that was posted when the scheduler dies is dropped", "[net][resolve]") {
    set_addresses("both.test", both_families(0));
    const int before = lookups_begun();
    {
        scheduler loop;
        task_group group;
        group.spawn(look_up_and_forget);
        REQUIRE(loop.poll_once(0ns));
        wait_until_over(before + 1);
        wait_for_resolver_to_end(); // it is posted
    }
    CHECK(lookups_over() == before + 1);
}

TEST_CASE("a thousand lookups given up at any moment leave nothing behind", "[net][resolve]") {
    set_addresses("both.test", both_families(0));
    resolving_loop loop;
    for (int i = 0; i < 1000; ++i) {
        auto kept = loop.start(look_up("both.test", "1"));
        auto dropped = loop.start(look_up("both.test", "2"));
        loop.turn();
        for (int spin = 0; spin < i % 50; ++spin)
            std::this_thread::yield();
        if (i % 3 == 0) loop.turn();
        if (i % 2 == 0)
            dropped.destroy();
        else
            dropped.stop();
        loop.run_until([&] { return kept.is_done(); });
        REQUIRE(kept.result().value().size() == 2);
    }
    loop.wait_for_answers();
}

TEST_CASE("a process may end while a lookup hangs", "[net][resolve]") {
    const auto ended = run_forked([] {
        static const auto* const for_ever = new hanging_lookups; // also when exit(3) cleans up
        const int code = run([]() -> io_task<int> {
            const auto found = co_await resolve("both.test", "1").timeout(20ms);
            co_return !found && found.error() == errc::timeout ? 7 : 8;
        }());
        if (for_ever == nullptr) return 9;
        std::exit(code); // with all that exit(3) does
    });
    CHECK(ended.exit_code == 7);
    CHECK(ended.signal == -1);
}
