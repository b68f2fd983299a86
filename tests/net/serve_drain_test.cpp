// The end of `serve`: idle sessions at once, busy ones in their grace, the rest destroyed.
#include <support/server.hpp>

#include <dunlin/task/when.hpp>

#include <functional>
#include <memory>
#include <string>

using namespace dunlin;
using namespace dunlin::test;

namespace {

/// Answers lines; half a line is a request in the middle.
io_task<> answer_lines(tcp_socket client) {
    std::string line;
    for (;;) {
        const auto data = co_await client.read().or_return();
        if (data.is_end()) break;
        line += data.text();
        if (line.back() != '\n') continue;
        co_await client.write(line).or_return();
        line.clear();
    }
}

/// Is told to go either way.
template <class Wait>
void ask_to_end(server& s, Wait wait) {
    SECTION("a stop") { s.serving->stop(); }
    SECTION("a drain") { s.serving->drain(); }
    wait();
}

} // namespace

TEST_CASE("idle sessions end at once, and the log has the numbers", "[net][serve][drain]") {
    server s{answer_lines};
    raw_peer fresh = s.connect();
    raw_peer answered = s.connect();
    raw_peer busy = s.connect();
    answered.send("line\n");
    CHECK(s.answer(answered, 5) == "line\n");
    s.hear(busy, "half a ");
    ask_to_end(s, [&] { s.loop.run_until_idle(); });
    CHECK(fresh.receive().empty()); // in no time
    CHECK(has_logged("draining: 2 idle and 1 busy sessions, for at most 10 s"));
    REQUIRE_FALSE(s.is_over());
    s.pass_until([&] { return s.counts.active == 1; });
    CHECK(s.is_ended(answered));
    busy.send("line\n");
    CHECK(s.answer(busy, 12) == "half a line\n");
    s.pass_until([&] { return s.is_over(); });
    CHECK(s.is_ended(busy));
    CHECK(s.serving->result());
    CHECK(s.counts.failed == 0);
    CHECK(s.counts.cut == 0);
    CHECK(s.counts.active == 0);
    CHECK(has_logged("drained: 0 sessions were cut off"));
}

TEST_CASE("a server without sessions ends in the turn it is asked to", "[net][serve][drain]") {
    server s{echo};
    ask_to_end(s, [&] { s.loop.turn(); });
    REQUIRE(s.is_over());
    CHECK(s.serving->result());
    CHECK(logged.empty()); // there is nothing to say
}

TEST_CASE("nobody can connect while a server drains", "[net][serve][drain]") {
    server s{answer_lines};
    raw_peer busy = s.connect();
    s.hear(busy, "half a ");
    s.serving->stop();
    s.loop.run_until_idle();
    REQUIRE_FALSE(s.is_over());
    const auto refused = s.loop.run(tcp_socket::connect(s.where));
    CHECK(refused.error() == std::errc::connection_refused);
}

