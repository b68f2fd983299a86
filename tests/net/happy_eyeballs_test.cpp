// Which of several addresses is connected to, and when each is tried. The clock is the test's.
#include <dunlin/net/detail/happy_eyeballs.hpp>

#include <support/fake_clock.hpp>
#include <support/net_support.hpp>

using namespace dunlin;
using namespace dunlin::test;

namespace {

using list = std::vector<endpoint>;
using detail::interleave;

io_task<tcp_socket> connect_among(list ordered) {
    auto connected = co_await detail::connect_first(std::move(ordered), 250ms).or_return();
    co_return std::move(connected);
}

endpoint v4(int last) { return endpoint::parse("192.0.2." + std::to_string(last) + ":1").value(); }
endpoint v6(int last) {
    return endpoint::parse("[2001:db8::" + std::to_string(last) + "]:1").value();
}

/// Sockets that are open beyond those that were when this was made.
class sockets_open {
public:
    [[nodiscard]] std::size_t count() const { return open_descriptors() - before_; }

private:
    std::size_t before_ = open_descriptors();
};

/// A moment, so that what loopback does in the background is done.
void let_the_kernel_work(test_loop& loop) {
    for (int i = 0; i < 5; ++i)
        loop.turn(1ms);
    loop.run_until_idle();
}

} // namespace

TEST_CASE("the families take turns, the first keeps its place, none comes twice",
          "[net][happy_eyeballs]") {
    CHECK(interleave({}).empty());
    CHECK(interleave({v6(1), v6(2), v4(1), v4(2)}) == list{v6(1), v4(1), v6(2), v4(2)});
    CHECK(interleave({v4(1), v4(2), v6(1), v6(2)}) == list{v4(1), v6(1), v4(2), v6(2)});
    CHECK(interleave({v6(1), v6(2), v6(3), v4(1)}) == list{v6(1), v4(1), v6(2), v6(3)});
    CHECK(interleave({v6(1), v4(1), v4(2), v4(3)}) == list{v6(1), v4(1), v4(2), v4(3)});
    CHECK(interleave({v4(2), v4(1)}) == list{v4(2), v4(1)});
    CHECK(interleave({v6(1), v4(1), v6(1), v4(1), v6(2)}) == list{v6(1), v4(1), v6(2)});
}

TEST_CASE("the first address wins when it answers, and no other is tried",
          "[net][happy_eyeballs]") {
    test_loop loop;
    const tcp_listener first = listen_somewhere();
    tcp_listener second = listen_somewhere();
    auto connected = loop.run(connect_among({where_it_listens(first), where_it_listens(second)}));
    REQUIRE(connected);
    CHECK(connected.value().peer_endpoint().value() == where_it_listens(first));
    CHECK(connected.value().no_delay().value());
    auto nobody = loop.start(accept_one(second));
    let_the_kernel_work(loop);
    CHECK_FALSE(nobody.is_done());
}

TEST_CASE("an address that refuses lets the next be tried at once", "[net][happy_eyeballs]") {
    test_loop loop;
    const closed_port nobody;
    const closed_port nobody_either;
    const tcp_listener last = listen_somewhere();
    const sockets_open sockets;
    {
        auto connected = loop.run( // with a clock that stands still
            connect_among({nobody.where(), nobody_either.where(), where_it_listens(last)}));
        REQUIRE(connected);
        CHECK(connected.value().peer_endpoint().value() == where_it_listens(last));
        CHECK(sockets.count() == 1);
    }
    CHECK(sockets.count() == 0);
}

TEST_CASE("an address that hangs has a quarter of a second, then the next is tried beside it",
          "[net][happy_eyeballs]") {
    test_loop loop;
    const full_listener slow;
    const full_listener slow_too;
    const tcp_listener last = listen_somewhere();
    const sockets_open sockets;
    {
        auto started =
            loop.start(connect_among({slow.where(), slow_too.where(), where_it_listens(last)}));
        loop.run_until_idle();
        CHECK(sockets.count() == 1);
        fake_clock::advance(249ms);
        loop.run_until_idle();
        CHECK(sockets.count() == 1);
        fake_clock::advance(1ms);
        loop.run_until_idle();
        CHECK(sockets.count() == 2); // the first is not given up
        fake_clock::advance(249ms);
        let_the_kernel_work(loop);
        REQUIRE_FALSE(started.is_done());
        CHECK(sockets.count() == 2);
        fake_clock::advance(1ms);
        loop.run_until([&] { return started.is_done(); });
        auto connected = started.result();
        REQUIRE(connected);
        CHECK(connected.value().peer_endpoint().value() == where_it_listens(last));
        CHECK(sockets.count() == 1); // the others are gone before it returns
    }
    CHECK(sockets.count() == 0);
}

TEST_CASE("a slow address that answers in the end wins against later ones that hang",
          "[net][happy_eyeballs]") {
    test_loop loop;
    full_listener slow;
    const full_listener slower;
    auto started = loop.start(connect_among({slow.where(), slower.where()}));
    loop.run_until_idle();
    fake_clock::advance(250ms);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    loop.run_until([&] {
        slow.accept_all();        // again and again: what else is queued may come back first
        return started.is_done(); // with the kernel's next attempt
    });
    auto connected = started.result();
    REQUIRE(connected);
    CHECK(connected.value().peer_endpoint().value() == slow.where());
}

