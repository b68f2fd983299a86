// Hosts that crash, come back, and break their connections.
#include <support/catch.hpp>

#include <sim/scenes.hpp>

#include <cerrno>
#include <functional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace dunlin;
using namespace dunlin::sim_test;

namespace {

/// Writes a byte every second and notes the first error of a write or read.
io_task<> chat(sim::world& in, noted& into, int& written) {
    auto socket = co_await tcp_socket::connect("server:7").or_return();
    for (;;) {
        const auto sent = co_await socket.write("x");
        if (!sent) {
            into = {true, sent.error(), in.elapsed()};
            break;
        }
        ++written;
        co_await sleep_for(1s).or_return();
    }
}

/// Waits for input that never comes.
io_task<> wait_for_input(sim::world& in, noted& into) {
    auto socket = co_await tcp_socket::connect("server:7").or_return();
    const auto data = co_await socket.read();
    into = {true, data ? std::error_code{} : data.error(), in.elapsed()};
}

/// Connects, and closes at once. `tcp_socket::connect(endpoint)`, so that one attempt is all.
io_task<> connect_and_finish(sim::world& in, noted& into) {
    const endpoint there = in.host("server").address(7);
    auto socket = co_await tcp_socket::connect(there);
    into = {true, socket ? std::error_code{} : socket.error(), in.elapsed()};
    if (socket) co_await sleep_for(50ms).or_return();
}

/// Asks after a second.
io_task<> ask_once(sim::world& in, noted& into) {
    auto socket = co_await tcp_socket::connect("server:7").or_return();
    co_await sleep_for(1s - in.elapsed()).or_return();
    co_await socket.write("question").or_return();
    const auto data = co_await socket.read();
    into = {true, data ? std::error_code{} : data.error(), in.elapsed()};
}

/// Writes to somebody who does not read.
io_task<> fill(sim::world& in, noted& into, std::size_t& written) {
    auto socket = co_await tcp_socket::connect("server:7").or_return();
    const std::string piece(50'000, 'x');
    for (;;) {
        const auto sent = co_await socket.write_some(piece);
        if (!sent) {
            into = {true, sent.error(), in.elapsed()};
            break;
        }
        written += sent.value();
    }
}

/// Ends its half after a second, and waits for the other.
io_task<> end_after_a_second() {
    auto socket = co_await tcp_socket::connect("server:7").or_return();
    co_await sleep_for(980ms).or_return(); // it took 20 to connect
    co_await or_return(socket.shutdown_write());
    const auto end = co_await socket.read().or_return();
    if (!end.is_end()) co_await fail(errc::busy);
    co_await sleep_for(1h).or_return();
}

class counted {
public:
    explicit counted(int& live) noexcept : live_{live} { ++live_; }
    ~counted() { --live_; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;

private:
    int& live_;
};

io_task<> linger(int& live, int& went_on) {
    const counted here{live};
    co_await sleep_for(1s).or_return();
    ++went_on;
}

} // namespace

TEST_CASE("a crash destroys the tasks of a host, and its peers hear nothing", "[sim][failures]") {
    int live = 0;
    int went_on = 0;
    noted heard;
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    w.link_all({.latency = 10ms});
    server.run_service(serve_silence);
    server.run(linger, std::ref(live), std::ref(went_on));
    w.host("client").run(wait_for_input, std::ref(w), std::ref(heard));
    w.run_for(500ms);
    CHECK(live == 1);
    server.crash();
    CHECK(live == 0);
    CHECK(server.is_down());
    CHECK(server.running() == 0);
    CHECK(server.open_descriptors() == 0);
    w.run_for(1h);
    CHECK(went_on == 0);
    CHECK_FALSE(heard.is_there); // it sends nothing, so it is never told
    w.finish();
    CHECK(w.problems() == "");
}

TEST_CASE("a peer of a crashed host is reset at its next send once the host is back",
          "[sim][failures]") {
    noted heard;
    int written = 0;
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    w.link_all({.latency = 10ms});
    server.run_service(serve_silence);
    w.host("client").run(chat, std::ref(w), std::ref(heard), std::ref(written));
    w.run_for(2500ms);
    server.crash();
    w.run_for(20s);
    CHECK(written > 20); // half-open: the kernel takes it
    CHECK_FALSE(heard.is_there);
    server.restart();
    CHECK_FALSE(server.is_down());
    CHECK(w.run_to_end(2min));
    CHECK(heard.error == std::errc::connection_reset);
}

TEST_CASE("what a crashed host had got and not acknowledged is sent again", "[sim][failures]") {
    // By the time of the crash: a SYN that it has got, a connection, and the end of one.
    const auto [crash_at, is_connected] =
        GENERATE(std::pair{25ms, false}, std::pair{45ms, true}, std::pair{115ms, true});
    sim::world w{1, sim::faults::none()};
    w.link_all({.latency = 20ms});
    sim::host& server = w.host("server");
    server.run_service(serve_echo);
    noted connected;
    w.host("client").run(connect_and_finish, std::ref(w), std::ref(connected));
    w.after(crash_at, [&server] { server.crash(); });
    w.after(crash_at + 10s, [&server] { server.restart(); });
    w.run_to_end(1min);
    CHECK(connected.is_there);
    CHECK(connected.error ==
          std::error_code{is_connected ? 0 : ECONNREFUSED, std::system_category()});
    w.finish(); // no socket of it stays for ever
    CHECK(w.problems() == "");
}

TEST_CASE("a crashed host answers no connect; back without a program it refuses",
          "[sim][failures]") {
    noted into_the_dark;
    noted refused;
    noted served;
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    sim::host& client = w.host("client");
    w.link_all({.latency = 10ms});
    server.run_service(serve_echo);
    server.crash();
    client.run(note_connect, "server:7", std::ref(w), std::ref(into_the_dark));
    CHECK(w.run_to_end(10min));
    CHECK(into_the_dark.error == std::errc::timed_out);

    server.restart();
    client.run(note_connect, "10.0.0.1:7", std::ref(w), std::ref(refused));
    const auto before = w.elapsed();
    CHECK(w.run_to_end(10min));
    CHECK(refused.error == std::errc::connection_refused);
    CHECK(refused.when == before + 20ms);

    server.run_service(serve_echo);
    client.run(note_connect, "server:7", std::ref(w), std::ref(served));
    CHECK(w.run_to_end(10min));
    CHECK_FALSE(served.error);
    w.finish();
    CHECK(w.problems() == "");
}

TEST_CASE("a client whose connect was being answered by a host that crashed asks again",
          "[sim][failures]") {
    noted connected;
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    w.link_all({.latency = 10ms});
    server.run_service(serve_echo);
    w.host("client").run(note_connect, "server:7", std::ref(w), std::ref(connected));
    w.run_for(15ms); // the answer is half way
    server.crash();
    bool is_back = false;
    SECTION("for two minutes") {}
    SECTION("until the host is back") {
        is_back = true;
        w.after(10s, [&] {
            server.restart();
            server.run_service(serve_echo);
        });
    }
    CHECK(w.run_to_end(10min));
    CHECK(connected.is_there);
    CHECK((is_back ? !connected.error : connected.error == std::errc::timed_out));
    w.finish();
    CHECK(w.problems() == "");
}

TEST_CASE("who closes towards a host that crashes before it has acknowledged it gives up",
          "[sim][failures]") {
    noted heard;
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    sim::host& client = w.host("client");
    w.link_all({.latency = 10ms});
    server.run_service(serve_echo);
    client.run(end_after_a_second);
    // The server's own end arrives at 1020 ms; that it has is told by 1030 ms.
    w.run_for(1025ms);
    client.crash();
    w.finish();
    CHECK(w.problems() == "");
}

TEST_CASE("a client that is retrying when the host is back gets through", "[sim][failures]") {
    noted connected;
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    server.crash();
    w.host("client").run(note_connect, "server:7", std::ref(w), std::ref(connected));
    w.after(5s, [&] {
        server.restart();
        server.run_service(serve_echo);
    });
    CHECK(w.run_to_end(1min));
    CHECK_FALSE(connected.error);
    CHECK(connected.when == 7s); // the third retry
}

TEST_CASE("bytes whose acknowledgement went down with the host are sent again, and reset",
          "[sim][failures]") {
    noted heard;
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    w.link_all({.latency = 10ms});
    server.run_service(serve_silence);
    w.host("client").run(ask_once, std::ref(w), std::ref(heard));
    w.run_for(1'015ms); // asked after a second: the server has it, its acknowledgement is under way
    server.crash();
    server.restart();
    CHECK(w.run_to_end(1min));
    CHECK(heard.error == std::errc::connection_reset);
    w.finish();
    CHECK(w.problems() == "");
}

TEST_CASE("a writer that a full peer held up is reset as well once that is back",
          "[sim][failures]") {
    noted heard;
    std::size_t written = 0;
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    w.link_all({.latency = 10ms});
    server.run_service(serve_silence);
    w.host("client").run(fill, std::ref(w), std::ref(heard), std::ref(written));
    w.run_for(1h);
    CHECK(written > 0);
    CHECK_FALSE(heard.is_there);
    server.crash();
    server.restart();
    CHECK(w.run_to_end(1min));
    CHECK(heard.error == std::errc::connection_reset);
}

TEST_CASE("reset_connections breaks all of a host's connections, for both ends",
          "[sim][failures]") {
    noted heard[3];
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    w.link_all({.latency = 10ms});
    server.run_service(serve_silence);
    for (noted& each : heard)
        w.host("client").run(wait_for_input, std::ref(w), std::ref(each));
    w.run_for(1s);
    CHECK_FALSE(heard[0].is_there);
    server.reset_connections();
    CHECK(w.run_to_end(1s));
    for (const noted& each : heard)
        CHECK(each.error == std::errc::connection_reset);
    // The listener is not among them.
    noted again;
    w.host("client").run(note_connect, "server:7", std::ref(w), std::ref(again));
    CHECK(w.run_to_end(1s));
    CHECK_FALSE(again.error);
}

TEST_CASE("what a task fails with is listed by its host", "[sim][failures]") {
    sim::world w{1, sim::faults::none()};
    sim::host& client = w.host("client");
    static_cast<void>(w.host("server"));
    client.run(talk, "server:7", 10, 1);
    CHECK(client.running() == 1);
    CHECK(w.run_to_end(1min));
    CHECK(client.running() == 0);
    CHECK(client.errors() == std::vector<std::string>{"client: Connection refused (system:111)"});
    CHECK_FALSE(w.has_problems());
}

TEST_CASE("crashing in the middle of anything leaves nothing behind", "[sim][failures]") {
    // At a hundred moments of a scene with traffic, one or the other host.
    for (int moment = 0; moment < 100; ++moment) {
        sim::world w{static_cast<std::uint64_t>(moment)};
        sim::host& server = w.host("server");
        sim::host& client = w.host("client");
        w.link_all({.latency = 3ms, .jitter = 1ms});
        server.run_service(serve_echo);
        for (int i = 0; i < 3; ++i)
            client.run(talk, "server:7", 20'000, 3);
        w.run_for(moment * 500us);
        sim::host& victim = moment % 2 == 0 ? server : client;
        victim.crash();
        w.run_for(1s);
        victim.restart();
        victim.run_service(serve_on, "0.0.0.0:8");
        w.run_for(1s);
        w.finish(); // some clients wait for a server that has forgotten them: they are stopped
        INFO("moment " << moment);
        CHECK(w.problems() == "");
    }
}
