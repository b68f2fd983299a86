// Sockets on a kernel that is told what to answer: which calls are made, and what becomes of
// answers that the real one rarely gives. The linker puts the functions below in place of libc's
// (`--wrap`, see meson.build), in this program only.
#include <support/net_support.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

/// What the kernel answers before it does as always. Descriptors not named are served as always.
struct told {
    int fd = -1;             ///< Whose recv, send and sendmsg are counted and told.
    std::size_t at_most = 0; ///< Bytes a call moves; 0: no limit.
    std::deque<int> errors;  ///< The next calls fail with these.
    std::deque<int> accept_errors;
    std::deque<int> connect_errors;
    std::deque<int> add_errors; ///< Of epoll_ctl(EPOLL_CTL_ADD).
    bool connects_at_once = false;
    std::uint16_t bind_to = 0; ///< New sockets have this port of 127.0.0.1 as their own.
    int receives = 0;
    int sends = 0;
} kernel;

bool fails(std::deque<int>& errors) {
    if (errors.empty()) return false;
    errno = errors.front();
    errors.pop_front();
    return true;
}

/// From one byte to 13, and again.
std::size_t cut(std::size_t size) {
    static std::size_t step = 0;
    return kernel.at_most == 0 ? size : std::min(size, 1 + step++ % kernel.at_most);
}

} // namespace

extern "C" {

ssize_t __real_recv(int, void*, size_t, int);
ssize_t __real_send(int, const void*, size_t, int);
ssize_t __real_sendmsg(int, const msghdr*, int);
int __real_accept4(int, sockaddr*, socklen_t*, int);
int __real_connect(int, const sockaddr*, socklen_t);
int __real_socket(int, int, int);
int __real_epoll_ctl(int, int, int, epoll_event*);

ssize_t __wrap_recv(int fd, void* into, size_t size, int flags) {
    if (fd != kernel.fd) return __real_recv(fd, into, size, flags);
    ++kernel.receives;
    if (fails(kernel.errors)) return -1;
    return __real_recv(fd, into, cut(size), flags);
}

ssize_t __wrap_send(int fd, const void* data, size_t size, int flags) {
    if (fd != kernel.fd) return __real_send(fd, data, size, flags);
    ++kernel.sends;
    if (fails(kernel.errors)) return -1;
    return __real_send(fd, data, cut(size), flags);
}

ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags) {
    if (fd != kernel.fd) return __real_sendmsg(fd, message, flags);
    ++kernel.sends;
    if (fails(kernel.errors)) return -1;
    if (kernel.at_most == 0) return __real_sendmsg(fd, message, flags);
    std::string some;
    for (std::size_t i = 0; i < message->msg_iovlen; ++i)
        some.append(static_cast<const char*>(message->msg_iov[i].iov_base),
                    message->msg_iov[i].iov_len);
    return __real_send(fd, some.data(), cut(some.size()), flags);
}

int __wrap_accept4(int fd, sockaddr* from, socklen_t* size, int flags) {
    if (fails(kernel.accept_errors)) return -1;
    return __real_accept4(fd, from, size, flags);
}

int __wrap_connect(int fd, const sockaddr* where, socklen_t size) {
    if (!kernel.connect_errors.empty() && kernel.connect_errors.front() == EINTR)
        static_cast<void>(__real_connect(fd, where, size)); // it goes on in the background
    if (fails(kernel.connect_errors)) return -1;
    if (!kernel.connects_at_once) return __real_connect(fd, where, size);
    const int flags = ::fcntl(fd, F_GETFL);
    ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    const int answer = __real_connect(fd, where, size);
    ::fcntl(fd, F_SETFL, flags);
    return answer;
}

int __wrap_socket(int family, int type, int protocol) {
    const int made = __real_socket(family, type, protocol);
    if (kernel.bind_to != 0) {
        const int on = 1;
        ::setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        sockaddr_in own{};
        own.sin_family = AF_INET;
        own.sin_port = htons(kernel.bind_to);
        own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(made, reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
    }
    return made;
}

int __wrap_epoll_ctl(int epoll, int what, int fd, epoll_event* event) {
    if (what == EPOLL_CTL_ADD && fails(kernel.add_errors)) return -1;
    return __real_epoll_ctl(epoll, what, fd, event);
}

} // extern "C"

namespace {

struct scene {
    test_loop loop;
    test_loop::connection ends = loop.tcp_pair();
    scene() {
        kernel = told{};
        kernel.fd = ends.here.fd().get();
    }
    ~scene() { kernel = told{}; }
};

using piece = std::span<const std::byte>;

io_task<> write_pieces(tcp_socket& to, std::span<const piece> pieces) {
    co_await to.write(pieces).or_return();
}
io_task<> write_two(tcp_socket& to, std::string_view first, std::string_view second) {
    co_await to.write(first, second).or_return();
}

} // namespace

