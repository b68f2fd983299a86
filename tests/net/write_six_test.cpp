// What becomes of the four writes in each of the six cases that every awaiter meets.
#include <support/net_support.hpp>

#include <array>

using namespace dunlin;
using namespace dunlin::test;

namespace {

// Each sends "0123456789"; `moved` counts where the write can.
struct whole {
    static io_task<> start(tcp_socket& to, std::size_t& moved) {
        co_await to.write("0123456789", &moved).or_return();
    }
};
struct gathered {
    static io_task<> start(tcp_socket& to, std::size_t& moved) {
        co_await to.write("0123", std::string{"456"}, "789", &moved).or_return();
    }
};
struct spanned {
    static io_task<> start(tcp_socket& to, std::size_t& moved) {
        const std::string text = "0123456789";
        const auto bytes = std::as_bytes(std::span{text});
        const std::array<std::span<const std::byte>, 3> pieces{bytes.first(4), bytes.subspan(4, 3),
                                                               bytes.subspan(7)};
        co_await to.write(pieces, &moved).or_return();
    }
};
struct some {
    static io_task<> start(tcp_socket& to, std::size_t& moved) {
        moved = 0;
        moved = co_await to.write_some("0123456789").or_return();
    }
};

struct scene {
    test_loop loop;
    test_loop::connection ends = loop.socket_pair();
    std::size_t moved = 99;
    task_context* writer = nullptr;

    template <class Write>
    auto start() {
        return loop.start(observe(Write::start(ends.here, moved), writer));
    }

    /// From now on a write has to wait. Gives the number of bytes in its way.
    std::size_t fill() {
        std::size_t sent = 0;
        for (;;) {
            auto more = loop.start(write_some_text(ends.here, std::string(16384, '.')));
            loop.run_until_idle();
            if (!more.is_done()) return sent; // and it is destroyed, having sent nothing
            sent += more.result().value();
        }
    }

    /// The peer gets what was in the way, and then nothing more.
    void check_nothing_was_sent(std::size_t before) {
        CHECK(moved == 0);
        CHECK(ends.there.receive_exactly(before) == std::string(before, '.'));
        CHECK_FALSE(ends.there.try_receive().has_value());
        REQUIRE(loop.run(write_text(ends.here, "next"))); // nobody is in the way
        CHECK(ends.there.receive() == "next");
    }
};

} // namespace

TEMPLATE_TEST_CASE("a write into an empty buffer completes without waiting",
                   "[net][write][six:write_operation:ready][six:gather_write_operation:ready]"
                   "[six:span_write_operation:ready][six:write_some_operation:ready]",
                   whole, gathered, spanned, some) {
    scene s;
    auto started = s.start<TestType>();
    REQUIRE_FALSE(started.is_done());
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result());
    CHECK(s.moved == 10);
    CHECK(s.ends.there.try_receive() == "0123456789");
    CHECK(s.loop.counters().registrations == 0);
}

TEMPLATE_TEST_CASE("a write into a full buffer waits until there is room",
                   "[net][write][six:write_operation:later][six:gather_write_operation:later]"
                   "[six:span_write_operation:later][six:write_some_operation:later]",
                   whole, gathered, spanned, some) {
    scene s;
    const std::size_t before = s.fill();
    auto started = s.start<TestType>();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    CHECK(s.moved == 0);
    CHECK(s.ends.there.receive_exactly(before) == std::string(before, '.'));
    REQUIRE_FALSE(started.is_done());
    s.loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result());
    CHECK(s.moved == 10);
    CHECK(s.ends.there.try_receive() == "0123456789");
}

TEMPLATE_TEST_CASE("a write that is woken for nothing goes on waiting",
                   "[net][write][six:write_operation:spurious][six:gather_write_operation:spurious]"
                   "[six:span_write_operation:spurious][six:write_some_operation:spurious]",
                   whole, gathered, spanned, some) {
    scene s;
    const std::size_t before = s.fill();
    auto started = s.start<TestType>();
    s.loop.run_until_idle();
    for (int i = 0; i < 3; ++i)
        wake_for_nothing(s.loop, s.writer);
    REQUIRE_FALSE(started.is_done());
    CHECK(s.ends.there.receive_exactly(before) == std::string(before, '.'));
    s.loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(s.ends.there.try_receive() == "0123456789");
}

TEMPLATE_TEST_CASE("a write that is stopped while it waits has sent nothing",
                   "[net][write][six:write_operation:stopped][six:gather_write_operation:stopped]"
                   "[six:span_write_operation:stopped][six:write_some_operation:stopped]",
                   whole, gathered, spanned, some) {
    scene s;
    const std::size_t before = s.fill();
    auto started = s.start<TestType>();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    started.stop();
    REQUIRE_FALSE(started.is_done());
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::stopped);
    s.check_nothing_was_sent(before);
}

TEMPLATE_TEST_CASE(
    "a write that is destroyed while it waits has sent nothing",
    "[net][write][six:write_operation:destroyed][six:gather_write_operation:destroyed]"
    "[six:span_write_operation:destroyed][six:write_some_operation:destroyed]",
    whole, gathered, spanned, some) {
    scene s;
    const std::size_t before = s.fill();
    auto started = s.start<TestType>();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    started.destroy();
    s.check_nothing_was_sent(before);
}

TEMPLATE_TEST_CASE("a write that is destroyed in the turn it became ready has sent nothing",
                   "[net][write][six:write_operation:destroyed-ready]"
                   "[six:gather_write_operation:destroyed-ready]"
                   "[six:span_write_operation:destroyed-ready]"
                   "[six:write_some_operation:destroyed-ready]",
                   whole, gathered, spanned, some) {
    scene s;
    sniper killer{s.loop};
    const std::size_t before = s.fill();
    auto started = s.start<TestType>();
    killer.aim(started);
    killer.pull();
    CHECK(s.ends.there.receive_exactly(before) == std::string(before, '.'));
    killer.fire();
    s.check_nothing_was_sent(0);
}

TEMPLATE_TEST_CASE("a stopped task still sends what there is room for", "[net][write]", whole,
                   gathered, spanned, some) {
    scene s;
    auto started = s.start<TestType>();
    started.stop(); // before it has run at all
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result());
    CHECK(s.ends.there.try_receive() == "0123456789");
}

TEMPLATE_TEST_CASE("a drain lets a write wait", "[net][write]", whole, gathered, spanned, some) {
    scene s;
    const std::size_t before = s.fill();
    auto started = s.start<TestType>();
    s.loop.run_until_idle();
    started.drain();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    CHECK(s.ends.there.receive_exactly(before) == std::string(before, '.'));
    s.loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result());
}

TEMPLATE_TEST_CASE("a second writer is told busy at once, and nothing of it is sent",
                   "[net][write]", whole, gathered, spanned, some) {
    scene s;
    const std::size_t before = s.fill();
    auto first = s.start<TestType>();
    s.loop.run_until_idle();
    std::size_t moved = 99;
    auto second = s.loop.start(TestType::start(s.ends.here, moved));
    s.loop.turn();
    REQUIRE(second.is_done());
    CHECK(second.result().error() == errc::busy);
    CHECK(moved == 0);
    REQUIRE_FALSE(first.is_done());
    CHECK(s.ends.there.receive_exactly(before) == std::string(before, '.'));
    s.loop.run_until_idle();
    CHECK(first.result());
    CHECK(s.ends.there.try_receive() == "0123456789");
}
