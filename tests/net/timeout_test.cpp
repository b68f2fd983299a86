// Timeouts of operations on sockets: exactly one outcome, and no byte or connection is lost. Only
// the test moves the clock.
#include <dunlin/sys/socket.hpp>
#include <dunlin/task/sleep.hpp>

#include <support/branches.hpp>
#include <support/fake_clock.hpp>
#include <support/net_support.hpp>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/resource.h>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<std::string> read_within(tcp_socket& from, std::chrono::nanoseconds limit) {
    const auto data = co_await from.read().timeout(limit).or_return();
    co_return std::string{data.text()};
}
io_task<std::string> read_into_within(tcp_socket& from, std::chrono::nanoseconds limit) {
    std::string into(64, '?');
    const std::size_t count = co_await from.read(bytes_of(into)).timeout(limit).or_return();
    co_return into.substr(0, count);
}
io_task<std::string> read_in_scope(tcp_socket& from, std::chrono::nanoseconds limit) {
    auto text = co_await read_text(from).timeout(limit).or_return();
    co_return text;
}
io_task<> read_all_within(tcp_socket& from, std::string& into, std::size_t& moved,
                          std::chrono::nanoseconds limit) {
    co_await from.read_exactly(bytes_of(into), &moved).timeout(limit).or_return();
}
io_task<> write_within(tcp_socket& to, const std::string& text, std::size_t& moved,
                       std::chrono::nanoseconds limit) {
    co_await to.write(text, &moved).timeout(limit).or_return();
}
io_task<tcp_socket> accept_within(tcp_listener& listener, std::chrono::nanoseconds limit) {
    auto accepted = co_await listener.accept().timeout(limit).or_return();
    co_return std::move(accepted);
}
io_task<> connect_within(endpoint where, std::chrono::nanoseconds limit) {
    auto connected = co_await tcp_socket::connect(where).timeout(limit).or_return();
    CHECK(connected.is_open());
}
io_task<> readable_within(tcp_socket& on, std::chrono::nanoseconds limit) {
    co_await on.readable().timeout(limit).or_return();
}
io_task<> writable_within(tcp_socket& on, std::chrono::nanoseconds limit) {
    co_await on.writable().timeout(limit).or_return();
}
io_task<> linger_within(tcp_socket& on, std::chrono::nanoseconds grace,
                        std::chrono::nanoseconds limit) {
    co_await on.lingering_close(grace).timeout(limit).or_return();
}

template <class T>
void check_times_out_after(test_loop& loop, std::chrono::nanoseconds span, pending<T>& started) {
    advance_to_end(loop, span, started);
    CHECK(started.result().error() == errc::timeout);
}

/// Does something to a descriptor after so long, in the same turn as what ends then and began
/// later.
template <class Function>
task<> do_after(std::chrono::nanoseconds span, Function what) {
    co_await sleep_for(span).ignore();
    what();
}

/// While it lives, this process can open no more descriptors.
class no_descriptor_left {
public:
    no_descriptor_left() {
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
        rlimit changed = before_;
        int highest = 0;
        for (int number = 0; number < 1024; ++number)
            if (::fcntl(number, F_GETFD) >= 0) highest = number;
        changed.rlim_cur = static_cast<rlim_t>(highest) + 2;
        ::setrlimit(RLIMIT_NOFILE, &changed);
        do {
            fillers_.emplace_back(::fcntl(2, F_DUPFD_CLOEXEC, 0));
        } while (fillers_.back().is_open());
        REQUIRE(errno == EMFILE);
    }
    no_descriptor_left(const no_descriptor_left&) = delete;
    no_descriptor_left& operator=(const no_descriptor_left&) = delete;
    ~no_descriptor_left() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
    std::vector<unique_fd> fillers_;
};

} // namespace

TEST_CASE("a read that times out has taken nothing, and the next one works", "[net][timeout]") {
    test_loop loop;
    auto ends = GENERATE(false, true) ? loop.tcp_pair() : loop.socket_pair();
    const auto read = GENERATE(read_within, read_into_within, read_in_scope);
    auto started = loop.start(read(ends.here, 1s));
    check_times_out_after(loop, 1s, started);
    auto next = loop.start(read(ends.here, 1s));
    loop.run_until_idle();
    REQUIRE_FALSE(next.is_done());
    ends.there.send("bytes");
    loop.run_until([&] { return next.is_done(); });
    CHECK(next.result().value() == "bytes");
    fake_clock::advance(1h);
    CHECK(loop.turn() == 0);
}

