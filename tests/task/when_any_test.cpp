// `when_any`: the first counts, the losers take nothing and are gone before it returns. Only the
// test moves the clock.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>

#include <support/branches.hpp>
#include <support/fake_clock.hpp>
#include <support/net_support.hpp>

#include <memory>
#include <stdexcept>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

const std::error_code refused = std::make_error_code(std::errc::connection_refused);

io_task<> with_nothing() { co_return; }
io_task<> error_after(std::chrono::nanoseconds span) {
    const in_frame here;
    co_await sleep_for(span).ignore();
    co_await fail(refused);
}
io_task<> throw_after(std::chrono::nanoseconds span) {
    const in_frame here;
    co_await sleep_for(span).ignore();
    throw std::runtime_error{"thrown"};
}
/// Says goodbye before it goes.
io_task<> with_goodbye(tcp_socket& sock, std::chrono::nanoseconds takes) {
    const in_frame here;
    auto waited = co_await sock.read();
    co_await shield(sleep_for(takes)).ignore();
    co_await shield(sock.write("bye")).or_return();
    if (!waited) co_await fail(waited.error());
}

/// A read against the clock: what was read, or "late".
io_task<std::string> read_or_late(tcp_socket& from, std::chrono::nanoseconds limit) {
    auto raced = co_await when_any(from.read(), sleep_for(limit)).or_return();
    if (raced.index() == 1) co_return "late";
    co_return std::string{std::get<0>(raced).text()};
}
io_task<std::string> late_or_read(tcp_socket& from, std::chrono::nanoseconds limit) {
    auto raced = co_await when_any(sleep_for(limit), from.read()).or_return();
    if (raced.index() == 0) co_return "late";
    co_return std::string{std::get<1>(raced).text()};
}

} // namespace

TEST_CASE("the first of a when_any gives its value, and the others are gone by then",
          "[task][when]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        auto raced = co_await when_any(value_after(1h, 1), owned_after(1s, 2), sleep_for(2s),
                                       value_after(1s, 4))
                         .or_return();
        static_assert(std::is_same_v<decltype(raced),
                                     std::variant<int, std::unique_ptr<int>, no_value, int>>);
        CHECK(in_frame::alive == 0);
        REQUIRE(raced.index() == 1);
        CHECK(*std::get<1>(raced) == 2);
    });
    advance_to_end(loop, 1s, started);
    CHECK(started.result());
}

TEST_CASE("when_any of a vector says which it was", "[task][when]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        std::vector<io_task<std::unique_ptr<int>>> several;
        several.push_back(owned_after(3s, 0));
        several.push_back(owned_after(2s, 1));
        several.push_back(owned_after(1s, 2));
        const auto raced = co_await when_any(std::move(several)).or_return();
        CHECK(in_frame::alive == 0);
        CHECK(raced.first == 2);
        CHECK(*raced.second == 2);
        std::vector<io_task<>> silent;
        silent.push_back(error_after(2s));
        silent.push_back(with_nothing());
        const auto second = co_await when_any(std::move(silent)).or_return();
        CHECK(second.first == 1);
        const auto none = co_await when_any(std::vector<io_task<int>>{});
        REQUIRE_FALSE(none);
        CHECK(none.error() == std::errc::invalid_argument);
    });
    advance_to_end(loop, 1s, started);
    CHECK(started.result());
}

TEST_CASE("the first of a when_any wins also with an error or an exception", "[task][when]") {
    test_loop loop;
    auto fails = loop.start([]() -> io_task<> {
        auto raced = co_await when_any(value_after(1h, 1), error_after(1s), throw_after(2s));
        CHECK(in_frame::alive == 0);
        REQUIRE_FALSE(raced);
        CHECK(raced.error() == refused);
    });
    advance_to_end(loop, 1s, fails);
    auto throws = loop.start([]() -> io_task<> {
        bool has_thrown = false;
        try {
            co_await when_any(value_after(1h, 1), error_after(2s), throw_after(1s)).ignore();
        } catch (const std::runtime_error&) {
            has_thrown = true;
        }
        CHECK(has_thrown);
        CHECK(in_frame::alive == 0);
    });
    advance_to_end(loop, 1s, throws);
    CHECK(fails.result());
    CHECK(throws.result());
}

TEST_CASE("a when_any that passes its error up leaves no frame", "[task][when]") {
    test_loop loop;
    auto started = loop.start([]() -> io_task<> {
        const auto inside = []() -> io_task<> {
            co_await when_any(value_after(1h, 1), error_after(1s)).or_return();
        };
        auto ended = co_await inside();
        CHECK(in_frame::alive == 0);
        co_await or_return(ended);
    });
    advance_to_end(loop, 1s, started);
    CHECK(started.result().error() == refused);
}

