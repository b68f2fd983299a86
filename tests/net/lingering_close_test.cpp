// A close that does not destroy our last answer: the six cases, its limits, and the plain close
// beside it. Only the test moves the clock.
#include <support/fake_clock.hpp>
#include <support/net_support.hpp>

using namespace dunlin;
using namespace dunlin::test;

namespace {

struct scene {
    test_loop loop;
    test_loop::connection ends = loop.tcp_pair();
    task_context* closing = nullptr;

    auto start(std::chrono::nanoseconds grace = 2s) {
        return loop.start(observe(say_goodbye(ends.here, grace), closing));
    }

    /// It waits for the peer, our half has ended, and the socket is still open.
    template <class T>
    void check_waiting(pending<T>& started) {
        loop.run_until_idle();
        REQUIRE_FALSE(started.is_done());
        CHECK(ends.here.is_open());
        CHECK(ends.there.receive().empty());
    }
};

io_task<> sleep_then_say(tcp_socket& sock) {
    co_await sock.lingering_close(10s).or_return();
    auto [one, other] = socket_pair().value();
    co_await one.read().ignore(); // waits, undisturbed by the deadline of what was before
}

} // namespace

TEST_CASE("a lingering close of a finished conversation is over at once",
          "[net][close][six:lingering_close_operation:ready]") {
    scene s;
    s.ends.there.send("unread");
    s.ends.there.shutdown_write();
    REQUIRE(becomes_readable(s.ends.here.fd()));
    auto started = s.start();
    s.loop.run_until([&] { return started.is_done(); });
    CHECK(started.result());
    CHECK_FALSE(s.ends.here.is_open());
    CHECK(s.ends.there.receive().empty()); // an end, no reset
}

TEST_CASE("a lingering close drops what still comes, until the peer has finished",
          "[net][close][six:lingering_close_operation:later]") {
    scene s;
    auto started = s.start();
    s.check_waiting(started);
    s.ends.there.send("too late");
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    s.ends.there.shutdown_write();
    s.loop.run_until([&] { return started.is_done(); });
    CHECK(started.result());
    CHECK_FALSE(s.ends.here.is_open());
    CHECK_FALSE(s.loop.sched().next_deadline().has_value()); // nothing is left behind
}

TEST_CASE("a lingering close that is woken for nothing goes on waiting",
          "[net][close][six:lingering_close_operation:spurious]") {
    scene s;
    auto started = s.start();
    s.check_waiting(started);
    for (int i = 0; i < 3; ++i)
        wake_for_nothing(s.loop, s.closing);
    REQUIRE_FALSE(started.is_done());
    CHECK(s.ends.here.is_open());
    s.ends.there.shutdown_write();
    s.loop.run_until([&] { return started.is_done(); });
    CHECK_FALSE(s.ends.here.is_open());
}

TEST_CASE("a lingering close that is stopped closes",
          "[net][close][six:lingering_close_operation:stopped]") {
    scene s;
    auto started = s.start();
    s.check_waiting(started);
    started.stop();
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::stopped);
    CHECK_FALSE(s.ends.here.is_open());
}

TEST_CASE("a lingering close that is destroyed closes",
          "[net][close][six:lingering_close_operation:destroyed]") {
    scene s;
    auto started = s.start();
    s.check_waiting(started);
    started.destroy();
    CHECK_FALSE(s.ends.here.is_open());
    CHECK_FALSE(s.loop.sched().next_deadline().has_value());
}

TEST_CASE("a lingering close that is destroyed in the turn the peer finished closes",
          "[net][close][six:lingering_close_operation:destroyed-ready]") {
    scene s;
    sniper killer{s.loop};
    auto started = s.start();
    killer.aim(started);
    killer.pull();
    s.ends.there.shutdown_write();
    REQUIRE(becomes_readable(s.ends.here.fd()));
    killer.fire();
    CHECK_FALSE(s.ends.here.is_open());
}

