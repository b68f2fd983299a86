// Closing: who waits is told, epoll forgets, and a number that comes back means nothing old.
#include <support/net_support.hpp>

#include <unistd.h>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

task<> close_it(tcp_socket& sock) {
    sock.close();
    co_return;
}

io_task<> read_then_close(tcp_socket& trigger, tcp_socket& victim) {
    std::byte one[1];
    const std::size_t count = co_await trigger.read(one).or_return();
    CHECK(count == 1);
    victim.close();
}

} // namespace

TEST_CASE("a reader and a writer in other tasks are told closed in the turn of the close",
          "[net][close]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto reading = loop.start(read_text(here));
    auto writing = loop.start(write_text(here, std::string(30'000'000, '.')));
    loop.run_until_idle();
    REQUIRE_FALSE(reading.is_done());
    REQUIRE_FALSE(writing.is_done());
    auto closing = loop.start(close_it(here));
    loop.turn();
    REQUIRE(closing.is_done());
    REQUIRE(reading.is_done());
    REQUIRE(writing.is_done());
    CHECK(reading.result().error() == errc::closed);
    CHECK(writing.result().error() == errc::closed);
}

TEST_CASE("readable and writable are told closed, too", "[net][close]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto reading = loop.start(wait_readable(here));
    auto writing = loop.start(write_text(here, std::string(30'000'000, '.')));
    loop.run_until_idle();
    here.close();
    loop.turn();
    CHECK(reading.result().error() == errc::closed);
    CHECK(writing.result().error() == errc::closed);
}

TEST_CASE("a socket that dies while others wait on it tells them closed", "[net][close]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto owned = std::make_unique<tcp_socket>(std::move(here));
    auto reading = loop.start(read_text(*owned));
    loop.run_until_idle();
    owned.reset();
    loop.turn();
    REQUIRE(reading.is_done());
    CHECK(reading.result().error() == errc::closed);
}

TEST_CASE("a closed socket gives closed from everything", "[net][close]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    const bool was_attached = GENERATE(false, true);
    CAPTURE(was_attached);
    if (was_attached) CHECK(loop.run(wait_writable(here)));
    here.close();
    here.close(); // idempotent
    CHECK_FALSE(here.is_open());
    CHECK_FALSE(here.fd().is_open());
    std::size_t moved = 9;
    std::byte some[4];
    CHECK(loop.run(read_text(here)).error() == errc::closed);
    CHECK(loop.run(read_into(here, some)).error() == errc::closed);
    CHECK(loop.run(read_all_of(here, some, &moved)).error() == errc::closed);
    CHECK(moved == 0);
    CHECK(loop.run(write_text(here, "x")).error() == errc::closed);
    CHECK(loop.run(write_some_text(here, "x")).error() == errc::closed);
    CHECK(loop.run(wait_readable(here)).error() == errc::closed);
    CHECK(loop.run(wait_writable(here)).error() == errc::closed);
    CHECK(loop.run(say_goodbye(here)).error() == errc::closed);
    CHECK(here.shutdown_write().error() == errc::closed);
    CHECK(here.peer_endpoint().error() == errc::closed);
    CHECK(here.local_endpoint().error() == errc::closed);
    CHECK(here.set_no_delay(true).error() == errc::closed);
    CHECK(here.no_delay().error() == errc::closed);
    CHECK(here.set_reset_on_close(true).error() == errc::closed);
    CHECK(here.send_buffer().error() == errc::closed);
}

TEST_CASE("a duplicate that lives on sends no more events", "[net][close]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto reading = loop.start(read_text(here));
    loop.run_until_idle();
    const unique_fd duplicate{::dup(here.fd().get())};
    here.close();
    loop.run_until_idle();
    CHECK(reading.result().error() == errc::closed);
    const auto before = loop.counters().events;
    for (int i = 0; i < 10; ++i) {
        there.send("x");
        REQUIRE(becomes_readable(duplicate));
        loop.turn();
    }
    CHECK(loop.counters().events == before);
}

