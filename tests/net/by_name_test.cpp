// connect and bind with names: looking up, trying the addresses, one timeout over both.
#include <dunlin/net/resolve.hpp>

#include <support/fake_resolver.hpp>
#include <support/net_support.hpp>

#include <netdb.h>

using namespace dunlin;
using namespace dunlin::test;

namespace {

std::string at_port(const std::string& host, const tcp_listener& listener) {
    return host + ':' + std::to_string(where_it_listens(listener).port());
}

io_task<tcp_socket> connect_text(std::string where) {
    auto connected = co_await tcp_socket::connect(where).or_return();
    co_return std::move(connected);
}

io_task<tcp_listener> bind_text(std::string where) {
    auto bound = co_await tcp_listener::bind(where).or_return();
    co_return std::move(bound);
}

} // namespace

TEST_CASE("connect takes an address as text, and asks nobody", "[net][by_name]") {
    resolving_loop loop;
    tcp_listener listener = listen_somewhere();
    const int before = lookups_begun();
    auto here = loop.run(connect_text(at_port("127.0.0.1", listener)));
    REQUIRE(here);
    auto there = loop.run(accept_one(listener));
    REQUIRE(there);
    CHECK(loop.run(write_text(here.value(), "hello")));
    CHECK(loop.run(read_text(there.value())).value() == "hello");
    CHECK(lookups_begun() == before);
    auto v6 = tcp_listener::bind(endpoint::loopback_v6(0));
    if (v6) {
        auto over_v6 = loop.run(connect_text(at_port("[::1]", v6.value())));
        CHECK(over_v6);
    }
}

TEST_CASE("connect takes a name, and a name with a port apart", "[net][by_name]") {
    resolving_loop loop;
    tcp_listener listener = listen_somewhere();
    const endpoint where = where_it_listens(listener);
    auto here = loop.run(connect_text(at_port("localhost", listener)));
    REQUIRE(here);
    CHECK(here.value().peer_endpoint().value() == where);
    auto apart = loop.run([](std::uint16_t port) -> io_task<tcp_socket> {
        auto connected = co_await tcp_socket::connect("localhost", port).or_return();
        co_return std::move(connected);
    }(where.port()));
    REQUIRE(apart);
    CHECK(apart.value().peer_endpoint().value() == where);
}

TEST_CASE("connect goes on to the next address of a name", "[net][by_name]") {
    resolving_loop loop;
    // Both take 127.0.0.0/8; only one of them listens.
    auto bound = tcp_listener::bind(endpoint::parse("127.0.0.3:0").value());
    REQUIRE(bound);
    set_addresses("several.test",
                  {endpoint::parse("127.0.0.2:0").value(), endpoint::parse("127.0.0.3:0").value()});
    auto here = loop.run(connect_text(at_port("several.test", bound.value())));
    REQUIRE(here);
    CHECK(here.value().peer_endpoint().value() == where_it_listens(bound.value()));
}

TEST_CASE("connect tells what is wrong with the text, the name or the way", "[net][by_name]") {
    resolving_loop loop;
    const closed_port nobody;
    const std::size_t before = open_descriptors();
    for (const char* const text : {"", "localhost", ":80", "localhost:", "::1:80", "localhost:+80",
                                   "127.1:80", "[localhost]:80"}) {
        INFO(text);
        CHECK(loop.run(connect_text(text)).error() == errc::bad_address);
    }
    set_failure("none.test", EAI_NONAME);
    CHECK(loop.run(connect_text("none.test:80")).error() == resolver_errc::no_such_name);
    const std::string port = std::to_string(nobody.where().port());
    CHECK(loop.run(connect_text("localhost:" + port)).error() == std::errc::connection_refused);
    CHECK(open_descriptors() == before);
}

TEST_CASE("one timeout covers the lookup and the attempts", "[net][by_name]") {
    resolving_loop loop;
    full_listener slow;
    set_addresses("slow.test", {endpoint::loopback_v4(0)});
    const std::string where = "slow.test:" + std::to_string(slow.where().port());
    const std::size_t before = open_descriptors();
    const auto connect_soon = [&]() -> io_task<> {
        auto connected = co_await tcp_socket::connect(where).timeout(30ms).or_return();
        connected.close();
    };
    {
        const hanging_lookups none_answers;
        const auto in_lookup = loop.run(connect_soon());
        REQUIRE_FALSE(in_lookup);
        CHECK(in_lookup.error() == errc::timeout);
    }
    const auto in_attempt = loop.run(connect_soon());
    REQUIRE_FALSE(in_attempt);
    CHECK(in_attempt.error() == errc::timeout);
    CHECK(open_descriptors() == before);
}

TEST_CASE("bind takes an address or a name, with or without the port apart", "[net][by_name]") {
    resolving_loop loop;
    const int before = lookups_begun();
    auto by_number = loop.start(bind_text("127.0.0.4:0"));
    loop.turn();
    REQUIRE(by_number.is_done()); // nobody is asked, nothing is waited for
    auto listener = by_number.result();
    REQUIRE(listener);
    CHECK(where_it_listens(listener.value()).bytes()[3] == std::byte{4});
    CHECK(lookups_begun() == before);

    auto named = loop.run(bind_text("localhost:0"));
    REQUIRE(named);
    auto here = loop.run(connect_to(where_it_listens(named.value())));
    CHECK(here);

    auto apart = loop.run([]() -> io_task<tcp_listener> {
        auto bound = co_await tcp_listener::bind("localhost", 0, {.backlog = 1}).or_return();
        co_return std::move(bound);
    }());
    CHECK(apart);
}

TEST_CASE("bind takes the first address of a name where it can, else tells of the first",
          "[net][by_name]") {
    resolving_loop loop;
    set_addresses("mixed.test",
                  {endpoint::parse("192.0.2.1:0").value(), endpoint::parse("127.0.0.5:0").value()});
    auto bound = loop.run(bind_text("mixed.test:0"));
    REQUIRE(bound);
    CHECK(where_it_listens(bound.value()).bytes()[3] == std::byte{5});
    set_addresses("foreign.test", {endpoint::parse("192.0.2.1:0").value()});
    CHECK(loop.run(bind_text("foreign.test:0")).error() == std::errc::address_not_available);
    CHECK(loop.run(bind_text("localhost")).error() == errc::bad_address);
    set_failure("none.test", EAI_NONAME);
    CHECK(loop.run(bind_text("none.test:0")).error() == resolver_errc::no_such_name);
}