TEST_CASE("our last answer reaches a peer that still sends, unlike with a plain close",
          "[net][close]") {
    scene s;
    s.ends.there.send(std::string(100'000, '.')); // which nobody reads
    REQUIRE(s.loop.run(write_text(s.ends.here, "the answer")));
    SECTION("lingering") {
        auto started = s.start();
        s.loop.run_until_idle();
        s.ends.there.send(std::string(100'000, '.')); // and it goes on
        s.loop.run_until_idle();
        CHECK(s.ends.there.receive_all() == "the answer");
        s.ends.there.close();
        s.loop.run_until([&] { return started.is_done(); });
    }
    SECTION("plain") {
        REQUIRE(becomes_readable(s.ends.here.fd()));
        s.ends.here.close();
        unique_fd number = s.ends.there.release();
        tcp_socket peer{std::move(number)};
        std::string last;
        auto came = s.loop.run(read_text(peer));
        while (came && !came.value().empty()) {
            last = came.value();
            came = s.loop.run(read_text(peer));
        }
        REQUIRE_FALSE(came); // whether the answer was there first is a matter of luck
        CHECK(came.error() == std::errc::connection_reset);
    }
}

TEST_CASE("a lingering close ends with its grace, whatever the peer does", "[net][close]") {
    scene s;
    auto started = s.start(2s);
    s.check_waiting(started);
    fake_clock::advance(1999ms);
    s.ends.there.send("x");
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(1ms);
    s.loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result());
    CHECK_FALSE(s.ends.here.is_open());
}

TEST_CASE("a drain lets a lingering close finish", "[net][close]") {
    scene s;
    auto started = s.start();
    s.check_waiting(started);
    started.drain();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    s.ends.there.shutdown_write();
    s.loop.run_until([&] { return started.is_done(); });
    CHECK(started.result());
    CHECK_FALSE(s.ends.here.is_open());
}

TEST_CASE("a lingering close without any grace waits for nobody", "[net][close]") {
    scene s;
    auto started = s.start(-1s);
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result());
    CHECK_FALSE(s.ends.here.is_open());
}

TEST_CASE("a peer that sends a MiB and more to a lingering close is cut off", "[net][close]") {
    scene s;
    auto started = s.start(1h);
    s.check_waiting(started);
    std::size_t sent = 0;
    for (int i = 0; i < 100 && !started.is_done(); ++i) {
        s.ends.there.send(std::string(16'384, '.'));
        sent += 16'384;
        s.loop.run_until_idle();
        if (sent < 1'000'000) REQUIRE_FALSE(started.is_done());
    }
    s.loop.run_until([&] { return started.is_done(); });
    CHECK(started.result());
    CHECK_FALSE(s.ends.here.is_open());
}

TEST_CASE("a lingering close of a connection that was reset closes it", "[net][close]") {
    scene s;
    SECTION("before") {
        s.ends.there.reset();
        CHECK(s.loop.run(say_goodbye(s.ends.here)));
    }
    SECTION("meanwhile") {
        auto started = s.start();
        s.check_waiting(started);
        s.ends.there.reset();
        s.loop.run_until([&] { return started.is_done(); });
        CHECK(started.result());
    }
    CHECK_FALSE(s.ends.here.is_open());
}

TEST_CASE("a plain close in another task ends a lingering one", "[net][close]") {
    scene s;
    auto started = s.start();
    s.check_waiting(started);
    s.ends.here.close();
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::closed);
}

TEST_CASE("a lingering close outlives its socket without touching it", "[net][close]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto owned = std::make_unique<tcp_socket>(std::move(here));
    auto started = loop.start(say_goodbye(*owned));
    loop.run_until_idle();
    owned.reset();
    SECTION("told closed") {
        loop.turn();
        REQUIRE(started.is_done());
        CHECK(started.result().error() == errc::closed);
    }
    SECTION("destroyed") { started.destroy(); }
}

TEST_CASE("a lingering close that is never awaited closes nothing", "[net][close]") {
    scene s;
    {
        [[maybe_unused]] const auto unused = s.ends.here.lingering_close();
    }
    CHECK(s.ends.here.is_open());
    s.ends.there.send("x");
    CHECK(s.loop.run(read_text(s.ends.here)).value() == "x");
}

TEST_CASE("the deadline of a lingering close that is over disturbs nobody", "[net][close]") {
    scene s;
    auto started = s.loop.start(observe(sleep_then_say(s.ends.here), s.closing));
    s.loop.run_until_idle();
    s.ends.there.close();
    s.loop.run_until([&] { return !s.ends.here.is_open(); });
    s.loop.run_until_idle();
    CHECK_FALSE(s.loop.sched().next_deadline().has_value());
    const auto before = s.loop.counters().resumptions;
    fake_clock::advance(11s);
    s.loop.run_until_idle();
    CHECK(s.loop.counters().resumptions == before);
    CHECK_FALSE(started.is_done());
}
