// What becomes of the three reads in each of the six cases that every awaiter meets.
#include <support/net_support.hpp>

using namespace dunlin;
using namespace dunlin::test;

namespace {

// Each reads "0123456789", or what it takes of it.
struct by_span {
    static io_task<std::string> start(tcp_socket& from, std::string& into) {
        const std::size_t count = co_await from.read(bytes_of(into)).or_return();
        co_return into.substr(0, count);
    }
};
struct by_buffer {
    static io_task<std::string> start(tcp_socket& from, std::string&) {
        const auto data = co_await from.read().or_return();
        co_return std::string{data.text()};
    }
};
struct exactly {
    static io_task<std::string> start(tcp_socket& from, std::string& into) {
        co_await from.read_exactly(bytes_of(into)).or_return();
        co_return into;
    }
};

struct scene {
    test_loop loop;
    test_loop::connection ends = loop.socket_pair();
    std::string into = std::string(10, '?');
    task_context* reader = nullptr;

    template <class Read>
    auto start() {
        auto started = loop.start(observe(Read::start(ends.here, into), reader));
        return started;
    }

    /// Nothing was taken and nobody is in the way: another read gets all of it.
    void check_untouched() {
        CHECK(into == "??????????");
        CHECK(loop.run(read_text(ends.here)).value() == "0123456789");
    }
};

} // namespace

TEMPLATE_TEST_CASE("a read of bytes that are there completes without waiting",
                   "[net][read][six:read_operation:ready][six:read_buffer_operation:ready]"
                   "[six:read_exactly_operation:ready]",
                   by_span, by_buffer, exactly) {
    scene s;
    s.ends.there.send("0123456789");
    auto started = s.start<TestType>();
    REQUIRE_FALSE(started.is_done());
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().value() == "0123456789");
    CHECK(s.loop.counters().registrations == 0); // epoll never heard of it
}

TEMPLATE_TEST_CASE("a read waits for bytes, and completes in the turn that sees them",
                   "[net][read][six:read_operation:later][six:read_buffer_operation:later]"
                   "[six:read_exactly_operation:later]",
                   by_span, by_buffer, exactly) {
    scene s;
    auto started = s.start<TestType>();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    s.ends.there.send("0123456789");
    REQUIRE_FALSE(started.is_done());
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().value() == "0123456789");
}

TEMPLATE_TEST_CASE("a read that is woken for nothing goes on waiting",
                   "[net][read][six:read_operation:spurious][six:read_buffer_operation:spurious]"
                   "[six:read_exactly_operation:spurious]",
                   by_span, by_buffer, exactly) {
    scene s;
    auto started = s.start<TestType>();
    s.loop.run_until_idle();
    for (int i = 0; i < 3; ++i)
        wake_for_nothing(s.loop, s.reader);
    REQUIRE_FALSE(started.is_done());
    s.ends.there.send("0123456789");
    s.loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().value() == "0123456789");
}

TEMPLATE_TEST_CASE("a read that is stopped while it waits takes nothing",
                   "[net][read][six:read_operation:stopped][six:read_buffer_operation:stopped]"
                   "[six:read_exactly_operation:stopped]",
                   by_span, by_buffer, exactly) {
    scene s;
    auto started = s.start<TestType>();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    started.stop();
    REQUIRE_FALSE(started.is_done()); // the stop only queues it
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::stopped);
    s.ends.there.send("0123456789");
    s.check_untouched();
}

TEMPLATE_TEST_CASE("a read that is destroyed while it waits takes nothing",
                   "[net][read][six:read_operation:destroyed][six:read_buffer_operation:destroyed]"
                   "[six:read_exactly_operation:destroyed]",
                   by_span, by_buffer, exactly) {
    scene s;
    auto started = s.start<TestType>();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    started.destroy();
    s.ends.there.send("0123456789");
    s.loop.run_until_idle();
    s.check_untouched();
}

TEMPLATE_TEST_CASE("a read that is destroyed in the turn it became ready takes nothing",
                   "[net][read][six:read_operation:destroyed-ready]"
                   "[six:read_buffer_operation:destroyed-ready]"
                   "[six:read_exactly_operation:destroyed-ready]",
                   by_span, by_buffer, exactly) {
    scene s;
    sniper killer{s.loop};
    auto started = s.start<TestType>();
    killer.aim(started);
    killer.pull();
    s.ends.there.send("0123456789");
    killer.fire();
    s.check_untouched();
}

TEMPLATE_TEST_CASE("a stopped task still reads what is there, and only then hears of the stop",
                   "[net][read]", by_span, by_buffer, exactly) {
    scene s;
    s.ends.there.send("0123456789");
    auto started = s.start<TestType>();
    started.stop(); // before it has run at all
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().value() == "0123456789");

    auto next = s.start<TestType>();
    next.stop();
    s.loop.turn();
    REQUIRE(next.is_done()); // without a wait in between
    CHECK(next.result().error() == errc::stopped);
}

TEMPLATE_TEST_CASE("bytes that come in the same turn as the stop win over it", "[net][read]",
                   by_span, by_buffer, exactly) {
    scene s;
    auto started = s.start<TestType>();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    s.ends.there.send("0123456789");
    started.stop();
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().value() == "0123456789");
}

TEMPLATE_TEST_CASE("a second reader is told busy at once, and the first is not disturbed",
                   "[net][read]", by_span, by_buffer, exactly) {
    scene s;
    auto first = s.start<TestType>();
    s.loop.run_until_idle();
    std::string other(10, '?');
    auto second = s.loop.start(TestType::start(s.ends.here, other));
    s.loop.turn();
    REQUIRE(second.is_done());
    CHECK(second.result().error() == errc::busy);
    REQUIRE_FALSE(first.is_done());
    s.ends.there.send("0123456789");
    s.loop.run_until_idle();
    CHECK(first.result().value() == "0123456789");
}
