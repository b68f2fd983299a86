// A server, its clients and their group in one scheduler, stopped after every number of turns, and
// destroyed after every number of turns: nothing leaks and nothing hangs.
#include <support/net_support.hpp>

#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> echo_by_halves(tcp_reader from, tcp_writer to) {
    while (const auto data = co_await from.read().or_return())
        co_await to.write(data).or_return();
}

io_task<> session(tcp_socket client) {
    std::string head(4, '?');
    co_await client.read_exactly(bytes_of(head)).or_return();
    co_await client.write(head, "-").or_return();
    auto [reader, writer] = std::move(client).split();
    co_await echo_by_halves(std::move(reader), std::move(writer)).or_return();
}

io_task<> rude_session(tcp_socket client) {
    co_await client.readable().or_return();
    co_await client.write("go away").or_return();
    co_await client.lingering_close(50ms).or_return();
}

io_task<> serve(tcp_listener listener, int clients) {
    task_group sessions{on_child_error::carry_on};
    for (int i = 0; i < clients; ++i) {
        auto client = co_await listener.accept().or_return();
        sessions.spawn(i % 3 == 2 ? rude_session : session, std::move(client));
    }
    co_await sessions.join().or_return();
}

io_task<> talk(endpoint where, std::string words) {
    auto sock = co_await tcp_socket::connect(where).or_return();
    shrink_send_buffer(sock.fd());
    co_await sock.writable().or_return();
    co_await sock.write("he", "ad").or_return();
    std::string answer(5, '?');
    co_await sock.read_exactly(bytes_of(answer)).or_return();
    if (answer == "head-") {
        for (int i = 0; i < 5; ++i) {
            co_await sock.write("marco").or_return();
            co_await sock.read_exactly(bytes_of(answer)).or_return();
            CHECK(answer == "marco");
        }
        co_await sock.write(words).or_return();
    }
    const auto ended = sock.shutdown_write();
    co_await or_return(ended);
    std::size_t came = 0;
    while (const auto data = co_await sock.read().or_return())
        came += data.size();
    CHECK((answer == "marco" ? came == words.size() : came == 2));
}

io_task<> whole_scene(int clients) {
    auto bound = tcp_listener::bind(endpoint::loopback_v4(0));
    auto listener = co_await or_return(std::move(bound));
    const endpoint where = listener.local_endpoint().value();
    task_group all;
    all.spawn(serve, std::move(listener), clients);
    for (int i = 0; i < clients; ++i)
        all.spawn(talk, where, pattern(i == 0 ? 100'000 : 10));
    co_await all.join().or_return();
}

constexpr int clients = 4;

/// Stopped, or what a peer sees whose other side was stopped first.
bool is_ordinary(const result<void>& ended) {
    if (ended) return true;
    const std::error_code why = ended.error();
    return why == errc::stopped || why == errc::end_of_stream ||
           why == std::errc::connection_reset || why == std::errc::connection_refused ||
           why == std::errc::broken_pipe || why == std::errc::not_connected;
}

/// The number of turns that an undisturbed run takes.
std::size_t length_of_scene() {
    test_loop loop;
    auto scene = loop.start(whole_scene(clients));
    std::size_t turns = 0;
    const auto give_up = std::chrono::steady_clock::now() + 5s;
    while (!scene.is_done()) {
        REQUIRE(std::chrono::steady_clock::now() < give_up);
        loop.turn(1ms);
        ++turns;
    }
    CHECK(scene.result());
    return turns;
}

} // namespace

TEST_CASE("an echo scene can be stopped after any turn", "[net][every_turn]") {
    const std::size_t longest = length_of_scene();
    REQUIRE(longest > 10);
    for (std::size_t turns = 0; turns < longest; ++turns) {
        CAPTURE(turns, longest);
        test_loop loop; // at its end: no descriptor, no watch
        auto scene = loop.start(whole_scene(clients));
        for (std::size_t i = 0; i < turns && !scene.is_done(); ++i)
            loop.turn(1ms);
        scene.stop();
        // No wait is left, so that the end comes without waiting for anything.
        loop.run_until_idle();
        REQUIRE(scene.is_done());
        const auto ended = scene.result();
        CHECK(is_ordinary(ended));
    }
}

TEST_CASE("an echo scene can be destroyed after any turn", "[net][every_turn]") {
    const std::size_t longest = length_of_scene();
    for (std::size_t turns = 0; turns < longest; ++turns) {
        CAPTURE(turns, longest);
        test_loop loop;
        auto scene = loop.start(whole_scene(clients));
        for (std::size_t i = 0; i < turns && !scene.is_done(); ++i)
            loop.turn(1ms);
        scene.destroy();
        const auto before = loop.counters().resumptions;
        loop.run_until_idle();
        CHECK(loop.counters().resumptions == before); // nothing of it runs any more
    }
}

TEST_CASE("an echo scene can be drained after any turn", "[net][every_turn]") {
    const std::size_t longest = length_of_scene();
    for (std::size_t turns = 0; turns < longest; ++turns) {
        CAPTURE(turns, longest);
        test_loop loop;
        auto scene = loop.start(whole_scene(clients));
        for (std::size_t i = 0; i < turns && !scene.is_done(); ++i)
            loop.turn(1ms);
        scene.drain();
        loop.run_until([&] { return scene.is_done(); });
        const auto ended = scene.result();
        CHECK(is_ordinary(ended));
    }
}