TEST_CASE("what lies in the receive buffer is answered first", "[net][serve][drain]") {
    server s{echo};
    raw_peer client = s.connect();
    const std::string much(100'000, 'x');
    client.send(much);
    ask_to_end(s, [] {});
    CHECK(s.answer(client, much.size()) == much);
    s.pass_until([&] { return s.is_over(); });
    CHECK(s.is_ended(client));
    CHECK(s.counts.failed == 0);
    CHECK(s.counts.cut == 0);
}

TEST_CASE("those in the kernel's queue are served too, before the listener closes",
          "[net][serve][drain]") {
    server s{echo};
    raw_peer first = connect_raw(s.where);
    raw_peer second = connect_raw(s.where);
    first.send("first");
    second.send("second");
    ask_to_end(s, [] {});
    CHECK(s.answer(first, 5) == "first");
    CHECK(s.answer(second, 6) == "second");
    s.pass_until([&] { return s.is_over(); });
    CHECK(s.counts.accepted == 2);
    CHECK(s.counts.cut == 0);
}

TEST_CASE("but not so many that it would never end", "[net][serve][drain]") {
    server s{echo};
    std::vector<raw_peer> queued;
    for (int i = 0; i < 100; ++i)
        queued.push_back(connect_raw(s.where));
    ask_to_end(s, [] {});
    s.pass_until([&] { return s.is_over(); });
    CHECK(s.counts.accepted >= 1);
    CHECK(s.counts.accepted < 100);
    CHECK(s.counts.active == 0);
}

TEST_CASE("a session that is stuck is destroyed at the end of the grace, and counted",
          "[net][serve][drain]") {
    auto alive = std::make_shared<int>(0);
    serve_options options;
    options.drain = 5s;
    server s{[&alive](tcp_socket client) -> io_task<> {
                 const auto held = alive;
                 co_await sleep_for(1h).ignore();
                 client.close();
             },
             options};
    raw_peer one = s.connect();
    raw_peer two = s.connect();
    s.serving->stop();
    s.loop.run_until_idle();
    CHECK(has_logged("draining: 0 idle and 2 busy sessions, for at most 5 s"));
    s.after(5s - 1ns);
    REQUIRE_FALSE(s.is_over());
    CHECK(s.counts.active == 2);
    s.after(1ns);
    REQUIRE(s.is_over());
    CHECK(s.serving->result());
    CHECK(s.counts.cut == 2);
    CHECK(s.counts.active == 0);
    CHECK(s.counts.failed == 0);
    CHECK(alive.use_count() == 1);
    CHECK(s.is_ended(one));
    CHECK(has_logged("drained: 2 sessions were cut off"));
}

TEST_CASE("a client that never takes its answer is cut off", "[net][serve][drain]") {
    server s{echo};
    raw_peer stuck = s.connect();
    std::size_t last = 1;
    for (std::size_t sent = 0; sent != last;) {
        last = sent;
        sent += stuck.fill();
        s.loop.run_until_idle();
    }
    s.serving->stop();
    s.loop.run_until_idle();
    REQUIRE_FALSE(s.is_over());
    s.after(10s);
    REQUIRE(s.is_over());
    CHECK(s.counts.cut == 1);
    CHECK(s.counts.active == 0);
}

namespace {

io_task<> read_answer(tcp_socket& from, std::string& into) {
    const auto answer = co_await from.read().or_return();
    into = answer.text();
}

io_task<> nothing() { co_return; }

/// Waits for the upstream itself, or in a branch, or in a child.
io_task<> ask_upstream(tcp_socket& far_end, int way, std::string& into) {
    if (way == 0) {
        co_await read_answer(far_end, into).or_return();
    } else if (way == 1) {
        co_await when_all(read_answer(far_end, into), nothing()).or_return();
    } else {
        task_group helpers;
        helpers.spawn(read_answer, std::ref(far_end), std::ref(into));
        co_await helpers.join().or_return();
    }
}

} // namespace

TEST_CASE("a proxy that waits for its upstream is busy, and its answer arrives",
          "[net][serve][drain]") {
    const int way = GENERATE(0, 1, 2);
    CAPTURE(way);
    std::optional<tcp_socket> upstream;
    server s{[&upstream, way](tcp_socket client) -> io_task<> {
        tcp_socket far_end = std::move(*upstream);
        const auto question = co_await client.read().or_return();
        co_await client.write("100 ").or_return(); // so that nothing of the client's is unanswered
        std::string answer;
        co_await ask_upstream(far_end, way, answer).or_return();
        co_await client.write(answer).or_return();
    }};
    auto ends = s.loop.tcp_pair();
    upstream.emplace(std::move(ends.here));
    raw_peer& far = ends.there;
    raw_peer client = s.connect();
    client.send("?");
    CHECK(s.answer(client, 4) == "100 ");
    s.serving->stop();
    s.loop.run_until_idle();
    CHECK(has_logged("draining: 0 idle and 1 busy sessions"));
    s.after(9s);
    REQUIRE_FALSE(s.is_over());
    far.send("200");
    CHECK(s.answer(client, 3) == "200");
    s.loop.run_until([&] { return s.is_over(); });
    CHECK(s.counts.cut == 0);
    CHECK(s.counts.failed == 0);
}

TEST_CASE("a read that is called idle ends at once, though nothing was answered",
          "[net][serve][drain]") {
    server s{[](tcp_socket client) -> io_task<> {
        for (;;) { // takes notes and never answers
            const auto note = co_await client.read().idle().or_return();
            if (note.is_end()) break;
        }
    }};
    raw_peer client = s.connect();
    s.hear(client, "a note");
    s.serving->stop();
    s.loop.run_until_idle();
    REQUIRE(s.is_over());
    CHECK(has_logged("draining: 1 idle and 0 busy sessions"));
    CHECK(s.is_ended(client));
    CHECK(s.counts.failed == 0);
}

TEST_CASE("a read that is called busy gets the grace, though all was answered",
          "[net][serve][drain]") {
    server s{[](tcp_socket client) -> io_task<> {
        co_await client.write("ready").or_return();
        std::byte last[4];
        co_await client.read_exactly(last).busy().or_return();
        co_await client.write(last).or_return();
    }};
    raw_peer client = s.connect();
    CHECK(s.answer(client, 5) == "ready");
    s.serving->stop();
    s.loop.run_until_idle();
    CHECK(has_logged("draining: 0 idle and 1 busy sessions"));
    s.after(9s);
    REQUIRE_FALSE(s.is_over());
    client.send("last");
    CHECK(s.answer(client, 4) == "last");
    s.loop.run_until([&] { return s.is_over(); });
    CHECK(s.counts.cut == 0);
}

TEST_CASE("a connection that lingers keeps a drain no longer than its own grace",
          "[net][serve][drain]") {
    serve_options options;
    options.linger = 3s;
    server s{answer_once, options};
    raw_peer client = s.connect();
    client.send(std::string(200'000, '.'));
    s.loop.run_until([&] { return s.counts.lingered == 1; });
    s.serving->stop();
    s.loop.run_until_idle();
    REQUIRE_FALSE(s.is_over());
    SECTION("it ends when the client does") {
        CHECK(s.answer(client, 10) == "the answer");
        client.shutdown_write();
        s.loop.run_until([&] { return s.is_over(); });
    }
    SECTION("or after its grace") {
        s.after(3s);
        CHECK(s.is_over());
        CHECK(s.answer(client, 10) == "the answer");
    }
    CHECK(s.counts.cut == 0);
}

TEST_CASE("a connection that lingers is closed at the end of a shorter drain",
          "[net][serve][drain]") {
    serve_options options;
    options.linger = 1h;
    options.drain = 1s;
    server s{answer_once, options};
    raw_peer client = s.connect();
    client.send(std::string(200'000, '.'));
    s.loop.run_until([&] { return s.counts.lingered == 1; });
    s.serving->stop();
    s.loop.run_until_idle();
    s.after(1s - 1ns);
    REQUIRE_FALSE(s.is_over());
    s.after(1ns);
    CHECK(s.is_over());
}

TEST_CASE("a second stop does not cut the drain short", "[net][serve][drain]") {
    server s{answer_lines};
    raw_peer busy = s.connect();
    s.hear(busy, "half a ");
    s.serving->drain();
    s.loop.run_until_idle();
    s.serving->stop();
    s.loop.run_until_idle();
    REQUIRE_FALSE(s.is_over());
    busy.send("line\n");
    CHECK(s.answer(busy, 12) == "half a line\n");
    s.pass_until([&] { return s.is_over(); });
    CHECK(s.counts.cut == 0);
}

TEST_CASE("a server destroyed at any moment leaves no descriptor, and nobody counted as active",
          "[net][serve]") {
    for (int turns = 0; turns < 14; ++turns) {
        serve_options options;
        options.max_connections = 3;
        options.idle_timeout = 1s;
        server s{answer_once, options};
        const std::size_t before = open_descriptors();
        raw_peer clients[5];
        int said = 0;
        for (raw_peer& each : clients) {
            each = connect_raw(s.where);
            if (said++ % 2 == 0) each.send(std::string(100'000, '.'));
        }
        for (int i = 0; i < turns; ++i) {
            s.loop.turn();
            if (i == 6) s.serving->stop();
            if (i > 8) fake_clock::advance(4s);
        }
        s.serving->destroy();
        REQUIRE(s.counts.active == 0);
        REQUIRE(open_descriptors() == before + 5 - 1); // the clients' ends; the listener is gone
        REQUIRE_FALSE(s.loop.sched().next_deadline().has_value());
    }
}
