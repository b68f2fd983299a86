// `serve`: its limit, its counters, and sessions that fail.
#include <support/server.hpp>

#include <stdexcept>
#include <sys/socket.h>

using namespace dunlin;
using namespace dunlin::test;

namespace {

serve_options at_most(std::size_t connections) {
    serve_options options;
    options.max_connections = connections;
    return options;
}

/// Says `e` for an error, `t` for an exception, else is answered.
io_task<> obey(tcp_socket client) {
    for (;;) {
        const auto data = co_await client.read().or_return();
        if (data.is_end()) break;
        if (data.text() == "e") co_await fail(std::make_error_code(std::errc::protocol_error));
        if (data.text() == "t") throw std::runtime_error{"thrown"};
        co_await client.write(data).or_return();
    }
}

} // namespace

TEST_CASE("at the limit further clients wait in the kernel's queue, until one has left",
          "[net][serve]") {
    server s{echo, at_most(2)};
    raw_peer first = s.connect();
    raw_peer second = s.connect();
    raw_peer third = connect_raw(s.where);
    raw_peer fourth = connect_raw(s.where);
    third.send("third");
    fourth.send("fourth");
    second.send("second");
    CHECK(s.answer(second, 6) == "second");
    CHECK(s.counts.accepted == 2);
    CHECK(s.counts.active == 2);
    CHECK_FALSE(third.try_receive().has_value());
    first.close();
    s.loop.run_until([&] { return s.counts.accepted == 3; });
    CHECK(s.answer(third, 5) == "third");
    CHECK(s.counts.active == 2);
    CHECK_FALSE(fourth.try_receive().has_value());
    second.reset(); // one that fails makes room as well
    CHECK(s.answer(fourth, 6) == "fourth");
    CHECK(s.counts.accepted == 4);
    CHECK(s.counts.active == 2);
    CHECK(s.counts.failed == 1);
}

TEST_CASE("a stop finds a server at its limit", "[net][serve]") {
    server s{echo, at_most(1)};
    raw_peer first = s.connect();
    raw_peer waiting = connect_raw(s.where);
    s.loop.run_until_idle();
    s.serving->stop();
    s.loop.run_until([&] { return s.is_over(); });
    CHECK(s.serving->result());
    CHECK(s.counts.accepted == 1);
    CHECK(s.counts.active == 0);
    CHECK(first.receive().empty());
}

TEST_CASE("errors and exceptions are heard and counted, and the others go on", "[net][serve]") {
    std::vector<std::string> heard;
    const auto hear = [&heard](const child_failure& failed) {
        heard.emplace_back(failed.exception() != nullptr ? "exception" : failed.error().message());
    };
    server s{obey, {}, hear};
    raw_peer fine = s.connect();
    raw_peer failing = s.connect();
    raw_peer throwing = s.connect();
    failing.send("e");
    s.loop.run_until([&] { return s.counts.failed == 1; });
    CHECK(s.counts.active == 2);
    throwing.send("t");
    s.loop.run_until([&] { return s.counts.failed == 2; });
    CHECK(s.counts.active == 1);
    REQUIRE(heard.size() == 2);
    CHECK(heard[0] == std::make_error_code(std::errc::protocol_error).message());
    CHECK(heard[1] == "exception");
    CHECK(logged.empty());
    fine.send("fine");
    CHECK(s.answer(fine, 4) == "fine");
    fine.shutdown_write();
    s.loop.run_until([&] { return s.counts.active == 0; });
    CHECK(s.counts.failed == 2);
    CHECK(s.counts.accepted == 3);
    s.serving->stop();
    s.loop.run_until([&] { return s.is_over(); });
    CHECK(s.serving->result());
}

TEST_CASE("an exception that nobody hears is logged, and the server goes on", "[net][serve]") {
    server s{obey};
    raw_peer failing = s.connect();
    raw_peer throwing = s.connect();
    failing.send("e");
    s.loop.run_until([&] { return s.counts.failed == 1; });
    CHECK(logged.empty());
    throwing.send("t");
    s.loop.run_until([&] { return s.counts.failed == 2; });
    CHECK(has_logged("a session threw an exception"));
    raw_peer fine = s.connect();
    fine.send("fine");
    CHECK(s.answer(fine, 4) == "fine");
}

TEST_CASE("a handler that throws instead of giving a task costs its client alone", "[net][serve]") {
    int calls = 0;
    server s{[&calls](tcp_socket client) -> io_task<> {
        if (++calls == 1) throw std::runtime_error{"thrown"};
        return echo(std::move(client));
    }};
    raw_peer unlucky = s.connect();
    CHECK(s.counts.failed == 1);
    CHECK(s.counts.active == 0);
    CHECK(has_logged("a session threw an exception"));
    CHECK(s.is_ended(unlucky));
    raw_peer fine = s.connect();
    fine.send("fine");
    CHECK(s.answer(fine, 4) == "fine");
    CHECK(s.counts.active == 1);
}

TEST_CASE("a listener that fails for good ends the server with its error", "[net][serve]") {
    server s{echo};
    raw_peer client = s.connect();
    REQUIRE(::shutdown(s.number, SHUT_RDWR) == 0);
    s.loop.run_until([&] { return s.is_over(); });
    CHECK(s.serving->result().error() == std::errc::invalid_argument);
    CHECK(client.receive().empty()); // its session was drained
    CHECK(s.counts.active == 0);
    CHECK(s.counts.failed == 0);
    CHECK(has_logged("draining: 1 idle and 0 busy sessions"));
}

TEST_CASE("two servers count in one place", "[net][serve]") {
    server s{echo};
    auto listener = listen_somewhere();
    const endpoint where = where_it_listens(listener);
    serve_options options;
    options.counters = &s.counts;
    auto other = s.loop.start(serve(std::move(listener), echo, options));
    raw_peer one = s.connect();
    raw_peer two = connect_raw(where);
    s.loop.run_until([&] { return s.counts.accepted == 2; });
    CHECK(s.counts.active == 2);
    other.destroy();
    CHECK(s.counts.active == 1);
    one.send("on");
    CHECK(s.answer(one, 2) == "on");
}