TEST_CASE("a loser with a shielded goodbye is waited for, and changes nothing", "[task][when]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    auto started = loop.start(
        [](tcp_socket& sock) -> io_task<> {
            auto raced = co_await when_any(with_goodbye(sock, 5s), value_after(1s, 7)).or_return();
            CHECK(in_frame::alive == 0);
            REQUIRE(raced.index() == 1);
            CHECK(std::get<1>(raced) == 7);
        },
        here);
    loop.run_until_idle();
    fake_clock::advance(1s);
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    CHECK(there.try_receive() == std::nullopt);
    fake_clock::advance(5s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(there.receive() == "bye");
    CHECK(started.result());
}

TEST_CASE("of two that are ready in one turn one wins and the other takes nothing",
          "[task][when]") {
    test_loop loop;
    auto one = loop.tcp_pair();
    auto other = loop.socket_pair();
    auto started = loop.start(
        [](tcp_socket& a, tcp_socket& b) -> io_task<std::size_t> {
            auto raced = co_await when_any(a.read(), b.read()).or_return();
            co_return raced.index();
        },
        one.here, other.here);
    loop.run_until_idle();
    const bool is_other_first = GENERATE(false, true);
    if (is_other_first) other.there.send("other");
    one.there.send("one");
    if (!is_other_first) other.there.send("other");
    loop.run_until([&] { return started.is_done(); });
    if (started.result().value() == 0)
        CHECK(loop.run(read_text(other.here)).value() == "other");
    else
        CHECK(loop.run(read_text(one.here)).value() == "one");
}

TEST_CASE("a read that loses against the clock leaves its bytes in the socket", "[task][when]") {
    test_loop loop;
    const bool is_tcp = GENERATE(false, true);
    const auto race = GENERATE(read_or_late, late_or_read);
    auto ends = is_tcp ? loop.tcp_pair() : loop.socket_pair();

    SECTION("bytes after the end of the race") {
        auto started = loop.start(race(ends.here, 1s));
        loop.run_until_idle();
        fake_clock::advance(1s);
        loop.run_until_idle();
        REQUIRE(started.is_done());
        CHECK(started.result().value() == "late");
        ends.there.send("bytes");
    }
    SECTION("bytes in the turn in which the time is over, seen by epoll") {
        auto started = loop.start(race(ends.here, 1s));
        loop.run_until_idle();
        ends.there.send("bytes");
        REQUIRE(becomes_readable(ends.here.fd()));
        fake_clock::advance(1s);
        loop.run_until_idle();
        REQUIRE(started.is_done());
        // The descriptor's task is queued first, so the read has won.
        CHECK(started.result().value() == "bytes");
        ends.there.send("bytes");
    }
    SECTION("bytes in the turn in which the time is over, behind epoll's back") {
        auto sender = loop.start(
            [](raw_peer& peer, borrowed_fd fd) -> task<> {
                co_await sleep_for(1s).ignore();
                peer.send("bytes");
                CHECK(becomes_readable(fd));
            },
            ends.there, ends.here.fd());
        loop.run_until_idle();
        auto started = loop.start(race(ends.here, 1s));
        loop.run_until_idle();
        fake_clock::advance(1s);
        loop.run_until_idle();
        CHECK(sender.is_done());
        REQUIRE(started.is_done());
        CHECK(started.result().value() == "late");
    }
    SECTION("bytes that are there when the time is over from the start") {
        ends.there.send("bytes");
        REQUIRE(becomes_readable(ends.here.fd()));
        auto started = loop.start(race(ends.here, 0s));
        loop.run_until_idle();
        REQUIRE(started.is_done());
        if (started.result().value() == "bytes") ends.there.send("bytes");
    }
    CHECK(loop.run(read_text(ends.here)).value() == "bytes");
}

TEST_CASE("a read_exactly that loses says how much it took, and the rest is still there",
          "[task][when]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    std::string into(8, '?');
    std::size_t moved = 0;
    auto started = loop.start(
        [&](tcp_socket& sock) -> io_task<std::size_t> {
            auto raced = co_await when_any(sock.read_exactly(bytes_of(into), &moved), sleep_for(1s))
                             .or_return();
            co_return raced.index();
        },
        here);
    loop.run_until_idle();
    there.send("abc");
    loop.run_until_idle();
    auto sender = loop.start(
        [](raw_peer& peer) -> task<> {
            peer.send("defgh");
            co_return;
        },
        there);
    fake_clock::advance(1s);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(sender.is_done());
    CHECK(started.result().value() == 1);
    CHECK(moved == 3);
    CHECK(into == "abc?????");
    CHECK(loop.run(read_text(here)).value() == "defgh");
}

