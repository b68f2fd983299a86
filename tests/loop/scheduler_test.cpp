// One turn of the scheduler, seen from outside; fairness; being driven by a foreign loop.
#include <dunlin/loop/descriptor.hpp>
#include <dunlin/loop/remote.hpp>
#include <dunlin/task/sleep.hpp>

#include <support/forked.hpp>
#include <support/pipe.hpp>
#include <support/test_loop.hpp>

#include <poll.h>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

bool polls_readable(borrowed_fd fd, int milliseconds) {
    pollfd entry{fd.get(), POLLIN, 0};
    return ::poll(&entry, 1, milliseconds) == 1;
}

io_task<> nothing() { co_return; }

io_task<> nap(std::chrono::nanoseconds span) { co_await sleep_for(span).or_return(); }

io_task<> read_for_ever(tcp_socket& from, std::size_t& count) {
    std::byte byte{};
    for (;;) {
        const std::size_t n = co_await from.read({&byte, 1}).or_return();
        count += n;
    }
}

io_task<> sleep_nothing_for_ever(std::size_t& count) {
    for (;;) {
        co_await sleep_for(0ns).or_return();
        ++count;
    }
}

} // namespace

TEST_CASE("poll_once waits no longer than it is told, and not at all for zero",
          "[loop][scheduler]") {
    test_loop loop;
    const auto start = std::chrono::steady_clock::now();
    CHECK(loop.turn(0ns) == 0);
    CHECK(loop.turn(-1s) == 0);
    CHECK(std::chrono::steady_clock::now() - start < 1s);
    CHECK(loop.turn(3ms) == 0);
    CHECK(std::chrono::steady_clock::now() - start >= 3ms);
    CHECK(loop.counters().turns == 3);
    CHECK(loop.counters().resumptions == 0);
}

TEST_CASE("poll_once without a limit waits for the next timer", "[loop][scheduler]") {
    test_loop loop;
    auto pending = loop.start(nap, 3ms);
    const auto start = now();
    while (!pending.is_done())
        REQUIRE(loop.sched().poll_once(std::nullopt));
    CHECK(now() - start >= 3ms);
    CHECK(loop.counters().turns <= 4);
}

TEST_CASE("next_deadline says past, never, or when", "[loop][scheduler]") {
    test_loop loop;
    CHECK_FALSE(loop.sched().next_deadline().has_value());
    auto at_once = loop.start(nothing);
    REQUIRE(loop.sched().next_deadline().has_value());
    CHECK(*loop.sched().next_deadline() <= now());
    loop.run_until_idle();
    CHECK_FALSE(loop.sched().next_deadline().has_value());

    const auto start = now();
    auto later = loop.start(nap, 1h);
    loop.run_until_idle();
    REQUIRE(loop.sched().next_deadline().has_value());
    CHECK(*loop.sched().next_deadline() >= start + 59min);
    CHECK(*loop.sched().next_deadline() <= now() + 1h);
    later.destroy();
    CHECK_FALSE(loop.sched().next_deadline().has_value());

    REQUIRE(loop.sched().get_remote().post([] {}));
    CHECK(polls_readable(loop.sched().fd(), 0)); // what comes from other threads shows there
}

TEST_CASE("a foreign loop sleeps on fd() and is woken by a socket", "[loop][scheduler]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    std::size_t count = 0;
    auto reads = loop.start(read_for_ever, here, count);
    loop.run_until_idle();
    CHECK_FALSE(polls_readable(loop.sched().fd(), 0));
    there.send("abc");
    CHECK(polls_readable(loop.sched().fd(), 1000));
    loop.run_until_idle();
    CHECK(count == 3);
    CHECK_FALSE(polls_readable(loop.sched().fd(), 0));
}

TEST_CASE("a foreign loop that sleeps on fd() is woken by every post", "[loop][scheduler]") {
    test_loop loop;
    loop.turn();
    const remote there = loop.sched().get_remote();
    int ran = 0;
    for (int i = 1; i <= 200; ++i) {
        // A post that ends a wait inside poll_once ...
        std::thread poster{[&] { static_cast<void>(there.post([&ran] { ++ran; })); }};
        while (ran < 2 * i - 1)
            loop.turn(1s);
        poster.join();
        // ... must not leave the loop deaf to one that comes while the foreign loop sleeps.
        CHECK_FALSE(loop.sched().next_deadline().has_value());
        REQUIRE(there.post([&ran] { ++ran; }));
        REQUIRE(polls_readable(loop.sched().fd(), 1000));
        loop.run_until_idle();
        REQUIRE(ran == 2 * i);
    }
}

