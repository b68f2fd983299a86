// Sockets when memory is refused: for every allocation of a scene, it fails once, and the scene
// ends with an error or goes on without it, and leaks nothing.
#include <support/counted_new.hpp>
#include <support/net_support.hpp>
#include <support/refused_scene.hpp>

#include <dunlin/net/serve.hpp>

#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> echo_once(tcp_socket client) {
    const auto data = co_await client.read().or_return();
    co_await client.write(data).or_return();
}

io_task<> serve_one(tcp_listener listener) {
    auto client = co_await listener.accept().or_return();
    co_await echo_once(std::move(client)).or_return();
}

io_task<> ask(endpoint where) {
    auto sock = co_await tcp_socket::connect(where).or_return();
    co_await sock.write("hello").or_return();
    const auto answer = co_await sock.read().or_return();
    CHECK((answer.is_end() || answer.text() == "hello")); // the server may have none
}

io_task<> scene() {
    auto bound = tcp_listener::bind(endpoint::loopback_v4(0));
    auto listener = co_await or_return(std::move(bound));
    const endpoint where = listener.local_endpoint().value();
    task_group all;
    all.spawn(serve_one, std::move(listener));
    all.spawn(ask, where);
    co_await all.join().or_return();
}

} // namespace

TEST_CASE("whichever allocation of an echo is refused, it ends with that error and no leak",
          "[net][memory]") {
    const std::size_t before = open_descriptors();
    const auto wait = [](scheduler& loop) { static_cast<void>(loop.poll_once(1ms)); };
    const long count = play_all_refused(scene, wait, [&](const refused_scene& seen) {
        CHECK_FALSE(seen.threw);
        CHECK((seen.why == std::errc::not_enough_memory ||
               seen.why == std::errc::connection_reset ||
               seen.why == std::errc::connection_refused));
        CHECK(open_descriptors() == before);
    });
    CHECK(count > 5);
    CHECK(open_descriptors() == before);
}

namespace {

// Frames too large for the pool, so that each session needs memory.
io_task<> large_echo(tcp_socket client) {
    std::byte room[100'000];
    const std::size_t size = co_await client.read(room).or_return();
    co_await client.write(std::span{room, size}).or_return();
}
task<> large_echo_or_throw(tcp_socket client) {
    std::byte room[100'000];
    const std::size_t size = co_await client.read(room).or_throw();
    co_await client.write(std::span{room, size}).or_throw();
}

template <class Handler>
void check_refused_sessions(Handler handler) {
    test_loop loop;
    serve_counters counts;
    serve_options options;
    options.counters = &counts;
    auto listener = listen_somewhere();
    const endpoint where = where_it_listens(listener);
    auto serving = loop.start(serve(std::move(listener), std::move(handler), options));
    loop.run_until_idle();
    long nth = 0;
    for (bool was_refused = true; was_refused; ++nth) {
        const std::uint64_t failed = counts.failed;
        raw_peer client = connect_raw(where);
        {
            const refusal one{nth};
            for (int turn = 0; turn < 5; ++turn)
                loop.turn();
            was_refused = one.has_happened();
        }
        REQUIRE_FALSE(serving.is_done());
        CHECK(counts.accepted == static_cast<std::uint64_t>(nth) + 1);
        if (was_refused) {
            CHECK(counts.failed == failed + 1);
            CHECK(client.receive().empty());
        } else {
            client.send("hello");
            loop.run_until([&] { return counts.active == 0; });
            CHECK(client.receive() == "hello");
        }
        CHECK(counts.active == 0);
    }
    CHECK(nth >= 2);
}

} // namespace

TEST_CASE("a session whose memory is refused costs its client alone", "[net][memory][serve]") {
    SECTION("an io_task<>") { check_refused_sessions(large_echo); }
    SECTION("a task<>, whose call throws") { check_refused_sessions(large_echo_or_throw); }
    SECTION("a closure") {
        check_refused_sessions([](tcp_socket client) { return large_echo(std::move(client)); });
    }
    SECTION("a closure that gives a task<>") {
        check_refused_sessions([](auto client) { return large_echo_or_throw(std::move(client)); });
    }
}

TEST_CASE("a read whose buffer is refused has taken nothing", "[net][memory]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    there.send("kept");
    REQUIRE(becomes_readable(here.fd()));
    REQUIRE(loop.run(wait_writable(here))); // it has its watch
    // The only allocation of that size is the buffer's; buffers in the pool are taken out first.
    std::vector<buffer> hoard;
    for (int i = 0; i < 64; ++i)
        hoard.emplace_back(detail::allocate_buffer(), 0);
    auto reading = loop.start(read_text(here));
    {
        const refusal first{0};
        loop.turn();
    }
    REQUIRE(reading.is_done());
    const auto refused = reading.result();
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == std::errc::not_enough_memory);
    CHECK(loop.run(read_text(here)).value() == "kept");
}

TEST_CASE("a first operation whose watch is refused fails, and the next one works",
          "[net][memory]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    there.send("kept");
    auto reading = loop.start(read_into(here, loop.scratch()));
    bool came_to_it = false;
    {
        const refusal first{0}; // the table of watches
        loop.turn();
        came_to_it = first.has_happened();
    }
    REQUIRE(came_to_it);
    REQUIRE(reading.is_done());
    CHECK(reading.result().error() == std::errc::not_enough_memory);
    CHECK(here.is_open());
    CHECK(loop.run(read_text(here)).value() == "kept");
}

TEST_CASE("a connection that waits holds no buffer", "[net][memory]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto waiting = loop.start(read_text(here));
    loop.run_until_idle(); // whatever is needed once is there now
    const long before = allocations();
    const auto first = detail::allocate_buffer(); // the one that the pool has, if it pools
    const long taken = allocations() - before;
    const auto second = detail::allocate_buffer();
    CHECK(taken <= 1);
    detail::free_buffer(second);
    detail::free_buffer(first);

    const long waited_from = allocations();
    for (int i = 0; i < 100; ++i)
        loop.turn();
    const long waited_to = allocations();
    CHECK(waited_to == waited_from);
    there.send("x");
    loop.run_until([&] { return waiting.is_done(); });
    CHECK(waiting.result().value() == "x");
}