TEST_CASE("bytes and the timeout in one turn have one outcome and lose nothing", "[net][timeout]") {
    test_loop loop;
    auto ends = GENERATE(false, true) ? loop.tcp_pair() : loop.socket_pair();
    const auto read = GENERATE(read_within, read_into_within, read_in_scope);
    SECTION("epoll sees the bytes") {
        auto started = loop.start(read(ends.here, 1s));
        loop.run_until_idle();
        ends.there.send("bytes");
        REQUIRE(becomes_readable(ends.here.fd()));
        fake_clock::advance(1s);
        CHECK(loop.turn() == 1);
        REQUIRE(started.is_done());
        CHECK(started.result().value() == "bytes");
    }
    SECTION("they come after epoll was asked, before the task has its turn") {
        auto sender = loop.start(do_after(1s, [&] {
            ends.there.send("bytes");
            CHECK(becomes_readable(ends.here.fd()));
        }));
        loop.run_until_idle();
        auto started = loop.start(read(ends.here, 1s));
        loop.run_until_idle();
        fake_clock::advance(1s);
        CHECK(loop.turn() == 2);
        CHECK(sender.is_done());
        REQUIRE(started.is_done());
        CHECK(started.result().value() == "bytes");
    }
    SECTION("they come when it has timed out, in the same turn") {
        auto started = loop.start(read(ends.here, 1s));
        loop.run_until_idle();
        auto sender = loop.start(do_after(1s, [&] { ends.there.send("bytes"); }));
        loop.run_until_idle();
        fake_clock::advance(1s);
        CHECK(loop.turn() == 2);
        CHECK(sender.is_done());
        REQUIRE(started.is_done());
        CHECK(started.result().error() == errc::timeout);
        CHECK(loop.run(read_text(ends.here)).value() == "bytes");
    }
    auto next = loop.start(read_text(ends.here));
    loop.run_until_idle();
    CHECK_FALSE(next.is_done()); // and nothing came twice
    CHECK(ends.here.is_open());
}

TEST_CASE("bytes that are there win over a deadline long past", "[net][timeout]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    there.send("bytes");
    CHECK(loop.run(read_within(here, -1h)).value() == "bytes");
    CHECK_FALSE(loop.sched().next_deadline().has_value());
    there.send("more");
    CHECK(loop.run(read_in_scope(here, 0s)).value() == "more");
}

TEST_CASE("a read_exactly that times out says how much it took, and the rest is still there",
          "[net][timeout]") {
    test_loop loop;
    auto ends = GENERATE(false, true) ? loop.tcp_pair() : loop.socket_pair();
    std::string into(8, '?');
    std::size_t moved = 99;
    auto started = loop.start(read_all_within(ends.here, into, moved, 1s));
    loop.run_until_idle();
    CHECK(moved == 0);
    ends.there.send("abc");
    loop.run_until([&] { return moved == 3; });
    fake_clock::advance(1s - 1ns); // the time runs from the first wait on
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    fake_clock::advance(1ns);
    std::string expected = "abc";
    SECTION("nothing more") {}
    SECTION("more in that turn") {
        ends.there.send("de");
        REQUIRE(becomes_readable(ends.here.fd()));
        expected = "abcde";
    }
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::timeout);
    CHECK(moved == expected.size());
    CHECK(into.substr(0, moved) == expected);
    ends.there.send("rest");
    CHECK(loop.run(read_text(ends.here)).value() == "rest");
}

TEST_CASE("a read_exactly whose last bytes come in the turn of its timeout has succeeded",
          "[net][timeout]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    std::string into(5, '?');
    std::size_t moved = 0;
    auto started = loop.start(read_all_within(here, into, moved, 1s));
    loop.run_until_idle();
    there.send("bytes");
    fake_clock::advance(1s);
    loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result());
    CHECK(into == "bytes");
}

TEST_CASE("a write that times out says how much the kernel took", "[net][timeout]") {
    test_loop loop;
    auto ends = GENERATE(false, true) ? loop.tcp_pair() : loop.socket_pair();
    const std::string much = pattern(8'000'000);
    std::size_t moved = 0;
    auto started = loop.start(write_within(ends.here, much, moved, 1s));
    check_times_out_after(loop, 1s, started);
    REQUIRE(moved > 0);
    REQUIRE(moved < much.size());
    ends.here.close();
    std::string got;
    for (std::string more = ends.there.receive(); !more.empty(); more = ends.there.receive())
        got += more;
    CHECK(got == much.substr(0, moved));
}

