// What can befall the program on a host: it is paused, slow, signalled, short of descriptors.
#include <support/catch.hpp>

#include <sim/scenes.hpp>

// The simulated calls themselves, as the library was compiled for them.
#define DUNLIN_SIMULATED
#include <dunlin/sys/os.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::sim_test;

namespace {

io_task<> note_time(std::chrono::nanoseconds span, sim::world& in, std::chrono::nanoseconds& when) {
    co_await sleep_for(span).or_return();
    when = in.elapsed();
}

/// Writes without end, and counts what the kernel has taken.
io_task<> flood(std::size_t& bytes) {
    auto socket = co_await tcp_socket::connect("server:7").or_return();
    const std::string piece(100'000, 'x');
    for (;;) {
        const std::size_t taken = co_await socket.write_some(piece).or_return();
        bytes += taken;
    }
}

io_task<> drain(std::size_t& bytes) {
    auto listener = co_await tcp_listener::bind("0.0.0.0:7").or_return();
    auto client = co_await listener.accept().or_return();
    while (auto data = co_await client.read().or_return())
        bytes += data.size();
}

io_task<> hear_signals(std::vector<int>& heard) {
    auto signals = co_await or_return(signal_set::create(SIGHUP, SIGUSR1));
    for (;;) {
        const auto came = co_await signals.wait().or_return();
        heard.push_back(came.number());
    }
}

std::chrono::seconds wall_clock_of(sim::host& of) {
    const sim::host::inside here{of};
    ::timespec time{};
    REQUIRE(sys::os::clock_gettime(CLOCK_REALTIME, &time) == 0);
    return std::chrono::seconds{time.tv_sec};
}

} // namespace

TEST_CASE("a paused program does nothing, and its kernel goes on", "[sim][programs]") {
    noted connected;
    std::chrono::nanoseconds when{};
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    sim::host& client = w.host("client");
    w.link_all({.latency = 10ms});
    server.run_service(serve_echo);
    server.run(note_time, 100ms, std::ref(w), std::ref(when));
    w.run_for(50ms);
    server.pause(1s);
    client.run(note_connect, "server:7", std::ref(w), std::ref(connected));
    w.run_for(500ms);
    CHECK_FALSE(connected.error);
    CHECK(connected.when == 70ms); // the kernel accepts it
    CHECK(when == 0ns);
    client.run(talk, "server:7", 10, 1);
    CHECK(w.run_to_end(1min));
    CHECK(when == 1050ms);
    CHECK(w.elapsed() == 1060ms); // the answer, as soon as it goes on
}

TEST_CASE("calm ends a pause", "[sim][programs]") {
    std::chrono::nanoseconds when{};
    sim::world w{1, sim::faults::none()};
    w.host("a").run(note_time, 1s, std::ref(w), std::ref(when));
    w.run_for(0s);
    w.host("a").pause(1h);
    w.run_for(2s);
    CHECK(when == 0ns);
    w.calm();
    CHECK(w.run_to_end(1s));
    CHECK(when == 2s);
}

TEST_CASE("each turn of a slow machine takes its time", "[sim][programs]") {
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    server.run_service(serve_echo);
    server.slow_down(100ms);
    w.host("client").run(talk, "server:7", 10, 10);
    CHECK(w.run_to_end(1min));
    CHECK(w.elapsed() >= 1s);
    CHECK(w.elapsed() < 2s);
}

TEST_CASE("a slow reader holds its writer up: what is under way stays bounded", "[sim][programs]") {
    std::size_t written = 0;
    std::size_t read = 0;
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    server.run_service(drain, std::ref(read));
    server.slow_down(100ms);
    w.host("client").run_service(flood, std::ref(written));
    std::size_t most = 0;
    for (int second = 0; second < 60; ++second) {
        w.run_for(1s);
        most = std::max(most, written - read);
    }
    CHECK(read > 1'000'000);
    CHECK(most > 100'000);
    CHECK(most < 8'000'000);
    w.finish();
    CHECK(w.problems() == "");
}

TEST_CASE("a jump of the wall clock moves no timer", "[sim][programs]") {
    std::chrono::nanoseconds forward{};
    std::chrono::nanoseconds back{};
    sim::world w{1, sim::faults::none()};
    sim::host& first = w.host("first");
    sim::host& second = w.host("second");
    first.run(note_time, 2s, std::ref(w), std::ref(forward));
    second.run(note_time, 2s, std::ref(w), std::ref(back));
    w.run_for(1s);
    const auto before = wall_clock_of(first);
    CHECK(wall_clock_of(second) == before);
    first.jump_wall_clock(1h);
    second.jump_wall_clock(-24h);
    CHECK(wall_clock_of(first) == before + 1h);
    CHECK(wall_clock_of(second) == before - 24h);
    CHECK(w.run_to_end(1h));
    CHECK(forward == 2s);
    CHECK(back == 2s);
}

TEST_CASE("signal_set hears the signals that are sent to its host, and no other's",
          "[sim][programs]") {
    std::vector<int> heard;
    std::vector<int> elsewhere;
    sim::world w{1, sim::faults::none()};
    sim::host& first = w.host("first");
    sim::host& second = w.host("second");
    first.run_service(hear_signals, std::ref(heard));
    second.run_service(hear_signals, std::ref(elsewhere));
    w.run_for(1s);
    first.signal(SIGHUP);
    CHECK(heard.empty());
    w.run_for(0s);
    CHECK(heard == std::vector{SIGHUP});
    first.signal(SIGUSR1);
    w.run_for(1s);
    CHECK(heard == std::vector{SIGHUP, SIGUSR1});
    CHECK(elsewhere.empty());
    CHECK_FALSE(first.is_down());
}

TEST_CASE("a signal that nobody blocks crashes the host, if that is what it does",
          "[sim][programs]") {
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    server.run_service(serve_echo);
    w.run_for(1s);
    server.signal(SIGCHLD); // ignored by default: signal(7)
    CHECK_FALSE(server.is_down());
    server.signal(SIGTERM);
    CHECK(server.is_down());
}

TEST_CASE("request_stop ends what runs on a host", "[sim][programs]") {
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    server.run_service(serve_echo);
    w.run_for(1s);
    const std::size_t with_listener = server.open_descriptors();
    server.request_stop();
    w.run_for(1s);
    CHECK(server.open_descriptors() < with_listener);
    CHECK(server.errors().empty());
}

TEST_CASE("serve lives on without a free descriptor, and everybody is served in the end",
          "[sim][programs]") {
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    sim::host& client = w.host("client");
    w.link_all({.latency = 10ms});
    server.run_service(serve_echo);
    w.run_for(1s);
    server.limit_descriptors(3 + server.open_descriptors() + 2); // those of the console count
    for (int i = 0; i < 20; ++i)
        client.run(talk, "server:7", 1000, 20);
    CHECK(w.run_to_end(10min));
    CHECK(client.errors().empty());
    CHECK(server.errors().empty());
    CHECK(server.calls("accept4") > 20);
    CHECK(server.calls("accept4") < 1'000);
    w.finish();
    CHECK(w.problems() == "");
}

TEST_CASE("a call can be told to fail: the third accept4 with EMFILE", "[sim][programs]") {
    std::vector<std::string> failed;
    const auto note = [&failed](std::string_view line) {
        if (line.find("accept4") != std::string_view::npos &&
            line.find("EMFILE") != std::string_view::npos)
            failed.emplace_back(line);
    };
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    server.run_service(serve_echo);
    w.run_for(1s);
    w.trace_to(note);
    server.fail_call("accept4", 3, EMFILE);
    const auto before = server.calls("accept4");
    for (int i = 0; i < 5; ++i)
        w.host("client").run(talk, "server:7", 10, 1);
    CHECK(w.run_to_end(1min));
    CHECK(failed.size() == 1);
    CHECK(server.calls("accept4") >= before + 6);
    CHECK(w.host("client").errors().empty());
    w.finish();
    CHECK(w.problems() == "");
}

TEST_CASE("several calls in a row can be told to fail", "[sim][programs]") {
    noted connected[3];
    sim::world w{1, sim::faults::none()};
    sim::host& client = w.host("client");
    w.host("server").run_service(serve_echo);
    client.fail_call("socket", 1, ENFILE, 2);
    for (noted& each : connected) {
        client.run(note_connect, "10.0.0.2:7", std::ref(w), std::ref(each));
        CHECK(w.run_to_end(1min));
    }
    CHECK(connected[0].error == std::errc::too_many_files_open_in_system);
    CHECK(connected[1].error == std::errc::too_many_files_open_in_system);
    CHECK_FALSE(connected[2].error);
}
