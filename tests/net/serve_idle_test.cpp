// `serve`'s idle_timeout: whom it ends, and when.
#include <support/server.hpp>

using namespace dunlin;
using namespace dunlin::test;

namespace {

constexpr auto limit = 16s;
constexpr auto sixteenth = 1s;

serve_options idle_after(std::chrono::nanoseconds span) {
    serve_options options;
    options.idle_timeout = span;
    return options;
}

/// What a session's read or write gave.
struct outcome {
    std::error_code error;
    bool is_over = false;
};

} // namespace

TEST_CASE("a silent client is ended with `timeout` when its time is over, and not before",
          "[net][serve]") {
    std::error_code heard;
    const auto hear = [&heard](const child_failure& failed) { heard = failed.error(); };
    server s{echo, idle_after(limit), hear};
    s.after(3s);
    raw_peer silent = s.connect();
    s.after(limit - 3s); // here it is looked at
    s.after(3s - 1ns);
    REQUIRE_FALSE(silent.try_receive().has_value());
    CHECK(s.counts.active == 1);
    CHECK(s.counts.timed_out == 0);
    s.after(1ns);
    CHECK(s.is_ended(silent));
    CHECK(heard == errc::timeout);
    CHECK(s.counts.active == 0);
    CHECK(s.counts.timed_out == 1);
    CHECK(s.counts.failed == 1);
    CHECK(s.counts.lingered == 0);
}

TEST_CASE("many silent clients are ended each at its time, at most a sixteenth late",
          "[net][serve]") {
    server s{echo, idle_after(limit)};
    std::vector<raw_peer> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(s.connect()); // at i * 110 ms
        s.after(110ms);
    }
    for (auto present = 2200ms; present < 20s; present += 10ms) {
        std::size_t may_be_gone = 0;
        std::size_t must_be_gone = 0;
        for (int i = 0; i < 20; ++i) {
            if (i * 110ms + limit <= present) ++may_be_gone;
            if (i * 110ms + limit + sixteenth <= present) ++must_be_gone;
        }
        const std::uint64_t gone = 20 - s.counts.active;
        REQUIRE(gone <= may_be_gone);
        REQUIRE(gone >= must_be_gone);
        REQUIRE(s.counts.timed_out == gone);
        s.after(10ms);
    }
    CHECK(s.counts.active == 0);
}

TEST_CASE("whoever says something begins anew", "[net][serve]") {
    server s{echo, idle_after(limit)};
    raw_peer talking = s.connect();
    for (int i = 0; i < 5; ++i) {
        s.after(limit - 1ns);
        talking.send("x");
        REQUIRE(s.answer(talking, 1) == "x");
    }
    CHECK(s.counts.timed_out == 0);
    s.after(limit + sixteenth);
    CHECK(s.is_ended(talking));
    CHECK(s.counts.timed_out == 1);
}

TEST_CASE("a client that never takes what is written to it is ended", "[net][serve]") {
    outcome became;
    server s{[&became](tcp_socket client) -> io_task<> {
                 const std::string much(64 << 20, '.');
                 const auto sent = co_await client.write(much);
                 became.is_over = true;
                 if (!sent) became.error = sent.error();
             },
             idle_after(limit)};
    raw_peer stuck = s.connect();
    s.after(limit - 1ns);
    REQUIRE_FALSE(became.is_over);
    s.after(sixteenth + 1ns);
    REQUIRE(became.is_over);
    CHECK(became.error == errc::timeout);
    CHECK(s.counts.timed_out == 1);
    CHECK(s.counts.active == 0);
}

TEST_CASE("a client that takes a long answer bit by bit is not silent", "[net][serve]") {
    constexpr std::size_t size = 16 << 20;
    server s{[](tcp_socket client) -> io_task<> {
                 const std::string much(size, '.');
                 co_await client.write(much).or_return();
             },
             idle_after(limit)};
    raw_peer slow = s.connect();
    std::size_t got = 0;
    int rounds = 0;
    while (got < size) {
        std::size_t now = 0;
        s.loop.run_until([&] {
            const auto more = slow.try_receive(1 << 20);
            if (more && !more->empty()) now += more->size();
            return now >= 3 << 20 || got + now == size || s.counts.active == 0;
        });
        REQUIRE(now > 0);
        got += now;
        if (s.counts.active == 0) break; // the rest lies in the kernel
        ++rounds;
        s.after(limit - 1s);
    }
    CHECK(rounds >= 3);
    CHECK(s.counts.timed_out == 0);
    CHECK(s.counts.failed == 0);
    if (got < size) CHECK(slow.receive_exactly(size - got).size() == size - got);
}

