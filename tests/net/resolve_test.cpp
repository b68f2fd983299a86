// Names: the six cases of a lookup, what is looked up at all, errors, and lookups that hang.
#include <dunlin/net/resolve.hpp>
#include <dunlin/task/run.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>

#include <support/fake_resolver.hpp>
#include <support/forked.hpp>
#include <support/net_support.hpp>

#include <netdb.h>

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

std::error_code error_of(test_loop& loop, std::string host, std::string service = "80") {
    auto found = loop.run(look_up(std::move(host), std::move(service)));
    return found ? std::error_code{} : found.error();
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

// ---- what is what

TEST_CASE("localhost has an address, by its name and by that of a service", "[net][resolve]") {
    resolving_loop loop;
    const list found = loop.run(look_up("localhost", "8888")).value();
    REQUIRE_FALSE(found.empty());
    for (const endpoint& each : found) {
        CHECK(each.port() == 8888);
        CHECK((each == endpoint::loopback_v4(8888) || each == endpoint::loopback_v6(8888)));
    }
    if (const servent* const http = ::getservbyname("http", "tcp"); http != nullptr) {
        const list by_service = loop.run(look_up("localhost", "http")).value();
        REQUIRE_FALSE(by_service.empty());
        CHECK(by_service[0].port() == 80);
        const list of_address = loop.run(look_up("127.0.0.9", "http")).value();
        REQUIRE(of_address.size() == 1);
        CHECK(of_address[0] == endpoint::parse("127.0.0.9:80").value());
    }
}

TEST_CASE("what is nearly a port or an address is refused, and nobody is asked", "[net][resolve]") {
    resolving_loop loop;
    const int before = lookups_begun();
    for (const char* const service : {"", "65536", "-1", "+80", " 80", "80 ", "0000080", " http",
                                      "-http", "99999999999999999999", "8_0"}) {
        INFO(service);
        CHECK(error_of(loop, "localhost", service) == errc::bad_address);
        CHECK(error_of(loop, "127.0.0.1", service) == errc::bad_address);
    }
    for (const char* const host : {"", "127.1", "256.0.0.1", "127.0.0", "1.2.3.4.5", "0x7f.0.0.1",
                                   "0x7f000001", "0x", "2130706433", "010.0.0.1", "127.0.0.1.",
                                   "::1::", "[::1", "[::1]", "127.0.0.1:80", "example.0xAf"}) {
        INFO(host);
        CHECK(error_of(loop, host) == errc::bad_address);
        CHECK(error_of(loop, host, "http") == errc::bad_address);
    }
    using namespace std::string_literals;
    CHECK(error_of(loop, "local\0host"s) == errc::bad_address);
    CHECK(error_of(loop, "localhost", "ht\0tp"s) == errc::bad_address);
    CHECK(lookups_begun() == before);
}

TEST_CASE("host:port is taken apart at the last colon, IPv6 addresses in brackets only",
          "[net][resolve]") {
    using detail::split_host_and_service;
    for (const auto& [text, host, service] :
         {std::tuple{"example.org:80", "example.org", "80"},
          std::tuple{"[::1]:http", "::1", "http"}, std::tuple{"127.0.0.1:0", "127.0.0.1", "0"}}) {
        const auto parts = split_host_and_service(text);
        REQUIRE(parts);
        CHECK(parts.value().host == host);
        CHECK(parts.value().service == service);
    }
    for (const char* const text : {"", ":", "example.org", ":80", "example.org:", "::1:80", "[]:80",
                                   "[example.org]:80", "[::1]", "[::1:80", "a:b:80"}) {
        INFO(text);
        const auto parts = split_host_and_service(text);
        REQUIRE_FALSE(parts);
        CHECK(parts.error() == errc::bad_address);
    }
}

// ---- errors

TEST_CASE("getaddrinfo's errors are told as they are", "[net][resolve]") {
    resolving_loop loop;
    set_failure("none.test", EAI_NONAME);
    set_failure("again.test", EAI_AGAIN);
    set_failure("broken.test", EAI_FAIL);
    set_failure("empty.test", EAI_NODATA);
    set_failure("memory.test", EAI_MEMORY);
    set_failure("system.test", EAI_SYSTEM, EMFILE);
    set_failure("odd.test", EAI_FAMILY);
    set_addresses("nothing.test", {});
    CHECK(error_of(loop, "none.test") == resolver_errc::no_such_name);
    CHECK(error_of(loop, "again.test") == resolver_errc::try_again);
    CHECK(error_of(loop, "again.test") == std::errc::resource_unavailable_try_again);
    CHECK(error_of(loop, "broken.test") == resolver_errc::failed);
    CHECK(error_of(loop, "empty.test") == resolver_errc::no_address);
    CHECK(error_of(loop, "nothing.test") == resolver_errc::no_address);
    CHECK(error_of(loop, "memory.test") == std::errc::not_enough_memory);
    CHECK(error_of(loop, "system.test") == std::error_code{EMFILE, std::system_category()});
    CHECK(error_of(loop, "odd.test") == std::error_code{EAI_FAMILY, resolver_category()});
    CHECK(std::string{resolver_category().name()} == "resolver");
    const std::error_code none = resolver_errc::no_such_name;
    CHECK(none.message() == ::gai_strerror(EAI_NONAME));
    CHECK_FALSE(none == std::errc::resource_unavailable_try_again);
    CHECK_FALSE(none == errc::bad_address);
}

TEST_CASE("libc refuses impossible names and unknown services without asking a server",
          "[net][resolve]") {
    resolving_loop loop;
    CHECK(error_of(loop, "no such host") == resolver_errc::no_such_name);
    CHECK(error_of(loop, std::string(64, 'a') + ".test") == resolver_errc::no_such_name);
    CHECK(error_of(loop, "localhost", "no-such-service") == resolver_errc::no_such_service);
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