TEST_CASE("a write that can end in the turn of its timeout has succeeded", "[net][timeout]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    const std::string much = pattern(300'000);
    std::size_t moved = 0;
    auto started = loop.start(write_within(here, much, moved, 1s));
    std::string got;
    for (std::size_t before = much.size(); moved != before;) {
        before = moved;
        loop.run_until_idle();
        if (started.is_done()) break;
        if (much.size() - moved < 100'000) fake_clock::advance(1s);
        while (auto more = there.try_receive())
            got += *more;
        loop.turn();
    }
    REQUIRE(started.is_done());
    CHECK(started.result());
    CHECK(moved == much.size());
    while (auto more = there.try_receive())
        got += *more;
    CHECK(got == much);
}

TEST_CASE("an accept that times out leaves the connection to the next one", "[net][timeout]") {
    test_loop loop;
    tcp_listener listener = listen_somewhere();
    const endpoint where = where_it_listens(listener);
    raw_peer peer;
    SECTION("that comes afterwards") {
        auto started = loop.start(accept_within(listener, 1s));
        check_times_out_after(loop, 1s, started);
        peer = connect_raw(where);
    }
    SECTION("that comes in the same turn, after it has timed out") {
        auto started = loop.start(accept_within(listener, 1s));
        loop.run_until_idle();
        auto connects = loop.start(do_after(1s, [&] { peer = connect_raw(where); }));
        loop.run_until_idle();
        fake_clock::advance(1s);
        CHECK(loop.turn() == 2);
        CHECK(connects.is_done());
        REQUIRE(started.is_done());
        CHECK(started.result().error() == errc::timeout);
    }
    auto accepted = loop.run(accept_within(listener, 1s));
    REQUIRE(accepted);
    peer.send("hello");
    CHECK(loop.run(read_text(accepted.value())).value() == "hello");
}

TEST_CASE("a connection in the turn of the accept's timeout is accepted once", "[net][timeout]") {
    test_loop loop;
    tcp_listener listener = listen_somewhere();
    raw_peer peer;
    auto connects =
        loop.start(do_after(1s, [&] { peer = connect_raw(where_it_listens(listener)); }));
    loop.run_until_idle();
    auto started = loop.start(accept_within(listener, 1s));
    loop.run_until_idle();
    fake_clock::advance(1s);
    CHECK(loop.turn() == 2);
    CHECK(connects.is_done());
    REQUIRE(started.is_done());
    CHECK(started.result());
    auto next = loop.start(accept_within(listener, 1s));
    loop.run_until_idle();
    CHECK_FALSE(next.is_done());
}

TEST_CASE("an accept that was out of descriptors keeps its timeout", "[net][timeout]") {
    test_loop loop;
    tcp_listener listener = listen_somewhere();
    auto peer = connect_raw(where_it_listens(listener));
    auto started = loop.start(accept_within(listener, 1s));
    SECTION("while it is starved") {
        const no_descriptor_left limit;
        for (int i = 0; i < 9; ++i) {
            loop.run_until_idle();
            fake_clock::advance(100ms);
        }
        loop.run_until_idle();
        REQUIRE_FALSE(started.is_done());
        fake_clock::advance(100ms);
        loop.run_until_idle();
    }
    SECTION("after the kernel's queue has become empty meanwhile") {
        {
            const no_descriptor_left limit;
            loop.run_until_idle();
            REQUIRE_FALSE(started.is_done());
        }
        const unique_fd taken{sys::accept(listener.fd().get())}; // by somebody else
        REQUIRE(taken.is_open());
        fake_clock::advance(500ms);
        loop.run_until_idle();
        REQUIRE_FALSE(started.is_done());
        fake_clock::advance(500ms);
        loop.run_until_idle();
    }
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::timeout);
}

TEST_CASE("a connect that hangs times out and leaves no descriptor", "[net][timeout]") {
    test_loop loop;
    full_listener full;
    const std::size_t before = open_descriptors();
    auto started = loop.start(connect_within(full.where(), 1s));
    check_times_out_after(loop, 1s, started);
    CHECK(open_descriptors() == before);
}

TEST_CASE("waits for readiness time out", "[net][timeout]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    auto reads = loop.start(readable_within(here, 1s));
    check_times_out_after(loop, 1s, reads);
    const std::string much = pattern(8'000'000);
    std::size_t moved = 0;
    auto writes = loop.start(write_within(here, much, moved, 0s));
    loop.run_until_idle();
    REQUIRE(writes.is_done());
    auto waits = loop.start(writable_within(here, 1s));
    check_times_out_after(loop, 1s, waits);
    there.send("x");
    auto again = loop.start(readable_within(here, 0s));
    loop.run_until_idle();
    CHECK(again.result());
}

TEST_CASE("a lingering close may have a timeout shorter than its grace", "[net][timeout]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto started = loop.start(linger_within(here, 10s, 1s));
    check_times_out_after(loop, 1s, started);
    CHECK_FALSE(here.is_open());

    auto second = loop.tcp_pair();
    auto longer = loop.start(linger_within(second.here, 1s, 10s));
    loop.run_until_idle();
    fake_clock::advance(1s);
    loop.run_until_idle();
    REQUIRE(longer.is_done());
    CHECK(longer.result());
    CHECK_FALSE(second.here.is_open());
}
