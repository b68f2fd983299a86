// Binding: what the kernel lets us have, and what it calls what we may not.
#include <support/net_support.hpp>

#include <dunlin/task/run.hpp>

#include <unistd.h>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> accept_and_end(tcp_listener listener) {
    const auto client = co_await listener.accept().or_return();
    CHECK(client.is_open());
}

} // namespace

TEST_CASE("port 0 gives a port, which local_endpoint names", "[net][listener]") {
    const tcp_listener listener = listen_somewhere();
    const endpoint where = where_it_listens(listener);
    CHECK(where.port() != 0);
    CHECK(where == endpoint::loopback_v4(where.port()));
}

TEST_CASE("a port that is taken is an error value, and leaves nothing open", "[net][listener]") {
    const tcp_listener first = listen_somewhere();
    const std::size_t before = open_descriptors();
    const auto second = tcp_listener::bind(where_it_listens(first));
    REQUIRE_FALSE(second);
    CHECK(second.error() == std::errc::address_in_use);
    CHECK(open_descriptors() == before);
}

TEST_CASE("an address of another machine is an error value", "[net][listener]") {
    const auto bound = tcp_listener::bind(endpoint::parse("192.0.2.1:0").value());
    REQUIRE_FALSE(bound);
    CHECK(bound.error() == std::errc::address_not_available);
}

TEST_CASE("a port that needs a privilege is an error value", "[net][listener]") {
    // In a child process, which may be somebody else and gives its user up for good.
    const int status = status_of_child([] {
        if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
        const auto bound = tcp_listener::bind(endpoint::loopback_v4(1));
        // The kernel may be told to call low ports free for all (ip_unprivileged_port_start).
        const bool is_right = bound || bound.error() == std::errc::permission_denied;
        ::_exit(is_right ? 0 : 1);
    });
    CHECK(status == 0);
}

TEST_CASE("a restart does not wait for old connections in TIME_WAIT", "[net][listener]") {
    test_loop loop;
    endpoint where;
    {
        tcp_listener listener = listen_somewhere();
        where = where_it_listens(listener);
        raw_peer client = connect_raw(where);
        auto server = loop.run(accept_one(listener)).value();
        server.close(); // closes first, so the TIME_WAIT is on the server's side
        CHECK(client.receive().empty());
    }
    CHECK(tcp_listener::bind(where));
}

TEST_CASE("an IPv6 listener takes IPv4 connections only if asked to", "[net][listener]") {
    test_loop loop;
    SECTION("by default it does not") {
        auto bound = tcp_listener::bind(endpoint::any_v6(0));
        REQUIRE(bound);
        const auto port = where_it_listens(bound.value()).port();
        CHECK(loop.run(connect_to(endpoint::loopback_v4(port))).error() ==
              std::errc::connection_refused);
        CHECK(loop.run(connect_to(endpoint::loopback_v6(port))));
        // The IPv4 port is still free, unless a stranger happens to have it.
        bool is_free = false;
        for (int i = 0; i < 10 && !is_free; ++i) {
            auto other = tcp_listener::bind(endpoint::any_v6(0));
            REQUIRE(other);
            const auto number = where_it_listens(other.value()).port();
            is_free = tcp_listener::bind(endpoint::any_v4(number)).has_value();
        }
        CHECK(is_free);
    }
    SECTION("asked to, it sees them in IPv6 clothes") {
        auto bound = tcp_listener::bind(endpoint::any_v6(0), {.v6_only = false});
        REQUIRE(bound);
        auto listener = std::move(bound).assume_value();
        const auto port = where_it_listens(listener).port();
        const raw_peer client = connect_raw(endpoint::loopback_v4(port));
        auto accepted = loop.run(accept_one(listener)).value();
        const auto peer = accepted.peer_endpoint().value();
        CHECK(peer.is_v6());
        CHECK(peer.is_v4_mapped());
        const auto local = accepted.local_endpoint().value();
        CHECK(local == endpoint::parse("::ffff:127.0.0.1", port).value());
        CHECK(tcp_listener::bind(endpoint::any_v4(port)).error() == std::errc::address_in_use);
    }
}

TEST_CASE("a mapped address is reached through IPv6 as well", "[net][listener]") {
    test_loop loop;
    tcp_listener listener = listen_somewhere();
    const auto port = where_it_listens(listener).port();
    auto connected = loop.run(connect_to(endpoint::parse("::ffff:127.0.0.1", port).value()));
    REQUIRE(connected);
    CHECK(connected.value().peer_endpoint().value().is_v4_mapped());
    CHECK(loop.run(accept_one(listener)).value().peer_endpoint().value().is_v4());
}

TEST_CASE("a listener may be made and moved before there is a scheduler", "[net][listener]") {
    tcp_listener made = listen_somewhere();
    const endpoint where = where_it_listens(made);
    const raw_peer client = connect_raw(where);
    tcp_listener moved = std::move(made);
    CHECK_FALSE(made.is_open()); // NOLINT: what a moved-from listener is, is promised
    CHECK(moved.is_open());
    CHECK(run(accept_and_end(std::move(moved)), {.signals = false}) == 0);
}

TEST_CASE("a listening socket that was made elsewhere is taken over", "[net][listener]") {
    test_loop loop;
    tcp_listener donor = listen_somewhere();
    const endpoint where = where_it_listens(donor);
    tcp_listener heir{unique_fd{::dup(donor.fd().get())}};
    donor.close();
    CHECK(where_it_listens(heir) == where);
    const raw_peer client = connect_raw(where);
    CHECK(loop.run(accept_one(heir)));
}
