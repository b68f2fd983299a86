// How things end: waits of what is closed, tasks, worlds.
#include <support/catch.hpp>

#include <sim/scenes.hpp>

#include <memory>
#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::sim_test;

namespace {

io_task<> read_and_note(std::shared_ptr<tcp_socket> from, sim::world& in, noted& into) {
    const auto data = co_await from->read();
    into = {true, data ? std::error_code{} : data.error(), in.elapsed()};
}

/// Reads in one task what it closes from another, a second later.
io_task<> close_under_a_reader(sim::world& in, noted& into, std::chrono::nanoseconds& closed_at) {
    auto connected = co_await tcp_socket::connect("server:7").or_return();
    auto socket = std::make_shared<tcp_socket>(std::move(connected));
    task_group group;
    group.spawn(read_and_note, socket, std::ref(in), std::ref(into));
    co_await sleep_for(1s).or_return();
    closed_at = in.elapsed();
    socket->close();
    co_await group.join().or_return();
}

/// Lives in a frame: from its construction to its destruction the frame may go on, and never after.
class life {
public:
    struct counts {
        int begun = 0;
        int ended = 0;
        int steps = 0;
        int steps_after_end = 0;
    };
    explicit life(counts& in) : in_{in}, is_over_{std::make_shared<bool>(false)} { ++in_.begun; }
    ~life() {
        *is_over_ = true;
        ++in_.ended;
    }
    life(const life&) = delete;
    life& operator=(const life&) = delete;

    void step() {
        ++in_.steps;
        if (*is_over_) ++in_.steps_after_end;
    }

private:
    counts& in_;
    std::shared_ptr<bool> is_over_;
};

io_task<> counted_session(tcp_socket client, life::counts& counts) {
    life here{counts};
    while (auto data = co_await client.read().timeout(5s).or_return()) {
        here.step();
        co_await client.write(data).or_return();
        here.step();
    }
}

io_task<> counted_server(life::counts& counts) {
    life here{counts};
    auto listener = co_await tcp_listener::bind("0.0.0.0:7").or_return();
    const auto session = [&counts](tcp_socket client) {
        return counted_session(std::move(client), counts);
    };
    co_await serve(std::move(listener), session, serve_options{}).or_return();
}

io_task<> counted_client(life::counts& counts) {
    life here{counts};
    for (int i = 0; i < 10; ++i) {
        const auto done = co_await talk("server:7", 2000, 3).timeout(3s);
        here.step();
        if (!done) co_await sleep_for(100ms).or_return();
        here.step();
    }
}

} // namespace

TEST_CASE("closing wakes who reads within the same instant", "[sim][ends]") {
    noted heard;
    std::chrono::nanoseconds closed_at{};
    sim::world w{1, sim::faults::none()};
    w.host("server").run_service(serve_silence);
    w.link_all({.latency = 10ms});
    w.host("client").run(close_under_a_reader, std::ref(w), std::ref(heard), std::ref(closed_at));
    CHECK(w.run_to_end(1min));
    CHECK(heard.error == errc::closed);
    CHECK(heard.when == closed_at);
    CHECK(closed_at > 1s);
}

TEST_CASE("no frame goes on after its end, and each ends once, in any storm", "[sim][ends]") {
    int steps = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        life::counts counts;
        {
            sim::world w{seed, sim::faults::storm};
            sim::host& server = w.host("server");
            server.run_service(counted_server, std::ref(counts));
            w.link_all({.latency = 5ms, .jitter = 5ms});
            for (int i = 0; i < 3; ++i)
                w.host("client" + std::to_string(i)).run(counted_client, std::ref(counts));
            w.after(1s, [&] { server.crash(); });
            w.after(2s, [&] {
                server.restart();
                server.run_service(counted_server, std::ref(counts));
            });
            w.run_for(10s);
            w.calm();
            w.run_to_end(1h);
            w.finish();
            INFO("seed " << seed);
            CHECK(w.problems() == "");
        }
        CHECK(counts.begun > 3);
        CHECK(counts.begun == counts.ended);
        CHECK(counts.steps_after_end == 0);
        steps += counts.steps;
    }
    CHECK(steps > 1'000);
}

TEST_CASE("a world that ends early destroys what still runs, wherever it stands", "[sim][ends]") {
    for (int moment = 0; moment < 60; ++moment) {
        life::counts counts;
        {
            sim::world w{static_cast<std::uint64_t>(moment)};
            w.host("server").run_service(counted_server, std::ref(counts));
            w.link_all({.latency = 5ms});
            w.host("client").run(counted_client, std::ref(counts));
            w.run_for(moment * 1ms);
            w.finish(0s);
            CHECK(w.problems() == "");
        }
        CHECK(counts.begun == counts.ended);
    }
}

TEST_CASE("finish asks to stop first, and gives time", "[sim][ends]") {
    std::string said;
    sim::world w{1, sim::faults::none()};
    w.host("a").run_service(
        [](std::string& into) -> io_task<> {
            const auto waited = co_await sleep_for(24h);
            into += waited ? "over" : "stopped";
            const auto goodbye = co_await shield(sleep_for(10s));
            into += goodbye ? ", goodbye" : ", cut off";
        },
        std::ref(said));
    w.run_for(1s);
    w.finish();
    CHECK(said == "stopped, goodbye");
    CHECK(w.elapsed() == 11s);
    CHECK(w.problems() == "");
}
