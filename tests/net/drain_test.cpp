// What a drain takes for busy: sessions on sockets, in the middle of a request or of nothing. Only
// the test moves the clock.
#include <dunlin/task/task_group.hpp>

#include <support/fake_clock.hpp>
#include <support/net_support.hpp>

#include <functional>
#include <string>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> answers_lines(tcp_socket client) {
    std::string line;
    for (;;) {
        const auto data = co_await client.read().or_return();
        if (data.is_end()) co_return;
        line += data.text();
        if (line.back() != '\n') continue; // in the middle of a request
        co_await client.write(line).or_return();
        line.clear();
    }
}

io_task<> goes_away(tcp_socket client) {
    co_await client.write("bye").or_return();
    co_await client.lingering_close(5s).or_return();
}

io_task<std::size_t> drain(task_group& group, std::chrono::nanoseconds grace) {
    const std::size_t destroyed = co_await group.drain(grace).or_return();
    co_return destroyed;
}

} // namespace

TEST_CASE("a session in the middle of a request is busy to a drain, an idle one is not",
          "[net][drain]") {
    test_loop loop;
    const bool is_tcp = GENERATE(false, true);
    const auto make = [&] { return is_tcp ? loop.tcp_pair() : loop.socket_pair(); };
    auto idle = make();
    auto served = make();
    auto busy = make();
    task_group group{on_child_error::carry_on};
    group.spawn(answers_lines, std::move(idle.here));
    group.spawn(answers_lines, std::move(served.here));
    group.spawn(answers_lines, std::move(busy.here));
    served.there.send("one\n");
    busy.there.send("half of ");
    loop.run_until([&] { return served.there.try_receive().has_value(); });
    loop.run_until_idle();
    auto draining = loop.start(drain(group, 10s));
    loop.run_until([&] {
        fake_clock::advance(1ms); // until what was sent is acknowledged
        return group.size() == 1;
    });
    CHECK(idle.there.receive().empty());
    CHECK(served.there.receive().empty());
    REQUIRE_FALSE(draining.is_done());

    SECTION("and ends when it has answered") {
        busy.there.send("a line\n");
        std::string got;
        loop.run_until([&] {
            fake_clock::advance(1ms);
            if (auto more = busy.there.try_receive()) got += *more;
            return draining.is_done();
        });
        CHECK(got == "half of a line\n");
        CHECK(draining.result().value() == 0);
    }
    SECTION("and is destroyed when the grace is over") {
        fake_clock::advance(9s);
        loop.run_until_idle();
        REQUIRE_FALSE(draining.is_done());
        fake_clock::advance(1s);
        loop.run_until_idle();
        REQUIRE(draining.is_done());
        CHECK(draining.result().value() == 1);
    }
    SECTION("and is stopped by a stop") {
        group.request_stop();
        loop.run_until_idle();
        REQUIRE(draining.is_done());
        CHECK(draining.result().value() == 0);
    }
}

TEST_CASE("a busy session under a drain keeps its timeouts", "[net][drain]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    there.send("half");
    std::error_code why;
    const auto session = [&why](tcp_socket& client) -> io_task<> {
        const auto half = co_await client.read().or_return();
        CHECK(half.text() == "half");
        auto rest = co_await client.read().timeout(2s);
        if (!rest) why = rest.error();
    };
    task_group group;
    group.spawn(session, std::ref(here));
    REQUIRE(becomes_readable(here.fd()));
    loop.run_until_idle();
    auto draining = loop.start(drain(group, 1h));
    loop.run_until_idle();
    fake_clock::advance(2s - 1ns);
    loop.run_until_idle();
    REQUIRE_FALSE(draining.is_done());
    fake_clock::advance(1ns);
    loop.run_until_idle();
    REQUIRE(draining.is_done());
    CHECK(why == errc::timeout);
}

TEST_CASE("a lingering close goes on under a drain", "[net][drain]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    task_group group;
    group.spawn(goes_away, std::move(here));
    loop.run_until_idle();
    auto draining = loop.start(drain(group, 10s));
    loop.run_until_idle();
    REQUIRE_FALSE(draining.is_done());
    SECTION("until the peer has finished") {
        there.send("still talking");
        loop.run_until_idle();
        REQUIRE_FALSE(draining.is_done());
        CHECK(there.receive_all() == "bye");
        there.shutdown_write();
        loop.run_until([&] { return draining.is_done(); });
    }
    SECTION("until its own time is over") {
        fake_clock::advance(5s);
        loop.run_until_idle();
        CHECK(there.receive_all() == "bye");
    }
    REQUIRE(draining.is_done());
    CHECK(draining.result().value() == 0);
}