TEST_CASE("nor is one that sends bit by bit what is read as a whole", "[net][serve]") {
    server s{[](tcp_socket client) -> io_task<> {
                 std::byte whole[5];
                 co_await client.read_exactly(whole).or_return();
                 co_await client.write(whole).or_return();
             },
             idle_after(limit)};
    raw_peer slow = s.connect();
    for (const char* each : {"h", "e", "l", "l", "o"}) {
        s.after(limit - 1s);
        s.hear(slow, each);
    }
    CHECK(s.answer(slow, 5) == "hello");
    CHECK(s.counts.timed_out == 0);
}

TEST_CASE("a session that waits for something else than its client is not ended", "[net][serve]") {
    SECTION("another socket: a proxy") {
        std::optional<tcp_socket> upstream;
        server s{[&upstream](tcp_socket client) -> io_task<> {
                     tcp_socket far_end = std::move(*upstream);
                     const auto question = co_await client.read().or_return();
                     co_await far_end.write(question).or_return();
                     const auto answer = co_await far_end.read().or_return();
                     co_await client.write(answer).or_return();
                 },
                 idle_after(limit)};
        auto ends = s.loop.tcp_pair();
        upstream.emplace(std::move(ends.here));
        raw_peer& far = ends.there;
        raw_peer client = s.connect();
        client.send("?");
        s.loop.run_until([&] { return far.try_receive() == "?"; });
        for (int i = 0; i < 100; ++i)
            s.after(1s);
        CHECK(s.counts.active == 1);
        far.send("!");
        CHECK(s.answer(client, 1) == "!");
        CHECK(s.counts.timed_out == 0);
    }
    SECTION("time") {
        server s{[](tcp_socket client) -> io_task<> {
                     co_await sleep_for(100s).or_return();
                     co_await client.write("slept").or_return();
                 },
                 idle_after(limit)};
        raw_peer client = s.connect();
        for (int i = 0; i < 100; ++i)
            s.after(1s);
        CHECK(s.answer(client, 5) == "slept");
        CHECK(s.counts.timed_out == 0);
    }
}

TEST_CASE("a session's own timeout comes first, and is not counted as the server's",
          "[net][serve]") {
    const auto own = GENERATE(as<std::chrono::seconds>{}, 2s, limit); // also if at the same time
    outcome became;
    server s{[&became, own](tcp_socket client) -> io_task<> {
                 const auto data = co_await client.read().timeout(own);
                 became.is_over = true;
                 if (!data) became.error = data.error();
             },
             idle_after(limit)};
    raw_peer silent = s.connect();
    s.after(own);
    REQUIRE(became.is_over);
    CHECK(became.error == errc::timeout);
    CHECK(s.counts.timed_out == 0);
}

TEST_CASE("a session may go on after the server's timeout, which then begins anew",
          "[net][serve]") {
    int timeouts = 0;
    server s{[&timeouts](tcp_socket client) -> io_task<> {
                 while (timeouts < 3) {
                     const auto data = co_await client.read();
                     if (data || data.error() != errc::timeout) break;
                     ++timeouts;
                 }
             },
             idle_after(limit)};
    raw_peer silent = s.connect();
    s.after(limit);
    CHECK(timeouts == 1);
    s.after(limit - 1ns);
    CHECK(timeouts == 1);
    s.after(1ns + sixteenth);
    CHECK(timeouts == 2);
    s.after(limit + sixteenth);
    CHECK(timeouts == 3);
    CHECK(s.counts.timed_out == 3);
    CHECK(s.counts.active == 0);
    CHECK(s.counts.failed == 0);
}

TEST_CASE("without an idle timeout a silent client stays, and nothing is armed", "[net][serve]") {
    server s{echo};
    raw_peer silent = s.connect();
    CHECK_FALSE(s.loop.sched().next_deadline().has_value());
    s.after(1h * 24 * 365);
    CHECK(s.counts.active == 1);
}

TEST_CASE("the idle timeout holds during a drain", "[net][serve]") {
    serve_options options = idle_after(limit);
    options.drain = 1h;
    server s{[](tcp_socket client) -> io_task<> {
                 const auto first = co_await client.read().or_return();
                 const auto second = co_await client.read().or_return(); // in mid request
             },
             options};
    raw_peer silent = s.connect();
    s.hear(silent, "x");
    s.serving->drain();
    s.loop.run_until_idle();
    REQUIRE_FALSE(s.is_over());
    s.after(limit);
    s.after(sixteenth);
    REQUIRE(s.is_over());
    CHECK(s.serving->result());
    CHECK(s.counts.timed_out == 1);
    CHECK(s.counts.cut == 0);
}
