// `readable()` and `writable()` of sockets: level promises, which share their places with the reads
// and writes. Their six cases stand with the descriptor's.
#include <support/net_support.hpp>

#include <sys/socket.h>

using namespace dunlin;
using namespace dunlin::test;

namespace {

/// Takes bytes behind the library's back.
std::size_t steal(tcp_socket& from, std::size_t most) {
    std::string into(most, '\0');
    const ssize_t n = ::recv(from.fd().get(), into.data(), into.size(), MSG_DONTWAIT);
    return n < 0 ? 0 : static_cast<std::size_t>(n);
}

std::size_t fill(tcp_socket& to) {
    const std::string block(16384, '.');
    std::size_t sent = 0;
    for (;;) {
        const ssize_t n =
            ::send(to.fd().get(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) return sent;
        sent += static_cast<std::size_t>(n);
    }
}

} // namespace

TEST_CASE("readable is true as long as bytes are left, however they were seen",
          "[net][readiness]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto waiting = loop.start(wait_readable(here));
    loop.run_until_idle();
    REQUIRE_FALSE(waiting.is_done());
    there.send("0123456789");
    loop.run_until([&] { return waiting.is_done(); });
    CHECK(waiting.result());
    for (int i = 0; i < 3; ++i) { // one edge, many promises
        auto again = loop.start(wait_readable(here));
        loop.turn();
        REQUIRE(again.is_done());
    }
    CHECK(steal(here, 4) == 4);
    auto rest = loop.start(wait_readable(here));
    loop.turn();
    REQUIRE(rest.is_done());
    CHECK(steal(here, 99) == 6);
    auto none = loop.start(wait_readable(here));
    loop.run_until_idle();
    CHECK_FALSE(none.is_done());
}

TEST_CASE("readable does not believe in bytes that somebody else took", "[net][readiness]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto waiting = loop.start(wait_readable(here));
    loop.run_until_idle();
    there.send("x");
    REQUIRE(becomes_readable(here.fd()));
    CHECK(steal(here, 1) == 1); // before the loop has seen it
    loop.run_until_idle();
    REQUIRE_FALSE(waiting.is_done());
    there.send("y");
    loop.run_until([&] { return waiting.is_done(); });
    CHECK(steal(here, 9) == 1);
}

TEST_CASE("a read after a short one that drained the socket misses nothing", "[net][readiness]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    for (int i = 0; i < 100; ++i) {
        there.send("x");
        REQUIRE(becomes_readable(here.fd()));
        CHECK(loop.run(wait_readable(here)));
        CHECK(loop.run(read_text(here)).value() == "x");
        there.send("y"); // its edge comes after the short read
        CHECK(loop.run(read_text(here)).value() == "y");
    }
}

TEST_CASE("the end of the stream and a reset are readable", "[net][readiness]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto waiting = loop.start(wait_readable(here));
    loop.run_until_idle();
    REQUIRE_FALSE(waiting.is_done());
    SECTION("end") { there.close(); }
    SECTION("reset") { there.reset(); }
    loop.run_until([&] { return waiting.is_done(); });
    CHECK(waiting.result());
}

TEST_CASE("writable waits for room and holds while there is some", "[net][readiness]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    CHECK(loop.run(wait_writable(here)));
    const std::size_t sent = fill(here);
    auto waiting = loop.start(wait_writable(here));
    loop.run_until_idle();
    REQUIRE_FALSE(waiting.is_done());
    CHECK(there.receive_exactly(sent).size() == sent);
    loop.run_until([&] { return waiting.is_done(); });
    CHECK(waiting.result());
    CHECK(loop.run(wait_writable(here)));
    CHECK(loop.run(write_text(here, "room")));
    CHECK(there.receive() == "room");
}

TEST_CASE("writable is told of a reset", "[net][readiness]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    fill(here);
    auto waiting = loop.start(wait_writable(here));
    loop.run_until_idle();
    REQUIRE_FALSE(waiting.is_done());
    there.reset();
    loop.run_until([&] { return waiting.is_done(); });
    CHECK(waiting.result()); // the write that follows says what is wrong
    CHECK_FALSE(loop.run(write_text(here, "x")));
}

TEST_CASE("readable takes the reader's place and writable the writer's", "[net][readiness]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    SECTION("readable first") {
        auto waiting = loop.start(wait_readable(here));
        loop.run_until_idle();
        CHECK(loop.run(read_text(here)).error() == errc::busy);
        CHECK(loop.run(wait_readable(here)).error() == errc::busy);
        CHECK(loop.run(say_goodbye(here)).error() == errc::busy);
        CHECK(here.is_open()); // a goodbye that could not be said has closed nothing
        CHECK(loop.run(write_text(here, "x")));
        CHECK(loop.run(wait_writable(here)));
        CHECK_FALSE(waiting.is_done());
    }
    SECTION("read first") {
        auto waiting = loop.start(read_text(here));
        loop.run_until_idle();
        CHECK(loop.run(wait_readable(here)).error() == errc::busy);
        CHECK(loop.run(wait_writable(here)));
    }
    SECTION("writable first") {
        fill(here);
        auto waiting = loop.start(wait_writable(here));
        loop.run_until_idle();
        CHECK(loop.run(write_text(here, "x")).error() == errc::busy);
        CHECK(loop.run(write_some_text(here, "x")).error() == errc::busy);
        CHECK(loop.run(wait_writable(here)).error() == errc::busy);
        there.send("x");
        CHECK(loop.run(read_text(here)).value() == "x");
    }
    SECTION("write first") {
        fill(here);
        auto waiting = loop.start(write_text(here, "x"));
        loop.run_until_idle();
        CHECK(loop.run(wait_writable(here)).error() == errc::busy);
    }
}
