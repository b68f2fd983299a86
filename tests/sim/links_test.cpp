// What a link does to time: latency, jitter, bandwidth.
#include <support/catch.hpp>

#include <sim/scenes.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::sim_test;

namespace {

using times = std::vector<std::chrono::nanoseconds>;

/// Notes how long connecting takes, and then each of some echoes of one byte.
io_task<> measure(std::string where, int echoes, sim::world& in, times& into) {
    auto before = in.elapsed();
    auto socket = co_await tcp_socket::connect(where).or_return();
    into.push_back(in.elapsed() - before);
    for (int i = 0; i < echoes; ++i) {
        before = in.elapsed();
        co_await socket.write("x").or_return();
        auto answer = co_await socket.read().or_return();
        into.push_back(in.elapsed() - before);
    }
}

/// Sends so many bytes to everyone who connects.
io_task<> send_to(tcp_socket client, std::size_t bytes) {
    const std::string all(bytes, 'x');
    co_await client.write(all).or_return();
}
io_task<> send_a_megabyte(tcp_socket client) {
    co_await send_to(std::move(client), 1'000'000).or_return();
}
io_task<> serve_a_megabyte() {
    auto listener = co_await tcp_listener::bind("0.0.0.0:7").or_return();
    co_await serve(std::move(listener), send_a_megabyte, serve_options{}).or_return();
}

io_task<> receive_all(std::string where, sim::world& in, std::size_t& bytes,
                      std::chrono::nanoseconds& when) {
    auto socket = co_await tcp_socket::connect(where).or_return();
    while (auto data = co_await socket.read().or_return())
        bytes += data.size();
    when = in.elapsed();
}

} // namespace

TEST_CASE("without a link of its own a pair of hosts has no distance", "[sim][links]") {
    sim::world w{1, sim::faults::none()};
    w.host("server").run_service(serve_echo);
    times took;
    w.host("client").run(measure, "server:7", 3, std::ref(w), std::ref(took));
    CHECK(w.run_to_end(1min));
    CHECK(took == times{0ms, 0ms, 0ms, 0ms});
    CHECK(w.elapsed() == 0ns);
}

TEST_CASE("latency passes once each way: one round trip to connect, one for an echo",
          "[sim][links]") {
    sim::world w{1, sim::faults::none()};
    w.host("server").run_service(serve_echo);
    w.link(w.host("server"), w.host("client"), {.latency = 20ms});
    times took;
    w.host("client").run(measure, "server:7", 3, std::ref(w), std::ref(took));
    CHECK(w.run_to_end(1min));
    CHECK(took == times{40ms, 40ms, 40ms, 40ms});
}

TEST_CASE("link_all is for all pairs, those made later too", "[sim][links]") {
    sim::world w{1, sim::faults::none()};
    w.host("server").run_service(serve_echo);
    static_cast<void>(w.host("early"));
    w.link_all({.latency = 7ms});
    times early;
    times late;
    w.host("early").run(measure, "server:7", 1, std::ref(w), std::ref(early));
    w.host("late").run(measure, "server:7", 1, std::ref(w), std::ref(late));
    CHECK(w.run_to_end(1min));
    CHECK(early == times{14ms, 14ms});
    CHECK(late == times{14ms, 14ms});
}

TEST_CASE("jitter stays within its bounds, and differs", "[sim][links]") {
    sim::world w{1, sim::faults::none()};
    w.host("server").run_service(serve_echo);
    w.link(w.host("server"), w.host("client"), {.latency = 10ms, .jitter = 5ms});
    times took;
    w.host("client").run(measure, "server:7", 200, std::ref(w), std::ref(took));
    CHECK(w.run_to_end(1min));
    CHECK(*std::min_element(took.begin(), took.end()) >= 20ms);
    CHECK(*std::max_element(took.begin(), took.end()) <= 30ms);
    CHECK(*std::min_element(took.begin(), took.end()) < 24ms);
    CHECK(*std::max_element(took.begin(), took.end()) > 26ms);
    CHECK(std::set<std::chrono::nanoseconds>(took.begin(), took.end()).size() > 190);
}

TEST_CASE("bytes keep their order under jitter", "[sim][links]") {
    sim::world w{1, sim::faults::none()};
    w.host("server").run_service(serve_echo);
    w.link(w.host("server"), w.host("client"), {.latency = 1ms, .jitter = 50ms});
    w.host("client").run(talk, "server:7", 300'000, 3); // which compares them
    CHECK(w.run_to_end(10min));
    CHECK(w.host("client").errors().empty());
}

TEST_CASE("a megabyte over 100 kB/s takes ten seconds", "[sim][links]") {
    sim::world w{1, sim::faults::none()};
    w.host("server").run_service(serve_a_megabyte);
    w.link(w.host("server"), w.host("client"), {.latency = 5ms, .bandwidth = 100'000});
    std::size_t bytes = 0;
    std::chrono::nanoseconds when{};
    w.host("client").run(receive_all, "server:7", std::ref(w), std::ref(bytes), std::ref(when));
    w.run_for(5s);
    CHECK(bytes > 400'000);
    CHECK(bytes < 500'000);
    CHECK(w.run_to_end(1min));
    CHECK(bytes == 1'000'000);
    CHECK(when > 10s);
    CHECK(when < 10'100ms);
}

TEST_CASE("connections between the same hosts share the bandwidth, others do not", "[sim][links]") {
    sim::world w{1, sim::faults::none()};
    w.host("server").run_service(serve_a_megabyte);
    w.link(w.host("server"), w.host("a"), {.bandwidth = 100'000});
    w.link(w.host("server"), w.host("b"), {.bandwidth = 1'000'000});
    std::size_t bytes[3] = {};
    std::chrono::nanoseconds when[3] = {};
    for (int i = 0; i < 3; ++i)
        w.host(i < 2 ? "a" : "b")
            .run(receive_all, "server:7", std::ref(w), std::ref(bytes[i]), std::ref(when[i]));
    CHECK(w.run_to_end(1min));
    CHECK(std::max(when[0], when[1]) > 20s);
    CHECK(std::max(when[0], when[1]) < 20'200ms);
    CHECK(when[2] > 1s);
    CHECK(when[2] < 1'100ms);
}
