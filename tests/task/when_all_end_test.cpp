// What ends a `when_all` from outside: stops, drains and destruction; nothing is left behind. Only
// the test moves the clock.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>

#include <support/branches.hpp>
#include <support/fake_clock.hpp>
#include <support/net_support.hpp>

#include <memory>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

const std::error_code refused = std::make_error_code(std::errc::connection_refused);

io_task<int> error_after(std::chrono::nanoseconds span) {
    const in_frame here;
    co_await sleep_for(span).ignore();
    co_return refused;
}

} // namespace

TEST_CASE("a stop reaches every branch, and those that ignore it are waited for", "[task][when]") {
    test_loop loop;
    std::error_code told;
    auto started = loop.start([&told]() -> io_task<> {
        co_await when_all(stubborn(5s, &told), stubborn(3s)).or_return();
        co_await sleep_for(1h).or_return();
    });
    loop.run_until_idle();
    started.stop();
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    CHECK(told == errc::stopped);
    fake_clock::advance(5s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::stopped); // of what came after: the branches succeeded
}

TEST_CASE("a branch may stop the task that waits for it", "[task][when]") {
    test_loop loop;
    task_group group;
    std::error_code told;
    const auto outer = [&]() -> io_task<> {
        const auto stops = [&group]() -> io_task<> {
            group.request_stop();
            co_await sleep_for(1h).or_return();
        };
        co_await when_all(stubborn(1ns, &told), stops()).or_return();
    };
    group.spawn(outer());
    loop.run_until_idle();
    fake_clock::advance(1ns);
    loop.run_until_idle();
    CHECK(group.is_empty());
    CHECK(told == errc::stopped);
    CHECK(in_frame::alive == 0);
}

TEST_CASE("a local of the last branch may own the task that waits for it", "[task][when]") {
    test_loop loop;
    struct owner {
        owner() = default;
        task_group group{on_child_error::carry_on};
    };
    auto self = std::make_shared<owner>();
    const auto waits = [](std::shared_ptr<owner>* given) -> io_task<> {
        const auto fails = [](std::shared_ptr<owner> held) -> io_task<> {
            co_await sleep_for(1ns).ignore();
            if (held != nullptr) co_await fail(refused);
        };
        co_await when_all(fails(std::move(*given))).ignore();
        co_await sleep_for(1h).ignore();
    };
    std::weak_ptr<owner> watched = self;
    self->group.spawn(waits(&self));
    loop.run_until_idle();
    REQUIRE(self == nullptr);
    REQUIRE_FALSE(watched.expired());
    fake_clock::advance(1ns);
    loop.run_until_idle();
    CHECK(watched.expired());
}

TEST_CASE("destroying a when_all at any time destroys its branches and leaves no timer",
          "[task][when]") {
    for (int step = 0; step < 6; ++step) {
        CAPTURE(step);
        test_loop loop;
        auto started = loop.start([]() -> io_task<> {
            std::vector<io_task<int>> several;
            several.push_back(stubborn(10s));
            several.push_back(value_after(2s, 1));
            co_await when_all(value_after(1s, 1), value_after(2s, 2), stubborn(10s),
                              when_any(when_all(std::move(several)), sleep_for(3s)),
                              error_after(4s))
                .timeout(1h)
                .or_return();
        });
        for (int i = 0; i < step; ++i) {
            loop.run_until_idle();
            fake_clock::advance(1s);
        }
        started.destroy();
        CHECK(in_frame::alive == 0);
        CHECK_FALSE(loop.sched().next_deadline().has_value());
        CHECK(loop.turn() == 0);
    }
}

TEST_CASE("a when_all that is never awaited destroys its branches unrun", "[task][when]") {
    test_loop loop;
    bool ran = false;
    const auto runs = [&ran]() -> io_task<> {
        ran = true;
        co_return;
    };
    {
        [[maybe_unused]] auto unused = when_all(runs(), runs());
    }
    loop.run_until_idle();
    CHECK_FALSE(ran);
}

TEST_CASE("a drain is passed on to the branches: input ends, output and sleep go on",
          "[task][when]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    std::error_code read_ended;
    auto started = loop.start(
        [&read_ended](tcp_socket& sock) -> io_task<> {
            const auto reads = [](tcp_socket& from, std::error_code& why) -> io_task<> {
                const auto data = co_await from.read();
                if (!data) why = data.error();
            };
            co_await when_all(reads(sock, read_ended), sleep_for(1s)).or_return();
        },
        here);
    SECTION("asked for before") { started.drain(); }
    SECTION("asked for meanwhile") {
        loop.run_until_idle();
        started.drain();
    }
    advance_to_end(loop, 1s, started);
    CHECK(started.result());
    CHECK(read_ended == errc::stopped);
}
