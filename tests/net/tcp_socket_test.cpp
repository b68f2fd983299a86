// The socket itself: options, endpoints, moves, and who must outlive whom.
#include <support/net_support.hpp>

#include <unistd.h>

using namespace dunlin;
using namespace dunlin::test;

TEST_CASE("options are set and asked by name", "[net][tcp_socket]") {
    test_loop loop;
    auto [sock, there] = connected_sockets(loop);
    const bool is_attached = GENERATE(false, true);
    if (is_attached) CHECK(loop.run(wait_writable(sock)));

    CHECK(sock.no_delay().value()); // tcp_pair does as our own sockets do
    CHECK(sock.set_no_delay(false));
    CHECK_FALSE(sock.no_delay().value());
    CHECK(sock.set_no_delay(true));
    CHECK(sock.no_delay().value());

    CHECK_FALSE(sock.keep_alive().value());
    CHECK(sock.set_keep_alive(true));
    CHECK(sock.keep_alive().value());
    CHECK(sock.set_keep_alive(false));
    CHECK(sock.set_keep_alive(30s, 5s, 3));
    CHECK(sock.keep_alive().value());
    CHECK_FALSE(sock.set_keep_alive(0s, 5s, 3)); // whole seconds, at least one

    CHECK(sock.set_send_buffer(50'000));
    CHECK(sock.send_buffer().value() == 100'000); // the kernel doubles it
    CHECK(sock.set_receive_buffer(60'000));
    CHECK(sock.receive_buffer().value() == 120'000);
    CHECK(sock.set_send_buffer(std::size_t{1} << 40)); // more than an int: as much as there is
    CHECK(sock.send_buffer().value() > 100'000);

    CHECK(sock.set_user_timeout(5s));
    CHECK(sock.set_user_timeout(0s));
    CHECK_FALSE(sock.set_user_timeout(-1s));
    CHECK(sock.set_user_timeout(std::chrono::hours{1'000'000}));
    CHECK(sock.set_reset_on_close(true));
    CHECK(sock.set_reset_on_close(false));
}

TEST_CASE("both ends agree on who they are", "[net][tcp_socket]") {
    test_loop loop;
    auto [here, there] = connected_sockets(loop);
    CHECK(here.local_endpoint().value() == there.peer_endpoint().value());
    CHECK(here.peer_endpoint().value() == there.local_endpoint().value());
    CHECK(here.local_endpoint().value() != here.peer_endpoint().value());
}

TEST_CASE("a peer that has reset the connection has no endpoint any more", "[net][tcp_socket]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    there.reset();
    CHECK_FALSE(loop.run(read_text(here)));
    CHECK(here.peer_endpoint().error() == std::errc::not_connected);
    CHECK(here.local_endpoint());
}

TEST_CASE("a default socket is closed", "[net][tcp_socket]") {
    test_loop loop;
    tcp_socket none;
    CHECK_FALSE(none.is_open());
    CHECK(loop.run(read_text(none)).error() == errc::closed);
    tcp_socket empty{unique_fd{}};
    CHECK_FALSE(empty.is_open());
    CHECK(loop.run(write_text(empty, "x")).error() == errc::closed);
}

TEST_CASE("sockets move, before and after their first operation", "[net][tcp_socket]") {
    test_loop loop;
    auto [sock, there] = loop.tcp_pair();
    const bool is_attached = GENERATE(false, true);
    CAPTURE(is_attached);
    if (is_attached) CHECK(loop.run(wait_writable(sock)));

    tcp_socket moved{std::move(sock)};
    CHECK_FALSE(sock.is_open()); // NOLINT: what a moved-from socket is, is promised
    CHECK(loop.run(read_text(sock)).error() == errc::closed);
    there.send("one");
    CHECK(loop.run(read_text(moved)).value() == "one");

    auto [other, peer] = loop.tcp_pair();
    CHECK(loop.run(write_text(other, "bye")));
    other = std::move(moved); // closes the one it had
    CHECK(peer.receive_all() == "bye");
    there.send("two");
    CHECK(loop.run(read_text(other)).value() == "two");

    auto& itself = other;
    other = std::move(itself);
    CHECK(other.is_open());
}

TEST_CASE("a socket that is never used needs no scheduler", "[net][tcp_socket]") {
    const std::size_t before = open_descriptors();
    {
        auto made = socket_pair();
        REQUIRE(made);
        CHECK(made.value().first.is_open());
        CHECK(open_descriptors() == before + 2);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a socket pair talks, and has neither endpoints nor TCP's options",
          "[net][socket_pair]") {
    test_loop loop;
    auto made = socket_pair();
    auto& [first, second] = made.value();
    CHECK(loop.run(write_text(first, "ping")));
    CHECK(loop.run(read_text(second)).value() == "ping");
    CHECK(loop.run(write_text(second, "pong")));
    CHECK(loop.run(read_text(first)).value() == "pong");
    CHECK_FALSE(first.peer_endpoint());
    CHECK_FALSE(first.local_endpoint());
    CHECK_FALSE(first.set_no_delay(true));
    CHECK_FALSE(first.no_delay());
    CHECK(first.set_send_buffer(50'000));
    auto reading = loop.start(read_text(second));
    loop.run_until_idle();
    CHECK_FALSE(reading.is_done());
    CHECK(first.shutdown_write());
    loop.run_until_idle();
    CHECK(reading.result().value().empty());
    first.close();
    CHECK(loop.run(write_text(second, "x")).error() == std::errc::broken_pipe);
}

TEST_CASE("an operation outside of every scheduler is a bug that is named", "[net][tcp_socket]") {
    CHECK(was_aborted(status_of_child([] {
        auto made = socket_pair();
        static_cast<void>(made.value().first.read());
    })));
}

TEST_CASE("a socket must not outlive its scheduler", "[net][tcp_socket]") {
    CHECK(was_aborted(status_of_child([] {
        auto made = socket_pair();
        scheduler loop;
        static_cast<void>(made.value().first.read()); // attaches it
    })));
    CHECK(status_of_child([] {
              scheduler loop;
              auto made = socket_pair();
              static_cast<void>(made.value().first.read());
          }) == 0);
}
