// What becomes of `when_all` and `when_any`, for a fixed number and for a vector, in each of the
// six cases that every awaiter meets.
#include <dunlin/task/when.hpp>

#include <support/net_support.hpp>

#include <utility>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

std::vector<io_task<std::string>> two_reads(tcp_socket& first, tcp_socket& second) {
    std::vector<io_task<std::string>> reads;
    reads.push_back(read_text(first));
    reads.push_back(read_text(second));
    return reads;
}

// Each reads from two sockets, and gives what it got.
struct all {
    static constexpr bool takes_both = true;
    static io_task<std::string> start(tcp_socket& first, tcp_socket& second) {
        auto both = co_await when_all(read_text(first), read_text(second)).or_return();
        auto& [one, other] = both;
        co_return one + other;
    }
};
struct all_of {
    static constexpr bool takes_both = true;
    static io_task<std::string> start(tcp_socket& first, tcp_socket& second) {
        auto both = co_await when_all(two_reads(first, second)).or_return();
        co_return both.at(0) + both.at(1);
    }
};
struct any {
    static constexpr bool takes_both = false;
    static io_task<std::string> start(tcp_socket& first, tcp_socket& second) {
        auto raced = co_await when_any(read_text(first), read_text(second)).or_return();
        co_return raced.index() == 0 ? std::get<0>(raced) : std::get<1>(raced);
    }
};
struct any_of {
    static constexpr bool takes_both = false;
    static io_task<std::string> start(tcp_socket& first, tcp_socket& second) {
        auto raced = co_await when_any(two_reads(first, second)).or_return();
        co_return std::move(raced.second);
    }
};

struct scene {
    test_loop loop;
    test_loop::connection one = loop.socket_pair();
    test_loop::connection other = loop.socket_pair();
    task_context* waiter = nullptr;

    template <class When>
    auto start() {
        return loop.start(observe(When::start(one.here, other.here), waiter));
    }
    void send_both() {
        one.there.send("one");
        other.there.send("other");
    }
    void check_untouched() {
        CHECK(loop.run(read_text(one.here)).value() == "one");
        CHECK(loop.run(read_text(other.here)).value() == "other");
    }
};

} // namespace

TEMPLATE_TEST_CASE("branches that need not wait are over in the turn in which they are started",
                   "[task][when][six:when_all_operation:ready][six:when_all_of_operation:ready]"
                   "[six:when_any_operation:ready][six:when_any_of_operation:ready]",
                   all, all_of, any, any_of) {
    scene s;
    s.send_both();
    auto started = s.template start<TestType>();
    REQUIRE_FALSE(started.is_done());
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().value() == (TestType::takes_both ? "oneother" : "one"));
    if (!TestType::takes_both) {
        // The second had not even begun.
        CHECK(s.loop.run(read_text(s.other.here)).value() == "other");
    }
}

TEMPLATE_TEST_CASE("branches that wait are waited for",
                   "[task][when][six:when_all_operation:later][six:when_all_of_operation:later]"
                   "[six:when_any_operation:later][six:when_any_of_operation:later]",
                   all, all_of, any, any_of) {
    scene s;
    auto started = s.template start<TestType>();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    s.other.there.send("other");
    s.loop.turn();
    if (TestType::takes_both) {
        s.loop.run_until_idle();
        REQUIRE_FALSE(started.is_done());
        s.one.there.send("one");
        s.loop.turn();
    }
    REQUIRE(started.is_done());
    CHECK(started.result().value() == (TestType::takes_both ? "oneother" : "other"));
    s.one.there.send("next"); // nobody is in the way
    CHECK(s.loop.run(read_text(s.one.here)).value() == "next");
}

TEMPLATE_TEST_CASE(
    "waiting for branches goes on after it was woken for nothing",
    "[task][when][six:when_all_operation:spurious][six:when_all_of_operation:spurious]"
    "[six:when_any_operation:spurious][six:when_any_of_operation:spurious]",
    all, all_of, any, any_of) {
    scene s;
    auto started = s.template start<TestType>();
    s.loop.run_until_idle();
    for (int i = 0; i < 3; ++i)
        wake_for_nothing(s.loop, s.waiter);
    REQUIRE_FALSE(started.is_done());
    s.send_both();
    s.loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result());
}

TEMPLATE_TEST_CASE("a stop ends the branches, and their reads take nothing",
                   "[task][when][six:when_all_operation:stopped][six:when_all_of_operation:stopped]"
                   "[six:when_any_operation:stopped][six:when_any_of_operation:stopped]",
                   all, all_of, any, any_of) {
    scene s;
    auto started = s.template start<TestType>();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    s.send_both(); // too late: what they would read nobody would get
    started.stop();
    REQUIRE_FALSE(started.is_done());
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::stopped);
    s.check_untouched();

    auto stopped_before = s.template start<TestType>();
    stopped_before.stop();
    s.loop.run_until_idle();
    REQUIRE(stopped_before.is_done());
    CHECK(stopped_before.result().error() == errc::stopped);
}

TEMPLATE_TEST_CASE(
    "branches that are destroyed while they wait take nothing",
    "[task][when][six:when_all_operation:destroyed][six:when_all_of_operation:destroyed]"
    "[six:when_any_operation:destroyed][six:when_any_of_operation:destroyed]",
    all, all_of, any, any_of) {
    scene s;
    auto started = s.template start<TestType>();
    s.loop.run_until_idle();
    started.destroy();
    s.send_both();
    s.loop.run_until_idle();
    s.check_untouched();
}

TEMPLATE_TEST_CASE("branches that are destroyed in the turn they became ready take nothing",
                   "[task][when][six:when_all_operation:destroyed-ready]"
                   "[six:when_all_of_operation:destroyed-ready]"
                   "[six:when_any_operation:destroyed-ready]"
                   "[six:when_any_of_operation:destroyed-ready]",
                   all, all_of, any, any_of) {
    scene s;
    sniper killer{s.loop};
    auto started = s.template start<TestType>();
    killer.aim(started);
    killer.pull();
    s.send_both();
    killer.fire();
    s.check_untouched();
}
