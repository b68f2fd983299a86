// What goes wrong at the seams: descriptors in flight, arrays of chars, operations kept too long.
#include <dunlin/loop/remote.hpp>
#include <dunlin/net/tcp_socket.hpp>

#include <support/test_loop.hpp>

#include <cstring>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<std::string> read_text(tcp_socket& from) {
    auto data = co_await from.read().or_return();
    co_return std::string{data.text()};
}

/// "abc" together with a descriptor: recv(2) never reads on beyond that.
void send_with_descriptor(int socket) {
    char bytes[] = {'a', 'b', 'c'};
    iovec part{bytes, sizeof bytes};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(head), &socket, sizeof socket);
    REQUIRE(::sendmsg(socket, &message, 0) == 3);
}

io_task<> write_array(tcp_socket& to, bool whole) {
    const char four[4] = {'a', 'b', 'c', 'd'};
    const char padded[6] = {'a', 'b', '\0', 'c', 'd', '\0'};
    if (whole)
        co_await to.write(four).or_return();
    else
        co_await to.write(padded).or_return();
}

io_task<> write_uncounted(tcp_socket& to) {
    const std::string text = "xyz";
    co_await to.write(text, nullptr).or_return();
    co_await to.write(text, text, nullptr).or_return();
}

io_task<std::size_t> read_after_close(tcp_socket& sock, std::span<std::byte> into) {
    auto kept = sock.read(into);
    sock.close();
    const std::size_t n = co_await std::move(kept).or_return();
    co_return n;
}

struct counted {
    explicit counted(int& alive) : alive_{&alive} { ++*alive_; }
    counted(const counted& other) : alive_{other.alive_} { ++*alive_; }
    counted& operator=(const counted&) = default;
    ~counted() { --*alive_; }
    int* alive_;
};

struct throws_at_its_end {
    throws_at_its_end() noexcept {}
    ~throws_at_its_end() noexcept(false) { throw std::runtime_error{"late"}; }
};

task<counted> gives_and_throws(int& alive) {
    const throws_at_its_end local;
    co_return counted{alive};
}

} // namespace

TEST_CASE("bytes behind a passed descriptor are read without a further event", "[net][read]") {
    test_loop loop;
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    tcp_socket here{unique_fd{ends[0]}};
    const unique_fd there{ends[1]};
    auto first = loop.start(read_text, here);
    loop.run_until_idle(); // epoll has it
    REQUIRE_FALSE(first.is_done());
    send_with_descriptor(there.get());
    REQUIRE(::send(there.get(), "def", 3, 0) == 3);
    loop.run_until([&] { return first.is_done(); });
    CHECK(first.result().value() == "abc");
    CHECK(loop.run(read_text(here)).value() == "def"); // nothing more is sent
}

TEST_CASE("an array of chars is written whole, but for a zero at its end", "[net][write]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    REQUIRE(loop.run(write_array(here, true)));
    CHECK(there.receive() == "abcd");
    REQUIRE(loop.run(write_array(here, false)));
    CHECK(there.receive() == std::string("ab\0cd", 5));
}

TEST_CASE("no counter may be given as a null pointer", "[net][write]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    REQUIRE(loop.run(write_uncounted(here)));
    CHECK(there.receive_exactly(9) == "xyzxyzxyz");
}

TEST_CASE("an operation made before the close and awaited after it is closed", "[net][read]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    CHECK(loop.run(read_after_close(here, loop.scratch())).error() == errc::closed);
}

TEST_CASE("what was posted and not run may own a socket of the scheduler", "[net][remote]") {
    scheduler loop;
    auto pair = socket_pair();
    REQUIRE(pair);
    tcp_socket mine = std::move(pair.value().first);
    {
        task_group group;
        group.spawn([](tcp_socket& sock) -> io_task<> { co_await sock.write("x").or_return(); },
                    std::ref(mine));
        REQUIRE(loop.poll_once(0ns));
    }
    REQUIRE(loop.get_remote().post([kept = std::move(mine)]() mutable { kept.close(); }));
    // The scheduler dies with the post still in its queue, and closes the socket.
}

TEST_CASE("a value is destroyed when a local's destructor throws after it was given", "[task]") {
    test_loop loop;
    int alive = 0;
    CHECK_THROWS_AS(loop.run(gives_and_throws(alive)), std::runtime_error);
    CHECK(alive == 0);
}
