// Accepting: the six cases, connections that die in the queue, and what an accepted socket is like.
#include <support/net_support.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

struct scene {
    test_loop loop;
    tcp_listener listener = listen_somewhere();
    endpoint where = where_it_listens(listener);
    task_context* acceptor = nullptr;

    auto start() { return loop.start(observe(accept_one(listener), acceptor)); }

    /// The connection that `client` made is still queued, and is ours to take.
    void check_still_queued(raw_peer& client) {
        REQUIRE(becomes_readable(listener.fd()));
        auto accepted = loop.run(accept_one(listener));
        REQUIRE(accepted);
        client.send("x");
        CHECK(loop.run(read_text(accepted.value())).value() == "x");
    }
};

io_task<> accept_many(tcp_listener& listener, std::vector<tcp_socket>& into) {
    for (;;) {
        auto accepted = co_await listener.accept().or_return();
        into.push_back(std::move(accepted));
    }
}

} // namespace

TEST_CASE("a connection that is queued is accepted without waiting",
          "[net][accept][six:accept_operation:ready]") {
    scene s;
    const raw_peer client = connect_raw(s.where);
    REQUIRE(becomes_readable(s.listener.fd()));
    auto started = s.start();
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result());
    CHECK(s.loop.counters().registrations == 0);
}

TEST_CASE("accept waits for a connection", "[net][accept][six:accept_operation:later]") {
    scene s;
    auto started = s.start();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    const raw_peer client = connect_raw(s.where);
    s.loop.run_until([&] { return started.is_done(); });
    CHECK(started.result());
}

TEST_CASE("an accept that is woken for nothing goes on waiting",
          "[net][accept][six:accept_operation:spurious]") {
    scene s;
    auto started = s.start();
    s.loop.run_until_idle();
    for (int i = 0; i < 3; ++i)
        wake_for_nothing(s.loop, s.acceptor);
    REQUIRE_FALSE(started.is_done());
    const raw_peer client = connect_raw(s.where);
    s.loop.run_until([&] { return started.is_done(); });
    CHECK(started.result());
}

TEST_CASE("an accept that is stopped has taken no connection",
          "[net][accept][six:accept_operation:stopped]") {
    scene s;
    auto started = s.start();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    started.stop();
    REQUIRE_FALSE(started.is_done());
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::stopped);
    raw_peer client = connect_raw(s.where);
    s.check_still_queued(client);
}

TEST_CASE("an accept that is destroyed has taken no connection",
          "[net][accept][six:accept_operation:destroyed]") {
    scene s;
    auto started = s.start();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    started.destroy();
    raw_peer client = connect_raw(s.where);
    s.loop.run_until_idle();
    s.check_still_queued(client);
}

TEST_CASE("an accept that is destroyed in the turn it became ready has taken no connection",
          "[net][accept][six:accept_operation:destroyed-ready]") {
    scene s;
    sniper killer{s.loop};
    auto started = s.start();
    killer.aim(started);
    killer.pull();
    raw_peer client = connect_raw(s.where);
    REQUIRE(becomes_readable(s.listener.fd()));
    killer.fire();
    s.check_still_queued(client);
}

TEST_CASE("a drain ends an accept that waits", "[net][accept]") {
    scene s;
    auto started = s.start();
    s.loop.run_until_idle();
    started.drain();
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::stopped);
}

TEST_CASE("a second acceptor is told busy", "[net][accept]") {
    scene s;
    auto first = s.start();
    s.loop.run_until_idle();
    CHECK(s.loop.run(accept_one(s.listener)).error() == errc::busy);
    CHECK_FALSE(first.is_done());
}

TEST_CASE("closing the listener tells the acceptor within the turn, and refuses the next one",
          "[net][accept]") {
    scene s;
    auto started = s.start();
    s.loop.run_until_idle();
    s.listener.close();
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::closed);
    CHECK(s.loop.run(accept_one(s.listener)).error() == errc::closed);
    CHECK(s.listener.local_endpoint().error() == errc::closed);
    CHECK_FALSE(s.listener.is_open());
    s.listener.close();
}

TEST_CASE("an accepted socket is non-blocking, close-on-exec and sends small writes at once",
          "[net][accept]") {
    scene s;
    const raw_peer client = connect_raw(s.where);
    auto accepted = s.loop.run(accept_one(s.listener)).value();
    CHECK((::fcntl(accepted.fd().get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(accepted.fd().get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(s.listener.fd().get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(accepted.no_delay().value());
    CHECK(accepted.local_endpoint().value() == s.where);
    CHECK(accepted.peer_endpoint().value().port() != 0);
}

TEST_CASE("a connection that was reset while it was queued is accepted, and has no peer",
          "[net][accept]") {
    scene s;
    connect_raw(s.where).reset();
    REQUIRE(becomes_readable(s.listener.fd()));
    auto accepted = s.loop.run(accept_one(s.listener));
    REQUIRE(accepted);
    CHECK(accepted.value().peer_endpoint().error() == std::errc::not_connected);
    CHECK(accepted.value().local_endpoint());
    CHECK(s.loop.run(read_text(accepted.value())).error() == std::errc::connection_reset);

    raw_peer next = connect_raw(s.where); // and the listener is none the worse
    s.check_still_queued(next);
}

TEST_CASE("a burst of 200 connections is accepted to the last one", "[net][accept]") {
    scene s;
    std::vector<tcp_socket> accepted;
    auto accepting = s.loop.start(accept_many(s.listener, accepted));
    s.loop.run_until_idle();
    std::vector<raw_peer> clients;
    for (int i = 0; i < 200; ++i)
        clients.push_back(connect_raw(s.where)); // one edge may stand for many
    s.loop.run_until([&] { return accepted.size() == 200; });
    s.loop.run_until_idle();
    CHECK(accepted.size() == 200);
    CHECK(s.loop.counters().registrations == 1);
}

TEST_CASE("a crowd of connections does not starve a reader", "[net][accept]") {
    scene s;
    std::vector<tcp_socket> accepted;
    std::vector<raw_peer> clients;
    for (int i = 0; i < 200; ++i)
        clients.push_back(connect_raw(s.where));
    auto [here, there] = s.loop.socket_pair();
    auto accepting = s.loop.start(accept_many(s.listener, accepted));
    auto reading = s.loop.start(read_text(here));
    there.send("x");
    s.loop.turn();
    CHECK(reading.is_done()); // in the first turn, in which the acceptor spent its budget
    CHECK(accepted.size() < 200);
    s.loop.run_until([&] { return accepted.size() == 200; });
}

TEST_CASE("connections are accepted by two listeners of one port only on request",
          "[net][accept]") {
    test_loop loop;
    const tcp_listener first = listen_somewhere({.reuse_port = true});
    const endpoint where = where_it_listens(first);
    CHECK(tcp_listener::bind(where).error() == std::errc::address_in_use);
    CHECK(tcp_listener::bind(where, {.reuse_port = true}));
    const tcp_listener plain = listen_somewhere();
    CHECK(tcp_listener::bind(where_it_listens(plain), {.reuse_port = true}).error() ==
          std::errc::address_in_use);
}
