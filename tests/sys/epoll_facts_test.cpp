// What the kernel reports in which situation: the facts that docs/epoll.md lists and the scheduler
// relies on. A failure here means that a kernel differs from those we know.
#include "epoll_support.hpp"

#include <cerrno>

using namespace epoll_test;

namespace {

constexpr epoll_flags in = epoll_flags::in;
constexpr epoll_flags out = epoll_flags::out;
constexpr epoll_flags priority = epoll_flags::priority;
constexpr epoll_flags read_hangup = epoll_flags::read_hangup;
constexpr epoll_flags error = epoll_flags::error;
constexpr epoll_flags hangup = epoll_flags::hangup;
constexpr epoll_flags everything = in | out | priority | read_hangup;

int socket_error(borrowed_fd socket) {
    int value = -1;
    socklen_t size = sizeof value;
    REQUIRE(::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &value, &size) == 0);
    return value;
}

/// 0 and more: so many bytes; below zero: -errno.
int try_send(borrowed_fd socket) {
    const ssize_t n = ::send(socket.get(), "x", 1, MSG_NOSIGNAL);
    return n < 0 ? -errno : static_cast<int>(n);
}
int try_receive(borrowed_fd socket) {
    char room[64];
    const ssize_t n = ::recv(socket.get(), room, sizeof room, 0);
    return n < 0 ? -errno : static_cast<int>(n);
}

/// Closes with a reset instead of an end of stream.
void reset(unique_fd& socket) {
    const linger at_once{1, 0};
    REQUIRE(::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    socket.close();
}

} // namespace

TEST_CASE("an end of stream behind data shows in and read_hangup, and the data comes first",
          "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [here, there] = make_tcp_pair();
    must(set.add(here, in | read_hangup));
    CHECK(look(set) == 0);
    put(there, "last words");
    REQUIRE(::shutdown(there.get(), SHUT_WR) == 0);
    CHECK(wait_for(set, in | read_hangup) == (in | read_hangup));
    CHECK(take(here, 100) == "last words");
    CHECK(look(set) == 1); // the end itself is still to be read
    CHECK(take(here, 100).empty());
    CHECK(look(set) == 1); // and stays
    CHECK(try_send(here) == 1);
    CHECK(take(there, 1) == "x"); // the other direction works
}

TEST_CASE("hangup on a socket comes only when both directions are finished", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [here, there] = make_tcp_pair();
    must(set.add(here, in | read_hangup));
    REQUIRE(::shutdown(there.get(), SHUT_WR) == 0);
    CHECK(wait_for(set, in | read_hangup) == (in | read_hangup));
    REQUIRE(::shutdown(here.get(), SHUT_WR) == 0);
    CHECK(wait_for(set, hangup) == (in | read_hangup | hangup));
}

TEST_CASE("a pipe whose writer is gone shows hangup without in", "[sys][epoll]") {
    epoll set = make_epoll();
    auto [reader, writer] = make_pipe();
    must(set.add(reader, in));
    CHECK(look(set) == 0);
    put(writer, "x");
    writer.close();
    epoll_flags seen;
    CHECK(look(set, &seen) == 1);
    CHECK(seen == (in | hangup));
    CHECK(take(reader, 10) == "x");
    CHECK(look(set, &seen) == 1);
    CHECK(seen == hangup);
}

TEST_CASE("a pipe whose reader is gone shows out and error", "[sys][epoll]") {
    epoll set = make_epoll();
    auto [reader, writer] = make_pipe();
    must(set.add(writer, out));
    reader.close();
    epoll_flags seen;
    CHECK(look(set, &seen) == 1);
    CHECK(seen == (out | error));
}

TEST_CASE("hangup and error are reported to who asked for nothing", "[sys][epoll]") {
    epoll set = make_epoll();
    auto [reader, writer] = make_pipe();
    auto [other_reader, other_writer] = make_pipe();
    must(set.add(reader, epoll_flags::none));
    CHECK(look(set) == 0);
    put(writer, "x");
    CHECK(look(set) == 0); // data was not asked for
    writer.close();
    epoll_flags seen;
    CHECK(look(set, &seen) == 1);
    CHECK(seen == hangup);
    CHECK(look(set) == 1); // and again, for ever: a paused descriptor is better removed

    must(set.remove(reader));
    must(set.add(other_writer, epoll_flags::none));
    other_reader.close();
    CHECK(look(set, &seen) == 1);
    CHECK(seen == error);
    must(set.modify(other_writer, epoll_flags::edge_triggered));
    CHECK(look(set) == 1);
    CHECK(look(set) == 0); // edge-triggered, once
}