TEST_CASE("after a refusal the delay counts from the attempt that it began",
          "[net][happy_eyeballs]") {
    test_loop loop;
    const closed_port nobody;
    const full_listener slow;
    const tcp_listener last = listen_somewhere();
    const sockets_open sockets;
    auto started = loop.start(
        connect_among({slow.where(), nobody.where(), slow.where(), where_it_listens(last)}));
    loop.run_until_idle();
    fake_clock::advance(260ms); // the second attempt begins late, and is refused at once
    let_the_kernel_work(loop);
    CHECK(sockets.count() == 2); // the first, and the third, which began at 260 ms
    fake_clock::advance(249ms);
    let_the_kernel_work(loop);
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(1ms);
    loop.run_until([&] { return started.is_done(); });
    auto connected = started.result();
    REQUIRE(connected);
    CHECK(connected.value().peer_endpoint().value() == where_it_listens(last));
}

TEST_CASE("while attempts hang, each delay begins one more; a stop closes them all",
          "[net][happy_eyeballs]") {
    test_loop loop;
    const full_listener slow;
    const sockets_open sockets;
    auto started = loop.start(connect_among(list(4, slow.where())));
    loop.run_until_idle();
    for (const std::size_t open : {2U, 3U, 4U, 4U}) {
        fake_clock::advance(250ms);
        loop.run_until_idle();
        CHECK(sockets.count() == open);
    }
    REQUIRE_FALSE(started.is_done());
    started.stop();
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::stopped);
    CHECK(sockets.count() == 0);
}

TEST_CASE("when all refuse, the last refusal is the error, but a lack of our own tells less",
          "[net][happy_eyeballs]") {
    test_loop loop;
    const closed_port nobody;
    const endpoint no_way = endpoint::parse("255.255.255.255:9").value();
    const auto lack = loop.run(connect_to(no_way)).error();
    INFO(lack.message());
    REQUIRE(lack != std::errc::connection_refused);
    const sockets_open sockets;
    CHECK(loop.run(connect_among({nobody.where()})).error() == std::errc::connection_refused);
    CHECK(loop.run(connect_among({nobody.where(), nobody.where()})).error() ==
          std::errc::connection_refused);
    CHECK(loop.run(connect_among({no_way, nobody.where()})).error() ==
          std::errc::connection_refused);
    CHECK(loop.run(connect_among({no_way})).error() == lack);
    if (lack == std::errc::network_unreachable)
        CHECK(loop.run(connect_among({nobody.where(), no_way})).error() ==
              std::errc::connection_refused);
    CHECK(loop.run(connect_among({})).error() == errc::bad_address);
    CHECK(sockets.count() == 0);
}

TEST_CASE("one timeout covers all attempts, and closes them", "[net][happy_eyeballs]") {
    test_loop loop;
    const full_listener slow;
    const sockets_open sockets;
    auto started = loop.start([&]() -> io_task<> {
        auto connected =
            co_await detail::connect_first(list(5, slow.where()), 250ms).timeout(600ms).or_return();
        connected.close();
    });
    loop.run_until_idle();
    for (int i = 0; i < 2; ++i) {
        fake_clock::advance(250ms);
        loop.run_until_idle();
    }
    CHECK(sockets.count() == 3);
    fake_clock::advance(99ms);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(1ms);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::timeout);
    CHECK(sockets.count() == 0);
}

TEST_CASE("attempts that are destroyed at any moment leave no socket", "[net][happy_eyeballs]") {
    test_loop loop;
    const full_listener slow;
    const closed_port nobody;
    const tcp_listener last = listen_somewhere();
    const sockets_open sockets;
    for (int turns = 0; turns < 12; ++turns) {
        auto started = loop.start(connect_among(
            {nobody.where(), slow.where(), nobody.where(), slow.where(), where_it_listens(last)}));
        for (int i = 0; i < turns; ++i) {
            loop.turn();
            if (i % 3 == 2) fake_clock::advance(250ms);
        }
        if (started.is_done())
            CHECK(started.result());
        else
            started.destroy();
        CHECK(sockets.count() == 0);
    }
    CHECK_FALSE(loop.sched().next_deadline().has_value());
}

TEST_CASE("of two that connect in one turn one wins, and the other is closed",
          "[net][happy_eyeballs]") {
    test_loop loop;
    const tcp_listener first = listen_somewhere();
    const tcp_listener second = listen_somewhere();
    const sockets_open sockets;
    {
        auto started =
            loop.start(connect_among({where_it_listens(first), where_it_listens(second)}));
        loop.turn();                // the first is under way
        fake_clock::advance(250ms); // before anybody looks at it
        loop.run_until([&] { return started.is_done(); });
        auto connected = started.result();
        REQUIRE(connected);
        CHECK(sockets.count() == 1);
    }
    CHECK(sockets.count() == 0);
}