TEST_CASE("an echoed message costs one recv and one send", "[net][kernel]") {
    scene s;
    struct local {
        static io_task<> echo(tcp_socket& sock) {
            while (const auto data = co_await sock.read().or_return())
                co_await sock.write(data).or_return();
        }
    };
    auto echoing = s.loop.start(local::echo(s.ends.here));
    for (int i = 0; i < 110; ++i) {
        if (i == 10) kernel.receives = kernel.sends = 0; // the first may look around
        s.ends.there.send("message");
        s.loop.run_until([&] { return s.ends.there.try_receive().has_value(); });
        s.loop.run_until_idle();
    }
    CHECK(kernel.receives == 100);
    CHECK(kernel.sends == 100);
    CHECK(s.loop.counters().registrations == 1);
}

TEST_CASE("a read that fills its buffer asks again, a shorter one does not", "[net][kernel]") {
    scene s;
    auto waiting = s.loop.start(read_into(s.ends.here, s.loop.scratch().first(4)));
    s.loop.run_until_idle(); // epoll knows it now
    s.ends.there.send("01234567");
    s.loop.run_until([&] { return waiting.is_done(); });
    kernel.receives = 0;
    CHECK(s.loop.run(read_into(s.ends.here, s.loop.scratch().first(4))).value() == 4);
    CHECK(kernel.receives == 1);
    auto next = s.loop.start(read_into(s.ends.here, s.loop.scratch()));
    s.loop.run_until_idle();
    CHECK(kernel.receives == 2); // all four were wanted: it could not know
    s.ends.there.send("89");
    s.loop.run_until([&] { return next.is_done(); });
    CHECK(kernel.receives == 3);
    auto last = s.loop.start(read_into(s.ends.here, s.loop.scratch()));
    s.loop.run_until_idle();
    CHECK(kernel.receives == 3);
    CHECK_FALSE(last.is_done());
}