TEST_CASE("a number that is used again hears nothing of its predecessor", "[net][close]") {
    test_loop loop;
    sniper unused{loop}; // only keeps numbers apart
    auto [trigger, pull] = loop.socket_pair();
    auto [victim, there] = loop.socket_pair();
    auto closing = loop.start(read_then_close(trigger, victim));
    auto reading = loop.start(read_text(victim));
    loop.run_until_idle();
    const int number = victim.fd().get();

    pull.send("!");
    there.send("for the one that closes"); // both events come in one batch
    loop.turn();
    REQUIRE(closing.is_done());
    REQUIRE(reading.is_done());
    CHECK(reading.result().error() == errc::closed);

    auto [next, other] = loop.socket_pair();
    REQUIRE(next.fd().get() == number);
    auto waiting = loop.start(read_text(next));
    loop.run_until_idle();
    CHECK_FALSE(waiting.is_done());
    there.close(); // what is left of the first connection
    loop.run_until_idle();
    CHECK_FALSE(waiting.is_done());
    other.send("mine");
    loop.run_until_idle();
    CHECK(waiting.result().value() == "mine");
}

TEST_CASE("an event that was on its way when its socket closed reaches no stranger",
          "[net][close]") {
    test_loop loop;
    auto [trigger, pull] = loop.socket_pair();
    auto [victim, there] = loop.socket_pair();
    struct local {
        // Closes a socket and makes a new one, which gets its number and its slot, in the batch
        // that holds an event for the first.
        static io_task<std::string> replace(tcp_socket& from, tcp_socket& doomed) {
            std::byte one[1];
            const std::size_t count = co_await from.read(one).or_return();
            CHECK(count == 1);
            const int number = doomed.fd().get();
            doomed.close();
            auto made = socket_pair();
            auto& [first, second] = made.assume_value();
            CHECK(first.fd().get() == number);
            co_await second.write("first words").or_return();
            const auto data = co_await first.read().or_return();
            const auto again = co_await first.read();
            CHECK(again.error() == errc::stopped);
            co_return std::string{data.text()};
        }
    };
    auto replacing = loop.start(local::replace(trigger, victim));
    auto reading = loop.start(read_text(victim));
    loop.run_until_idle();
    pull.send("!");
    there.send("old words");
    loop.run_until_idle();
    CHECK(reading.result().error() == errc::closed);
    REQUIRE_FALSE(replacing.is_done()); // the second read waits: nothing woke it
    replacing.stop();
    loop.run_until_idle();
    CHECK(replacing.result().value() == "first words");
}

TEST_CASE("a close with unread input resets the connection", "[net][close]") {
    test_loop loop;
    auto [here, there] = connected_sockets(loop);
    REQUIRE(loop.run(write_text(there, "unread")));
    REQUIRE(becomes_readable(here.fd()));
    here.close();
    CHECK(loop.run(read_text(there)).error() == std::errc::connection_reset);
}

TEST_CASE("reset_on_close cuts the connection off", "[net][close]") {
    test_loop loop;
    auto [here, there] = connected_sockets(loop);
    REQUIRE(here.set_reset_on_close(true));
    here.close();
    CHECK(loop.run(read_text(there)).error() == std::errc::connection_reset);
}

TEST_CASE("many sockets come and go in the same slots", "[net][close]") {
    test_loop loop;
    const std::size_t before = open_descriptors();
    for (int round = 0; round < 5; ++round) {
        std::vector<test_loop::connection> all;
        std::vector<pending<result<std::string>>> reading;
        for (int i = 0; i < 150; ++i) // more than one chunk of watches
            all.push_back(loop.socket_pair());
        for (auto& each : all)
            reading.push_back(loop.start(read_text(each.here)));
        loop.run_until_idle();
        for (std::size_t i = 0; i < all.size(); i += 2)
            all[i].there.send("even");
        for (std::size_t i = 1; i < all.size(); i += 2)
            all[i].here.close();
        loop.run_until_idle();
        for (std::size_t i = 0; i < all.size(); ++i) {
            REQUIRE(reading[i].is_done());
            const auto came = reading[i].result();
            if (i % 2 == 0)
                CHECK(came.value() == "even");
            else
                CHECK(came.error() == errc::closed);
        }
    }
    CHECK(open_descriptors() == before);
}