TEST_CASE("an accept that loses leaves the connection to the next one", "[task][when]") {
    test_loop loop;
    tcp_listener listener = listen_somewhere();
    const auto race = [](tcp_listener& from) -> io_task<std::size_t> {
        auto raced = co_await when_any(sleep_for(1s), from.accept()).or_return();
        co_return raced.index();
    };
    raw_peer peer;
    SECTION("in the same turn, behind epoll's back") {
        auto connects = loop.start([&]() -> task<> {
            co_await sleep_for(1s).ignore();
            peer = connect_raw(where_it_listens(listener));
        });
        loop.run_until_idle();
        auto started = loop.start(race(listener));
        loop.run_until_idle();
        fake_clock::advance(1s);
        loop.run_until_idle();
        CHECK(connects.is_done());
        REQUIRE(started.is_done());
        CHECK(started.result().value() == 0);
    }
    SECTION("afterwards") {
        auto started = loop.start(race(listener));
        loop.run_until_idle();
        fake_clock::advance(1s);
        loop.run_until_idle();
        REQUIRE(started.is_done());
        peer = connect_raw(where_it_listens(listener));
    }
    auto accepted = loop.run(listener.accept());
    REQUIRE(accepted);
    peer.send("hello");
    CHECK(loop.run(read_text(accepted.value())).value() == "hello");
}

TEST_CASE("a lingering close that loses has closed its socket", "[task][when]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto started = loop.start(
        [](tcp_socket& sock) -> io_task<> {
            co_await when_any(sock.lingering_close(1h), sleep_for(1s)).or_return();
        },
        here);
    advance_to_end(loop, 1s, started);
    CHECK(started.result());
    CHECK_FALSE(here.is_open());
    CHECK(there.receive_all().empty());
}

TEST_CASE("a lost lingering close minds that its socket is gone meanwhile", "[task][when]") {
    test_loop loop;
    auto ends = std::make_unique<test_loop::connection>(loop.tcp_pair());
    auto started = loop.start(
        [](tcp_socket& sock) -> io_task<> {
            co_await when_any(sock.lingering_close(1h), sleep_for(1s)).or_return();
        },
        ends->here);
    loop.run_until_idle();
    // In one turn: the race ends, another task destroys the socket, the loser has its turn.
    auto destroyer = loop.start([&ends]() -> task<> {
        co_await sleep_for(1s).ignore();
        ends.reset();
    });
    loop.run_until_idle();
    fake_clock::advance(1s);
    loop.run_until_idle();
    CHECK(destroyer.is_done());
    REQUIRE(started.is_done());
    CHECK(started.result());
}

TEST_CASE("two readers of one socket: the second is told busy and so wins", "[task][when]") {
    test_loop loop;
    auto [here, there] = loop.socket_pair();
    auto started = loop.start(
        [](tcp_socket& sock) -> io_task<> {
            co_await when_any(sock.read(), sock.read()).or_return();
        },
        here);
    loop.run_until_idle();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::busy);
    there.send("x");
    CHECK(loop.run(read_text(here)).value() == "x");
}

TEST_CASE("a join that loses stops the children and waits for them", "[task][when]") {
    test_loop loop;
    task_group group;
    group.spawn([]() -> io_task<> {
        const in_frame here;
        co_await sleep_for(1h).ignore();
        co_await shield(sleep_for(2s)).ignore();
    });
    auto started = loop.start([&group]() -> io_task<> {
        auto raced = co_await when_any(group.join(), sleep_for(1s)).or_return();
        CHECK(raced.index() == 1);
        CHECK(in_frame::alive == 0);
    });
    advance_to_end(loop, 1s + 2s, started);
    CHECK(started.result());
}

TEST_CASE("forty thousand races, each against the clock, leave nothing behind", "[task][when]") {
    test_loop loop;
    long done = 0;
    auto started = loop.start([&done]() -> io_task<> {
        for (int i = 0; i < 20'000; ++i) {
            auto raced =
                co_await when_any(value_after(0ns, i), sleep_for(1h)).timeout(1h).or_return();
            if (raced.index() == 0 && std::get<0>(raced) == i) ++done;
            auto lost =
                co_await when_any(sleep_for(1h), value_after(1ns, i)).timeout(1h).or_return();
            if (lost.index() == 1) ++done;
        }
    });
    while (!started.is_done()) {
        loop.run_until_idle();
        fake_clock::advance(1ns);
    }
    CHECK(started.result());
    CHECK(done == 40'000);
    CHECK(in_frame::alive == 0);
}
