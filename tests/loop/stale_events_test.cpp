// What happens to those who wait when a socket is closed, and to whoever gets its number next.
#include <dunlin/loop/descriptor.hpp>
#include <dunlin/loop/remote.hpp>

#include <support/test_loop.hpp>

#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<std::size_t> read_some(tcp_socket& from, std::span<std::byte> into) {
    const std::size_t n = co_await from.read(into).or_return();
    co_return n;
}

io_task<> write_all(tcp_socket& to, std::string what) { co_await to.write(what).or_return(); }

io_task<std::size_t> read_half(tcp_reader& from, std::span<std::byte> into) {
    const std::size_t n = co_await from.read(into).or_return();
    co_return n;
}

/// Reads from `mine`, then puts a fresh socket in the place of `other`, under the same number.
io_task<> read_and_replace(tcp_socket& mine, tcp_socket& other, int& number, raw_peer& new_peer) {
    std::byte into[16];
    const std::size_t n = co_await mine.read(into).or_return();
    if (n == 0) co_await fail(errc::end_of_stream);
    number = other.fd().get();
    other.close();
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        co_await fail(errc::busy);
    const int theirs = ::fcntl(ends[1], F_DUPFD_CLOEXEC, 100);
    ::close(ends[1]);
    ::fcntl(theirs, F_SETFL, 0);
    new_peer = raw_peer{unique_fd{theirs}};
    other = tcp_socket{unique_fd{ends[0]}};
}

} // namespace

TEST_CASE("an event for a closed socket never reaches the next owner of its number",
          "[loop][watch]") {
    test_loop loop;
    auto [a, a_peer] = loop.socket_pair();
    auto [b, b_peer] = loop.socket_pair();
    int number = -1;
    raw_peer new_peer;
    auto first = loop.start(read_and_replace, a, b, number, new_peer);
    auto second = loop.start(read_some, b, loop.scratch());
    loop.run_until_idle();

    a_peer.send("x"); // both are in one batch
    b_peer.send("old");
    loop.turn();
    REQUIRE(first.is_done());
    REQUIRE(first.result());
    REQUIRE(second.is_done());
    CHECK(second.result().error() == errc::closed);
    REQUIRE(b.fd().get() == number);

    auto fresh = loop.start(read_some, b, loop.scratch());
    loop.run_until_idle();
    REQUIRE_FALSE(fresh.is_done()); // the old bytes are nothing to it
    new_peer.send("fresh");
    loop.run_until_idle();
    REQUIRE(fresh.is_done());
    CHECK(fresh.result().value() == 5);
}

TEST_CASE("an event already reported does not reach the next tenant of the slot", "[loop][watch]") {
    test_loop loop;
    auto [old_one, old_peer] = loop.socket_pair();
    auto [new_one, new_peer] = loop.socket_pair();
    auto waiting = loop.start(read_some, old_one, loop.scratch());
    loop.run_until_idle();
    old_peer.send("x");
    waiting.destroy();
    old_one.close(); // its slot is the next to be taken
    auto fresh = loop.start(read_some, new_one, loop.scratch());
    loop.run_until_idle();
    CHECK_FALSE(fresh.is_done());
    new_peer.send("y");
    loop.run_until_idle();
    CHECK(fresh.is_done());
}

TEST_CASE("a slot used seventy thousand times gives each tenant its own events", "[loop][watch]") {
    test_loop loop;
    const std::span<std::byte> into = loop.scratch();
    for (int i = 0; i < 70'000; ++i) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
            FAIL("no sockets");
        tcp_socket here{unique_fd{ends[0]}};
        const unique_fd there{ends[1]};
        auto waiting = loop.start(read_some, here, into);
        loop.turn();
        if (waiting.is_done()) FAIL("round " << i << ": it heard of its predecessor");
        if (::send(there.get(), "x", 1, MSG_NOSIGNAL) != 1) FAIL("send");
        loop.turn();
        if (!waiting.is_done()) FAIL("round " << i << ": it did not hear of its own event");
    }
    CHECK(loop.counters().registrations == 70'000);
}

TEST_CASE("closing a socket tells its reader and its writer within the turn", "[loop][watch]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    std::string much(1 << 20, '.');
    auto reads = loop.start(read_some, here, loop.scratch());
    auto writes = loop.start(write_all, here, much);
    loop.run_until_idle();
    REQUIRE_FALSE(reads.is_done());
    REQUIRE_FALSE(writes.is_done());
    here.close();
    CHECK_FALSE(reads.is_done()); // nothing runs inside close
    loop.turn();
    REQUIRE(reads.is_done());
    REQUIRE(writes.is_done());
    CHECK(reads.result().error() == errc::closed);
    CHECK(writes.result().error() == errc::closed);
}

TEST_CASE("a slot is not reused before the last that waited on it has left", "[loop][watch]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    auto [next, next_peer] = loop.socket_pair();
    auto reads = loop.start(read_some, here, loop.scratch());
    auto writes = loop.start(write_all, here, std::string(1 << 20, '.'));
    loop.run_until_idle();
    here.close();
    // Both are queued, neither has left: a new watch made now must be another one.
    auto fresh = loop.start(read_some, next, loop.scratch());
    writes.destroy();
    next_peer.send("x");
    loop.run_until_idle();
    REQUIRE(reads.is_done());
    CHECK(reads.result().error() == errc::closed);
    REQUIRE(fresh.is_done());
    CHECK(fresh.result().value() == 1);
}

TEST_CASE("those who wait on a closed socket may be destroyed before they are told",
          "[loop][watch]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    auto reads = loop.start(read_some, here, loop.scratch());
    auto writes = loop.start(write_all, here, std::string(1 << 20, '.'));
    loop.run_until_idle();
    here.close();
    reads.destroy();
    writes.destroy();
    loop.run_until_idle();
    CHECK_FALSE(reads.is_done());
}

TEST_CASE("a split socket closes with its last half, and tells the reader then", "[loop][watch]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto [reader, writer] = std::move(here).split();
    auto reads = loop.start(read_half, reader, loop.scratch());
    loop.run_until_idle();
    writer.close();
    loop.run_until_idle();
    REQUIRE_FALSE(reads.is_done()); // the reading half lives
    CHECK(there.receive().empty());
    there.send("still");
    loop.run_until_idle();
    REQUIRE(reads.is_done());
    CHECK(reads.result().value() == 5);

    auto again = loop.start(read_half, reader, loop.scratch());
    loop.run_until_idle();
    reader.close();
    loop.turn();
    REQUIRE(again.is_done());
    CHECK(again.result().error() == errc::closed);
}

TEST_CASE("one epoll registration serves a descriptor for life, and none one that never waits",
          "[loop][watch]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    there.send("abc");
    CHECK(loop.run(here.read(loop.scratch())).value() == 3);
    CHECK(loop.run(here.write("abc")));
    CHECK(loop.counters().registrations == 0);
    for (int i = 0; i < 50; ++i) {
        auto reads = loop.start(read_some, here, loop.scratch());
        loop.run_until_idle();
        REQUIRE_FALSE(reads.is_done());
        there.send("x");
        loop.run_until_idle();
        REQUIRE(reads.is_done());
    }
    CHECK(loop.counters().registrations == 1);
}
