// A channel between threads. Runs under TSan too.
#include <dunlin/loop/remote.hpp>
#include <dunlin/sync/remote_channel.hpp>

#include <support/test_loop.hpp>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

using numbers = remote_channel<int>;

io_task<int> receive_one(const numbers& from) {
    const int got = co_await from.receive().or_return();
    co_return got;
}

io_task<> send_all(const numbers& to, int first, int count) {
    for (int i = 0; i < count; ++i)
        co_await to.send(first + i).or_return();
}

io_task<> receive_all(const numbers& from, std::vector<int>& into) {
    for (;;) {
        auto got = co_await from.receive();
        if (!got) break;
        into.push_back(got.assume_value());
    }
}

/// A scheduler of its own for this thread, until its tasks have ended.
template <class Spawn>
void run_here(Spawn spawn) {
    scheduler loop;
    task_group group;
    spawn(group);
    while (!group.is_empty())
        static_cast<void>(loop.poll_once(5s));
}

constexpr auto try_again = std::errc::resource_unavailable_try_again;

} // namespace

TEST_CASE("an item wakes a task on another thread's scheduler, which waits for ever",
          "[sync][remote_channel]") {
    test_loop loop;
    const numbers items{1};
    auto waits = loop.start(receive_one(items));
    loop.run_until_idle();
    std::thread sender{[items] { static_cast<void>(items.try_send(7)); }};
    while (!waits.is_done())
        REQUIRE(loop.sched().poll_once(std::nullopt));
    sender.join();
    CHECK(waits.result().value() == 7);
    CHECK(items.size() == 0);
}

TEST_CASE("a close wakes tasks and blocked threads everywhere", "[sync][remote_channel]") {
    const numbers items{1};
    const numbers full{1};
    REQUIRE(full.try_send(1));
    std::atomic<int> closed{0};
    std::atomic<int> begun{0};
    const auto count = [&](auto ended) {
        if (!ended && ended.error() == errc::closed) ++closed;
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
            run_here([&](task_group& group) {
                group.spawn([&]() -> io_task<> {
                    ++begun;
                    auto got = co_await items.receive();
                    count(std::move(got));
                });
                group.spawn([&]() -> io_task<> {
                    ++begun;
                    auto sent = co_await full.send(2);
                    count(std::move(sent));
                });
            });
        });
        threads.emplace_back([&] {
            ++begun;
            count(items.blocking_receive());
        });
        threads.emplace_back([&] {
            ++begun;
            count(full.blocking_send(2));
        });
    }
    while (begun < 8)
        std::this_thread::yield();
    std::this_thread::sleep_for(2ms); // most of them wait by then
    items.close();
    full.close();
    for (std::thread& each : threads)
        each.join();
    CHECK(closed == 8);
    CHECK(full.blocking_receive().value() == 1);
    CHECK(full.blocking_receive().error() == errc::closed);
    CHECK(full.try_receive().error() == errc::closed);
    CHECK(full.blocking_send(2).error() == errc::closed);
    CHECK(full.try_send(2).error() == errc::closed);
}

TEST_CASE("without waiting: full and empty are told from closed", "[sync][remote_channel]") {
    const remote_channel<std::string> items{2};
    CHECK(items.capacity() == 2);
    CHECK(items.try_receive().error() == try_again);
    CHECK(items.try_send("a"));
    CHECK(items.blocking_send("b"));
    std::string third = "a third";
    CHECK(items.try_send(std::move(third)).error() == try_again);
    CHECK(third == "a third"); // untouched
    CHECK(items.try_receive().value() == "a");
    CHECK(items.blocking_receive().value() == "b");
    CHECK_FALSE(items.is_closed());
}

TEST_CASE("tasks and plain threads, many of each: every item is received once",
          "[sync][remote_channel]") {
    constexpr int each = 2'000;
    const numbers items{8};
    std::vector<int> got[5];
    std::vector<std::thread> senders;
    std::vector<std::thread> receivers;
    for (int i = 0; i < 2; ++i) {
        receivers.emplace_back([&, i] {
            run_here([&](task_group& group) {
                group.spawn(receive_all, std::cref(items), std::ref(got[2 * i]));
                group.spawn(receive_all, std::cref(items), std::ref(got[2 * i + 1]));
            });
        });
        senders.emplace_back([&, i] {
            run_here([&](task_group& group) {
                group.spawn(send_all, std::cref(items), 2 * i * each, each);
                group.spawn(send_all, std::cref(items), (2 * i + 1) * each, each);
            });
        });
    }
    receivers.emplace_back([&] {
        while (auto next = items.blocking_receive())
            got[4].push_back(next.assume_value());
    });
    senders.emplace_back([&] {
        for (int i = 0; i < each; ++i)
            static_cast<void>(items.blocking_send(4 * each + i).has_value());
    });
    for (std::thread& thread : senders)
        thread.join();
    items.close();
    for (std::thread& thread : receivers)
        thread.join();
    std::vector<int> times(5 * each);
    for (const auto& of_one : got) {
        int last[5] = {-1, -1, -1, -1, -1};
        bool is_ordered = true;
        for (const int number : of_one) {
            ++times[static_cast<std::size_t>(number)];
            is_ordered = is_ordered && number > last[number / each];
            last[number / each] = number;
        }
        CHECK(is_ordered); // each sender's items, as seen by each receiver
    }
    CHECK(std::count(times.begin(), times.end(), 1) == 5 * each);
}