TEST_CASE("a kernel that takes from 1 to 13 bytes a call loses and doubles nothing",
          "[net][kernel]") {
    scene s;
    kernel.at_most = 13;
    const std::string sent = pattern(20'000);
    SECTION("sending") {
        s.loop.run(write_text(s.ends.here, sent)).value();
        CHECK(s.ends.there.receive_exactly(sent.size()) == sent);
    }
    SECTION("sending in two pieces") {
        s.loop
            .run(write_two(s.ends.here, std::string_view{sent}.substr(0, 3),
                           std::string_view{sent}.substr(3)))
            .value();
        CHECK(s.ends.there.receive_exactly(sent.size()) == sent);
    }
    SECTION("sending in many pieces") {
        std::vector<piece> pieces;
        const auto bytes = std::as_bytes(std::span{sent});
        for (std::size_t at = 0; at < bytes.size(); at += 5)
            pieces.push_back(bytes.subspan(at, 5));
        s.loop.run(write_pieces(s.ends.here, pieces)).value();
        CHECK(s.ends.there.receive_exactly(sent.size()) == sent);
    }
}

TEST_CASE("an interrupted call is made again", "[net][kernel]") {
    scene s;
    kernel.errors = {EINTR, EINTR};
    SECTION("recv") {
        s.ends.there.send("x");
        CHECK(s.loop.run(read_text(s.ends.here)).value() == "x");
    }
    SECTION("send") {
        CHECK(s.loop.run(write_text(s.ends.here, "x")));
        CHECK(s.ends.there.receive() == "x");
    }
    SECTION("sendmsg") {
        CHECK(s.loop.run(write_two(s.ends.here, "x", "y")));
        CHECK(s.ends.there.receive_exactly(2) == "xy");
    }
    CHECK(kernel.errors.empty());
}

TEST_CASE("a kernel without memory for a send is an error value, and the next one works",
          "[net][kernel]") {
    scene s;
    for (const int why : {ENOBUFS, ENOMEM}) {
        kernel.errors = {why};
        const auto sent = s.loop.run(write_text(s.ends.here, "x"));
        REQUIRE_FALSE(sent);
        CHECK(sent.error() == std::error_code{why, std::system_category()});
    }
    CHECK(s.loop.run(write_text(s.ends.here, "y")));
    CHECK(s.ends.there.receive() == "y");
}

TEST_CASE("a kernel that cannot watch one more is an error value, and nothing is lost",
          "[net][kernel]") {
    scene s;
    for (const int why : {ENOSPC, ENOMEM}) {
        kernel.add_errors = {why};
        const auto read = s.loop.run(read_text(s.ends.here));
        REQUIRE_FALSE(read);
        CHECK(read.error() == std::error_code{why, std::system_category()});
    }
    auto next = s.loop.start(read_text(s.ends.here));
    s.loop.run_until_idle();
    REQUIRE_FALSE(next.is_done());
    s.ends.there.send("x");
    s.loop.run_until([&] { return next.is_done(); });
    CHECK(next.result().value() == "x");
}

TEST_CASE("what goes wrong with one connection is not the acceptor's business", "[net][kernel]") {
    scene s;
    tcp_listener listener = listen_somewhere();
    const raw_peer client = connect_raw(where_it_listens(listener));
    REQUIRE(becomes_readable(listener.fd()));
    kernel.accept_errors = {ECONNABORTED, EPROTO,          ENETDOWN,    ENOPROTOOPT,     EHOSTDOWN,
                            ENONET,       EHOSTUNREACH,    ENETUNREACH, ESOCKTNOSUPPORT, EOPNOTSUPP,
                            EPERM,        EPROTONOSUPPORT, EINTR,       ETIMEDOUT};
    auto accepting = s.loop.start(accept_one(listener));
    s.loop.turn();
    REQUIRE(accepting.is_done());
    CHECK(accepting.result());
    CHECK(kernel.accept_errors.empty());
}

TEST_CASE("a thousand dead connections in a row do not hold up the turn", "[net][kernel]") {
    scene s;
    tcp_listener listener = listen_somewhere();
    const raw_peer client = connect_raw(where_it_listens(listener));
    REQUIRE(becomes_readable(listener.fd()));
    kernel.accept_errors.assign(1000, ECONNABORTED);
    auto accepting = s.loop.start(accept_one(listener));
    s.loop.turn();
    CHECK_FALSE(accepting.is_done()); // its budget is spent
    CHECK(kernel.accept_errors.size() > 800);
    s.loop.run_until([&] { return accepting.is_done(); });
    CHECK(accepting.result());
}

TEST_CASE("an error that comes again and again pauses the acceptor", "[net][kernel]") {
    const int error = GENERATE(EPERM, EOPNOTSUPP, ESOCKTNOSUPPORT, EPROTONOSUPPORT);
    scene s;
    tcp_listener listener = listen_somewhere();
    const raw_peer client = connect_raw(where_it_listens(listener));
    REQUIRE(becomes_readable(listener.fd()));
    kernel.accept_errors.assign(1000, error);
    auto accepting = s.loop.start(accept_one(listener));
    s.loop.run_until_idle(); // it does become idle
    CHECK_FALSE(accepting.is_done());
    CHECK(kernel.accept_errors.size() > 800);
    kernel.accept_errors.clear();
    s.loop.run_until([&] { return accepting.is_done(); }); // a tenth of a second later
    CHECK(accepting.result());
}

TEST_CASE("an error of the listener itself is told", "[net][kernel]") {
    scene s;
    tcp_listener listener = listen_somewhere();
    kernel.accept_errors = {EINVAL};
    CHECK(s.loop.run(accept_one(listener)).error() == std::errc::invalid_argument);
}

TEST_CASE("accept pauses, too, while the machine is out of descriptors or memory",
          "[net][kernel]") {
    scene s;
    tcp_listener listener = listen_somewhere();
    const raw_peer client = connect_raw(where_it_listens(listener));
    REQUIRE(becomes_readable(listener.fd()));
    const int why = GENERATE(ENFILE, ENOMEM, ENOBUFS, ENOSR);
    kernel.accept_errors = {why, why}; // also when epoll first speaks of the listener
    auto accepting = s.loop.start(accept_one(listener));
    CHECK(s.loop.run_until_idle() < 5);
    REQUIRE_FALSE(accepting.is_done());
    s.ends.here.close();
    s.loop.run_until_idle();
    REQUIRE(accepting.is_done());
    CHECK(accepting.result());
}

TEST_CASE("a connect that the kernel completes at once does not wait",
          "[net][kernel][six:connect_operation:ready]") {
    scene s;
    kernel.connects_at_once = true;
    tcp_listener listener = listen_somewhere();
    auto connecting = s.loop.start(connect_to(where_it_listens(listener)));
    s.loop.turn();
    REQUIRE(connecting.is_done());
    CHECK(connecting.result());
    CHECK(s.loop.counters().registrations == 0);
}

TEST_CASE("an interrupted connect goes on", "[net][kernel]") {
    scene s;
    kernel.connect_errors = {EINTR};
    tcp_listener listener = listen_somewhere();
    CHECK(s.loop.run(connect_to(where_it_listens(listener))));
}

TEST_CASE("a kernel out of ephemeral ports is an error value", "[net][kernel]") {
    scene s;
    kernel.connect_errors = {EADDRNOTAVAIL};
    const tcp_listener listener = listen_somewhere();
    CHECK(s.loop.run(connect_to(where_it_listens(listener))).error() ==
          std::errc::address_not_available);
    CHECK(s.loop.run(connect_to(where_it_listens(listener))));
}

TEST_CASE("a socket that the kernel connected to itself counts as refused", "[net][kernel]") {
    scene s;
    const endpoint itself = closed_port{}.where();
    kernel.bind_to = itself.port();
    const std::size_t before = open_descriptors();
    const auto connected = s.loop.run(connect_to(itself));
    REQUIRE_FALSE(connected);
    CHECK(connected.error() == std::errc::connection_refused);
    CHECK(open_descriptors() == before);
}