TEST_CASE("a TCP socket that was never connected shows out and hangup", "[sys][epoll]") {
    epoll set = make_epoll();
    const unique_fd fresh = tcp_socket();
    must(set.add(fresh, everything));
    epoll_flags seen;
    CHECK(look(set, &seen) == 1);
    CHECK(seen == (out | hangup));
}

TEST_CASE("a refused connect shows every flag, and SO_ERROR gives the reason once",
          "[sys][epoll]") {
    epoll set = make_epoll();
    sockaddr_in nobody{};
    {
        const unique_fd bound = tcp_socket();
        nobody = bind_to_loopback(bound);
    }
    const unique_fd fresh = tcp_socket();
    REQUIRE(::connect(fresh.get(), reinterpret_cast<sockaddr*>(&nobody), sizeof nobody) == -1);
    REQUIRE(errno == EINPROGRESS);
    must(set.add(fresh, in | out | read_hangup));
    CHECK(wait_for(set, error) == (in | out | read_hangup | error | hangup));
    CHECK(socket_error(fresh) == ECONNREFUSED);
    CHECK(socket_error(fresh) == 0);
}

TEST_CASE("urgent data alone shows priority without in, level-triggered for ever", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [here, there] = make_tcp_pair();
    must(set.add(here, in | priority));
    CHECK(look(set) == 0);
    REQUIRE(::send(there.get(), "!", 1, MSG_OOB) == 1);
    CHECK(wait_for(set, priority) == priority);
    CHECK(look(set) == 1);
    CHECK(look(set) == 1);
    must(set.modify(here, in | priority | epoll_flags::edge_triggered));
    CHECK(look(set) == 1);
    CHECK(look(set) == 0);
}

TEST_CASE("a read stops short at the urgent mark though more is there", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [here, there] = make_tcp_pair();
    must(set.add(here, in | priority));
    put(there, "before");
    REQUIRE(::send(there.get(), "!", 1, MSG_OOB) == 1);
    put(there, "after");
    wait_for(set, in | priority);
    CHECK(take(here, 100) == "before");
    CHECK(take(here, 100) == "after");
}

TEST_CASE("a reset behind unread data gives the data, then the reset once, then the end",
          "[sys][epoll]") {
    epoll set = make_epoll();
    auto [here, there] = make_tcp_pair();
    must(set.add(here, everything));
    put(there, "data");
    wait_for(set, in);
    reset(there);
    CHECK(wait_for(set, error) == (in | out | read_hangup | error | hangup));
    CHECK(try_receive(here) == 4);
    CHECK(try_receive(here) == -ECONNRESET);
    CHECK(try_receive(here) == 0);
}

TEST_CASE("a reset with nothing to read is an error once, then the end", "[sys][epoll]") {
    epoll set = make_epoll();
    auto [here, there] = make_tcp_pair();
    must(set.add(here, everything));
    reset(there);
    CHECK(wait_for(set, error) == (in | out | read_hangup | error | hangup));
    CHECK(try_receive(here) == -ECONNRESET);
    CHECK(try_receive(here) == 0);
    epoll_flags seen;
    CHECK(look(set, &seen) == 1);
    CHECK(seen == (in | out | read_hangup | hangup)); // the error has been taken
}

TEST_CASE("the first send to a peer that has closed succeeds, the second is broken_pipe",
          "[sys][epoll]") {
    epoll set = make_epoll();
    auto [here, there] = make_tcp_pair();
    must(set.add(here, in | read_hangup));
    there.close();
    wait_for(set, in | read_hangup);
    CHECK(try_send(here) == 1);
    wait_for(set, hangup); // the answer to it: a reset
    CHECK(try_send(here) == -EPIPE);
}

TEST_CASE("a full socket shows out again only after much of it has been read", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [here, there] = make_tcp_pair();
    must(set.add(here, out));
    CHECK(look(set) == 1);
    const std::string chunk(65'536, 'x');
    std::size_t sent = 0;
    for (;;) {
        const ssize_t n = ::send(here.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL);
        if (n < 0) break;
        sent += static_cast<std::size_t>(n);
    }
    CHECK(errno == EAGAIN);
    CHECK(look(set) == 0); // not yet: level-triggered and full
    std::size_t got = 0;
    while (got < sent) {
        char room[65'536];
        const ssize_t n = ::recv(there.get(), room, sizeof room, 0);
        if (n > 0) got += static_cast<std::size_t>(n);
    }
    CHECK(wait_for(set, out) == out);
}

TEST_CASE("a listening socket is in when somebody has connected", "[sys][epoll]") {
    epoll set = make_epoll();
    const unique_fd listener = tcp_socket();
    const sockaddr_in address = bind_to_loopback(listener);
    REQUIRE(::listen(listener.get(), 4) == 0);
    must(set.add(listener, in));
    CHECK(look(set) == 0);
    const unique_fd client = tcp_socket();
    ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    CHECK(wait_for(set, in) == in);
}