TEST_CASE("what is posted to wake a task may have its turn when the task, the channel or the "
          "scheduler is gone",
          "[sync][remote_channel]") {
    std::optional<numbers> items{std::in_place, std::size_t{1}};
    SECTION("the task") {
        test_loop loop;
        auto waits = loop.start(receive_one(*items));
        loop.run_until_idle();
        REQUIRE(items->try_send(1));
        waits.destroy();
        loop.run_until_idle();
        CHECK(items->try_receive().value() == 1);
        auto next = loop.start(receive_one(*items)); // waits as well as the first did
        loop.run_until_idle();
        REQUIRE(items->try_send(2));
        loop.run_until_idle();
        CHECK(next.result().value() == 2);
        items.reset(); // what it keeps of the loop is an eventfd
    }
    SECTION("and the channel") {
        test_loop loop;
        auto waits = loop.start(receive_one(*items));
        loop.run_until_idle();
        REQUIRE(items->try_send(1));
        waits.destroy();
        items.reset();
        loop.run_until_idle();
    }
    SECTION("and the scheduler") {
        std::optional<scheduler> loop{std::in_place};
        std::optional<task_group> group{std::in_place};
        group->spawn([&]() -> io_task<> { co_await items->receive().ignore(); });
        static_cast<void>(loop->poll_once(0ns));
        REQUIRE(items->try_send(1));
        group.reset();
        SECTION("before the channel") {
            loop.reset();
            CHECK(items->try_receive().value() == 1);
        }
        SECTION("after it") {
            items.reset();
            loop.reset();
        }
    }
}

TEST_CASE("schedulers that come and go leave nothing behind in a channel",
          "[sync][remote_channel]") {
    const numbers items{1};
    for (int i = 0; i < 100; ++i) {
        scheduler loop; // often at the address of its predecessor
        task_group group;
        int got = -1;
        group.spawn([&]() -> io_task<> {
            const int next = co_await items.receive().or_return();
            got = next;
        });
        static_cast<void>(loop.poll_once(0ns));
        REQUIRE(items.try_send(int{i}));
        while (!group.is_empty())
            REQUIRE(loop.poll_once(1s));
        REQUIRE(got == i);
    }
}

TEST_CASE("schedulers die while their tasks send and receive, and no item is lost or doubled",
          "[sync][remote_channel]") {
    constexpr int rounds = 10'000;
    const numbers items{4};
    std::atomic<bool> is_over{false};
    std::atomic<long> sent{0};
    std::atomic<long> received{0};
    // Two that live on: a thread that tries, and one with a scheduler, whose tasks wait.
    std::thread tries{[&] {
        for (int i = 0; !is_over; ++i) {
            if (i % 2 == 0 ? items.try_send(1).has_value() : items.try_receive().has_value())
                ++(i % 2 == 0 ? sent : received);
        }
    }};
    const auto sends = [&]() -> io_task<> {
        for (;;) {
            co_await items.send(1).or_return();
            ++sent;
        }
    };
    const auto receives = [&]() -> io_task<> {
        for (;;) {
            const int got = co_await items.receive().or_return();
            received += got;
        }
    };
    std::thread lives{[&] {
        run_here([&](task_group& group) {
            group.spawn(sends);
            group.spawn(receives);
        });
    }};
    for (int round = 0; round < rounds; ++round) {
        scheduler loop;
        task_group group;
        group.spawn(receives);
        if (round % 3 == 0) group.spawn(sends);
        group.spawn(receives);
        for (int turn = 0; turn < round % 4; ++turn)
            static_cast<void>(loop.poll_once(0ns));
        if (round % 5 == 0) group.request_stop();
        // The group and its tasks die here, then the scheduler, in whatever state.
    }
    is_over = true;
    items.close();
    tries.join();
    lives.join();
    while (items.try_receive())
        ++received;
    CHECK(received == sent);
    CHECK(sent > 0);
}
