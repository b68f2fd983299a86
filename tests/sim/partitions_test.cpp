// Links that let nothing through for a while, or for too long.
#include <support/catch.hpp>

#include <sim/scenes.hpp>

#include <string>
#include <system_error>

using namespace dunlin;
using namespace dunlin::sim_test;

namespace {

/// What the server of a scene has heard.
struct heard {
    std::string text;
    std::chrono::nanoseconds when{0};
};

io_task<> listen_and_answer(sim::world& in, heard& into) {
    auto listener = co_await tcp_listener::bind("0.0.0.0:7").or_return();
    auto client = co_await listener.accept().or_return();
    while (auto data = co_await client.read().or_return()) {
        into.text += data.text();
        into.when = in.elapsed();
        co_await client.write("answer").or_return();
    }
}

/// Connects, asks at `when`, and notes when the answer comes, or the error.
io_task<> ask_at(std::chrono::nanoseconds when, sim::world& in, noted& into) {
    auto socket = co_await tcp_socket::connect("server:7").or_return();
    co_await sleep_until(time_point{now() + (when - in.elapsed())}).or_return();
    co_await socket.write("question").or_return();
    const auto answer = co_await socket.read();
    into = {true, answer ? std::error_code{} : answer.error(), in.elapsed()};
}

io_task<> note_connect_within(std::chrono::nanoseconds limit, sim::world& in, noted& into) {
    const auto socket = co_await tcp_socket::connect("server:7").timeout(limit);
    into = {true, socket ? std::error_code{} : socket.error(), in.elapsed()};
}

/// A server that answers one client, and a client that asks after a second.
struct scene {
    heard server_heard;
    noted answer;
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    sim::host& client = w.host("client");

    scene() {
        w.link(server, client, {.latency = 10ms});
        server.run_service(listen_and_answer, std::ref(w), std::ref(server_heard));
        client.run(ask_at, 1s, std::ref(w), std::ref(answer));
        w.run_for(900ms);
    }
};

} // namespace

TEST_CASE("nothing passes a partition, and all of it comes once it has healed",
          "[sim][partitions]") {
    scene s;
    s.w.partition(s.server, s.client);
    s.w.run_for(5s);
    CHECK(s.server_heard.text.empty());
    CHECK_FALSE(s.answer.is_there);
    s.w.heal(s.server, s.client);
    CHECK(s.w.run_to_end(1min));
    CHECK(s.server_heard.text == "question");
    CHECK_FALSE(s.answer.error);
    // Sent again after 0.2, 0.6, 1.4, 3, 6.2 s (RFC 6298): the last of these passes.
    CHECK(s.server_heard.when > 5'900ms);
    CHECK(s.server_heard.when < 8s);
    CHECK(s.answer.when == s.server_heard.when + 10ms);
}

TEST_CASE("a partition can be one way: the question arrives, the answer does not",
          "[sim][partitions]") {
    scene s;
    s.w.partition_one_way(s.server, s.client);
    s.w.run_for(5s);
    CHECK(s.server_heard.text == "question");
    CHECK(s.server_heard.when == 1'010ms);
    CHECK_FALSE(s.answer.is_there);
    s.w.heal_all();
    CHECK(s.w.run_to_end(1min));
    CHECK_FALSE(s.answer.error);
    CHECK(s.answer.when < 8s);
}

TEST_CASE("the other way: the question does not arrive", "[sim][partitions]") {
    scene s;
    s.w.partition_one_way(s.client, s.server);
    s.w.run_for(5s);
    CHECK(s.server_heard.text.empty());
    s.w.heal(s.client, s.server);
    CHECK(s.w.run_to_end(1min));
    CHECK_FALSE(s.answer.error);
}

TEST_CASE("after a quarter of an hour TCP gives up", "[sim][partitions]") {
    scene s;
    s.w.partition(s.server, s.client);
    CHECK(s.w.run_to_end(1h));
    CHECK(s.answer.error == std::error_code(ETIMEDOUT, std::system_category()));
    CHECK(s.answer.when > 14min);
    CHECK(s.answer.when < 18min);
    // Healing it brings nothing back. The server, which sends nothing, does not know.
    s.w.heal_all();
    s.w.run_for(1min);
    CHECK(s.server_heard.text.empty());
    CHECK(s.server.open_descriptors() > 0);
}

TEST_CASE("calm heals partitions as well", "[sim][partitions]") {
    scene s;
    s.w.partition(s.server, s.client);
    s.w.run_for(1s);
    s.w.calm();
    CHECK(s.w.run_to_end(10s));
    CHECK_FALSE(s.answer.error);
}

TEST_CASE("connecting through a partition ends at its timeout, to the instant",
          "[sim][partitions]") {
    noted short_one;
    noted long_one;
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    sim::host& client = w.host("client");
    server.run_service(serve_echo);
    w.partition(server, client);
    client.run(note_connect_within, 1500ms, std::ref(w), std::ref(short_one));
    client.run(note_connect_within, 1h, std::ref(w), std::ref(long_one));
    CHECK(w.run_to_end(1h));
    CHECK(short_one.error == errc::timeout);
    CHECK(short_one.when == 1500ms);
    // Six retries (tcp(7), tcp_syn_retries): 1 + 2 + 4 + 8 + 16 + 32 + 64 s.
    CHECK(long_one.error == std::error_code(ETIMEDOUT, std::system_category()));
    CHECK(long_one.when >= 127s);
    CHECK(long_one.when < 128s);
}

TEST_CASE("a connect that is under way when the partition heals succeeds", "[sim][partitions]") {
    noted connected;
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    sim::host& client = w.host("client");
    server.run_service(serve_echo);
    w.partition(server, client);
    client.run(note_connect, "server:7", std::ref(w), std::ref(connected));
    w.after(2s, [&] { w.heal(server, client); });
    CHECK(w.run_to_end(1h));
    CHECK_FALSE(connected.error);
    CHECK(connected.when == 3s); // the second of its retries
}