TEST_CASE("a turn resumes at most 256 times, in the order of spawning", "[loop][scheduler]") {
    test_loop loop;
    std::vector<int> order;
    task_group group;
    for (int i = 0; i < 600; ++i)
        group.spawn(
            [&order](int number) -> task<> {
                order.push_back(number);
                co_return;
            },
            i);
    CHECK(order.empty()); // spawn only queues
    CHECK(loop.turn() == 256);
    CHECK(loop.turn() == 256);
    CHECK(loop.turn() == 88);
    REQUIRE(order.size() == 600);
    CHECK(std::is_sorted(order.begin(), order.end()));
    CHECK(loop.counters().resumptions == 600);
}

TEST_CASE("a task that always has input starves neither the others nor the timers",
          "[loop][scheduler]") {
    test_loop loop;
    auto [busy, busy_peer] = loop.socket_pair();
    auto [calm, calm_peer] = loop.socket_pair();
    std::size_t busy_count = 0;
    std::size_t calm_count = 0;
    auto reads = loop.start(read_for_ever, busy, busy_count);
    auto other = loop.start(read_for_ever, calm, calm_count);
    auto timer = loop.start(nap, 1us);
    loop.run_until_idle();
    busy_peer.send(std::string(20'000, '.'));
    calm_peer.send("x");
    loop.turn();
    CHECK(busy_count <= 65); // the one it was woken for, and its budget
    CHECK(calm_count == 1);
    loop.run_until([&] { return timer.is_done(); });
    CHECK(busy_count < 20'000);
    const std::size_t before = busy_count;
    loop.turn();
    CHECK(busy_count > before); // it need not be woken again for the rest
    CHECK(busy_count <= before + 65);
    loop.run_until_idle();
    CHECK(busy_count == 20'000);
}

TEST_CASE("a task that sleeps for nothing again and again starves nobody", "[loop][scheduler]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    std::size_t sleeps = 0;
    std::size_t count = 0;
    auto busy = loop.start(sleep_nothing_for_ever, sleeps);
    auto reads = loop.start(read_for_ever, here, count);
    loop.turn();
    there.send("x");
    loop.turn();
    loop.turn();
    CHECK(count == 1);
    CHECK(sleeps <= 4 * 64);
    CHECK(sleeps >= 64);
}

TEST_CASE("a stop ends a task whose budget is spent", "[loop][scheduler]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    std::size_t count = 0;
    there.send(std::string(10'000, '.'));
    auto reads = loop.start(read_for_ever, here, count);
    loop.turn();
    REQUIRE(count == 64);
    reads.stop();
    loop.run_until_idle();
    REQUIRE(reads.is_done());
    CHECK(reads.result().error() == errc::stopped);
}

TEST_CASE("without descriptors a scheduler is made all the same, and poll_once says why",
          "[loop][scheduler]") {
    const auto child = run_forked([] {
        for (const rlim_t limit : {3U, 4U}) { // no epoll; an epoll but no eventfd
            const rlimit few{limit, limit};
            if (::setrlimit(RLIMIT_NOFILE, &few) != 0 && limit == 3) return 1;
            scheduler starved;
            const auto turned = starved.poll_once(0ns);
            if (turned || turned.error() != std::errc::too_many_files_open) return 2;
            if (starved.get_remote().post([] {})) return 3;
            if (starved.next_deadline()) return 4;
            if (starved.get_remote().is_alive()) return 5;
        }
        return 0;
    });
    CHECK(child.exit_code == 0);
}

TEST_CASE("current() is the scheduler of this thread, or of the running turn",
          "[loop][scheduler]") {
    CHECK(scheduler::current() == nullptr);
    {
        test_loop outer;
        scheduler* const first = scheduler::current();
        REQUIRE(first == &outer.sched());
        {
            scheduler inner;
            CHECK(scheduler::current() == first);
            scheduler* seen = nullptr;
            REQUIRE(inner.get_remote().post([&seen] { seen = scheduler::current(); }));
            REQUIRE(inner.poll_once(0ns));
            CHECK(seen == &inner);
        }
        CHECK(scheduler::current() == first);
        scheduler* elsewhere = first;
        std::thread{[&elsewhere] { elsewhere = scheduler::current(); }}.join();
        CHECK(elsewhere == nullptr);
    }
    CHECK(scheduler::current() == nullptr);
}

TEST_CASE("the log function hears the words and the place", "[loop][scheduler]") {
    static std::string heard;
    heard.clear();
    test_loop loop{{.log = [](log_level, std::string_view words, std::source_location) noexcept {
        heard = words;
    }}};
    loop.sched().log(log_level::warning, "hello");
    CHECK(heard == "hello");
}
