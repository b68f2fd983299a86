// Connecting: the six cases (that of "ready" needs a kernel that connects at once, and stands in
// kernel_test.cpp), refusals, and what a connected socket is like.
#include <support/net_support.hpp>

#include <algorithm>

#include <fcntl.h>

using namespace dunlin;
using namespace dunlin::test;

namespace {

struct hanging {
    test_loop loop;
    full_listener there;
    task_context* connecting = nullptr;

    auto start() { return loop.start(observe(connect_to(there.where()), connecting)); }
};

io_task<tcp_socket> connect_from(endpoint where, endpoint from) {
    auto connected = co_await tcp_socket::connect(where, {.from = from}).or_return();
    co_return std::move(connected);
}

} // namespace

TEST_CASE("connect waits for the connection, and gives a socket that works",
          "[net][connect][six:connect_operation:later]") {
    test_loop loop;
    tcp_listener listener = listen_somewhere();
    auto connecting = loop.start(connect_to(where_it_listens(listener)));
    loop.turn();
    REQUIRE_FALSE(connecting.is_done());
    loop.run_until([&] { return connecting.is_done(); });
    auto here = connecting.result().value();
    auto there = loop.run(accept_one(listener)).value();
    CHECK(here.peer_endpoint().value() == where_it_listens(listener));
    CHECK(here.local_endpoint().value() == there.peer_endpoint().value());
    CHECK(here.local_endpoint().value().port() != 0);
    CHECK(here.no_delay().value());
    CHECK((::fcntl(here.fd().get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(here.fd().get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(loop.run(write_text(here, "hello")));
    CHECK(loop.run(read_text(there)).value() == "hello");
    CHECK(loop.run(write_text(there, "you too")));
    CHECK(loop.run(read_text(here)).value() == "you too");
    CHECK(loop.counters().registrations <= 2); // the connected socket keeps its registration
}

TEST_CASE("a connect that is woken for nothing goes on waiting",
          "[net][connect][six:connect_operation:spurious]") {
    hanging h;
    auto started = h.start();
    h.loop.run_until_idle();
    for (int i = 0; i < 3; ++i)
        wake_for_nothing(h.loop, h.connecting);
    REQUIRE_FALSE(started.is_done());
    // With the kernel's next attempt, or a later one: another that hangs may be the first to get
    // in.
    h.loop.run_until([&] {
        h.there.accept_all();
        return started.is_done();
    });
    CHECK(started.result());
}

TEST_CASE("a connect that is stopped closes its socket",
          "[net][connect][six:connect_operation:stopped]") {
    hanging h;
    const std::size_t before = open_descriptors();
    auto started = h.start();
    h.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    CHECK(open_descriptors() == before + 1);
    started.stop();
    h.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::stopped);
    CHECK(open_descriptors() == before);
}

TEST_CASE("a connect that is destroyed closes its socket",
          "[net][connect][six:connect_operation:destroyed]") {
    hanging h;
    const std::size_t before = open_descriptors();
    auto started = h.start();
    h.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    started.destroy();
    CHECK(open_descriptors() == before);
    h.loop.run_until_idle();
}

TEST_CASE("a connect that is destroyed in the turn it succeeded closes its socket",
          "[net][connect][six:connect_operation:destroyed-ready]") {
    test_loop loop;
    sniper killer{loop};
    const tcp_listener listener = listen_somewhere();
    const std::size_t before = open_descriptors();
    struct local {
        static io_task<tcp_socket> connect_after(sniper& with, endpoint where) {
            with.pull(); // so that epoll hears of the trigger first
            auto connected = co_await tcp_socket::connect(where).or_return();
            co_return std::move(connected);
        }
    };
    pending<result<tcp_socket>> started;
    killer.aim(started);
    started = loop.start(local::connect_after(killer, where_it_listens(listener)));
    loop.turn(); // it has begun to connect, and loopback is quick
    REQUIRE_FALSE(started.is_done());
    CHECK(open_descriptors() == before + 1);
    killer.fire();
    CHECK(open_descriptors() == before);
}

TEST_CASE("a task that was asked to stop does not wait for a connection", "[net][connect]") {
    hanging h;
    auto started = h.start();
    started.stop();
    h.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::stopped);
}

TEST_CASE("a refused connect is told once, as such", "[net][connect]") {
    test_loop loop;
    const closed_port nobody;
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 3; ++i) {
        const auto refused = loop.run(connect_to(nobody.where()));
        REQUIRE_FALSE(refused);
        CHECK(refused.error() == std::error_code{ECONNREFUSED, std::system_category()});
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a connect that cannot even begin fails without waiting", "[net][connect]") {
    test_loop loop;
    const std::size_t before = open_descriptors();
    auto connecting = loop.start(connect_to(endpoint::parse("255.255.255.255:9").value()));
    loop.turn();
    REQUIRE(connecting.is_done());
    CHECK_FALSE(connecting.result());
    CHECK(loop.counters().registrations == 0);
    CHECK(open_descriptors() == before);
}

TEST_CASE("a connect has the address that it was given, and a port of the kernel's",
          "[net][connect]") {
    test_loop loop;
    tcp_listener listener = listen_somewhere();
    const endpoint ours = endpoint::parse("127.0.0.2:0").value();
    auto here = loop.run(connect_from(where_it_listens(listener), ours)).value();
    auto there = loop.run(accept_one(listener)).value();
    const endpoint local = here.local_endpoint().value();
    CHECK(std::ranges::equal(local.bytes(), ours.bytes()));
    CHECK(local.port() != 0);
    CHECK(there.peer_endpoint().value() == local);
}

TEST_CASE("a connect from an address of somebody else, or of another family, fails without waiting",
          "[net][connect]") {
    test_loop loop;
    const tcp_listener listener = listen_somewhere();
    const std::size_t before = open_descriptors();
    for (const auto* from : {"192.0.2.7:0", "[::1]:0"}) {
        auto connecting =
            loop.start(connect_from(where_it_listens(listener), endpoint::parse(from).value()));
        loop.turn();
        REQUIRE(connecting.is_done());
        const auto why = connecting.result().error();
        CHECK((why == std::errc::address_not_available ||
               why == std::errc::address_family_not_supported));
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("IPv6 connects to IPv6", "[net][connect]") {
    test_loop loop;
    auto bound = tcp_listener::bind(endpoint::loopback_v6(0));
    REQUIRE(bound);
    auto listener = std::move(bound).assume_value();
    const endpoint where = where_it_listens(listener);
    CHECK(where.is_v6());
    auto here = loop.run(connect_to(where));
    REQUIRE(here);
    CHECK(here.value().peer_endpoint().value() == where);
    CHECK(loop.run(accept_one(listener)));
}

TEST_CASE("300 connects one after the other leave nothing behind", "[net][connect]") {
    test_loop loop;
    tcp_listener listener = listen_somewhere();
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 300; ++i) {
        auto here = loop.run(connect_to(where_it_listens(listener)));
        REQUIRE(here);
        auto there = loop.run(accept_one(listener));
        REQUIRE(there);
        REQUIRE(there.value().set_reset_on_close(true)); // leaves no TIME_WAIT either
        there.value().close();
    }
    CHECK(open_descriptors() == before);
}
