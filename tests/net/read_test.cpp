// Reading from a TCP connection: what each arrival, end and error looks like.
#include <support/net_support.hpp>

#include <algorithm>
#include <sys/ioctl.h>

using namespace dunlin;
using namespace dunlin::test;

namespace {

/// Waits until so many bytes lie in the receive buffer.
void wait_for_bytes(borrowed_fd socket, int count) {
    int there = 0;
    const auto give_up = std::chrono::steady_clock::now() + 5s;
    while (there < count && std::chrono::steady_clock::now() < give_up)
        REQUIRE(::ioctl(socket.get(), FIONREAD, &there) == 0);
    REQUIRE(there >= count);
}

io_task<std::string> read_to_the_end(tcp_socket& from) {
    std::string all;
    while (const auto data = co_await from.read().or_return())
        all += data.text();
    co_return all;
}

io_task<> forget_what_it_reads(tcp_socket& from) { co_await from.read().ignore(); }

} // namespace

TEST_CASE("a read into nothing gives zero at once, and is not the end", "[net][read]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    CHECK(loop.run(read_into(here, {})).value() == 0); // nothing is there, and it does not wait
    there.send("x");
    CHECK(loop.run(read_into(here, {})).value() == 0);
    CHECK(loop.run(read_into(here, loop.scratch())).value() == 1);
}

TEST_CASE("reading exactly nothing succeeds at once, at the end of the stream too", "[net][read]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    std::size_t moved = 9;
    CHECK(loop.run(read_all_of(here, {}, &moved)));
    CHECK(moved == 0);
    there.close();
    CHECK(loop.run(read_text(here)).value().empty());
    CHECK(loop.run(read_all_of(here, {})));
}

TEST_CASE("the end of the stream is an empty buffer, and stays one", "[net][read]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto reading = loop.start(read_text(here));
    loop.run_until_idle();
    REQUIRE_FALSE(reading.is_done());
    there.close();
    loop.run_until([&] { return reading.is_done(); });
    CHECK(reading.result().value().empty());
    CHECK(loop.run(read_text(here)).value().empty());
    CHECK(loop.run(read_into(here, loop.scratch())).value() == 0);
    const auto buffer = loop.run(here.read());
    CHECK(buffer.value().is_end());
    CHECK_FALSE(static_cast<bool>(buffer.value()));
}

TEST_CASE("a FIN behind data: the data first, then the end", "[net][read]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto reading = loop.start(read_to_the_end(here));
    loop.run_until_idle();
    REQUIRE_FALSE(reading.is_done());
    const std::string sent = pattern(200'000);
    there.send(sent.substr(0, 100'000));
    there.send(sent.substr(100'000));
    there.close(); // data and FIN are there before the reader has its turn
    loop.run_until([&] { return reading.is_done(); });
    CHECK(reading.result().value() == sent);
}

TEST_CASE("after the peer's FIN one large write still goes through", "[net][write]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    there.shutdown_write();
    CHECK(loop.run(read_text(here)).value().empty());
    const std::string sent = pattern(8'000'000);
    auto writing = loop.start(write_text(here, sent));
    std::string came;
    loop.run_until([&] {
        while (const auto more = there.try_receive())
            came += *more;
        return writing.is_done() && came.size() >= sent.size();
    });
    CHECK(writing.result());
    CHECK(came == sent);
}

TEST_CASE("bytes behind an urgent one come at once, without a FIN", "[net][read]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    SECTION("read by a reader that waits") {
        auto reading = loop.start(read_text(here));
        loop.run_until_idle();
        REQUIRE_FALSE(reading.is_done());
    }
    SECTION("read as they lie there") {}
    there.send("before");
    there.send_urgent('!');
    there.send("behind");
    std::string came;
    while (came.size() < 12) {
        const auto more = loop.run(read_text(here)); // fails after five seconds
        REQUIRE(more);
        came += more.value();
    }
    CHECK(came == "beforebehind"); // the urgent byte is out of line
    auto waiting = loop.start(read_text(here));
    CHECK(loop.run_until_idle() < 10); // nothing spins behind it
    CHECK_FALSE(waiting.is_done());
    there.send("more");
    loop.run_until([&] { return waiting.is_done(); });
    CHECK(waiting.result().value() == "more");
}

TEST_CASE("urgent data in the middle of what is read exactly is no obstacle", "[net][read]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    std::string into(12, '?');
    auto reading = loop.start(read_all_of(here, bytes_of(into)));
    loop.run_until_idle();
    there.send("before");
    loop.turn();
    there.send_urgent('!');
    there.send("behind");
    loop.run_until([&] { return reading.is_done(); });
    CHECK(reading.result());
    CHECK(into == "beforebehind");
}

TEST_CASE("an urgent byte alone wakes nobody for long", "[net][read]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto reading = loop.start(read_text(here));
    loop.run_until_idle();
    there.send_urgent('!');
    CHECK(loop.run_until_idle() < 10); // PRI is edge-triggered: it does not spin
    CHECK_FALSE(reading.is_done());
    there.send("x");
    loop.run_until([&] { return reading.is_done(); });
    CHECK(reading.result().value() == "x");
}

TEST_CASE("a reset behind data gives the data or the reset, and never the end first",
          "[net][read]") {
    // Linux drops what is unread when a reset comes; what was read before it is ours.
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    there.send("last words");
    CHECK(loop.run(read_into(here, loop.scratch().first(4))).value() == 4);
    there.reset();
    const auto next = loop.run(read_text(here));
    if (next) CHECK(next.value() == " words");
    const auto after = next ? loop.run(read_text(here)) : next;
    REQUIRE_FALSE(after);
    CHECK(after.error() == std::errc::connection_reset);
}

TEST_CASE("a reset with nothing behind it is told once, then comes the end", "[net][read]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto reading = loop.start(read_text(here));
    loop.run_until_idle();
    REQUIRE_FALSE(reading.is_done());
    there.reset();
    loop.run_until([&] { return reading.is_done(); });
    CHECK(reading.result().error() == std::errc::connection_reset);
    CHECK(loop.run(read_text(here)).value().empty());
}

TEST_CASE("a reset wakes a writer and a reader alike", "[net][read][write]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto reading = loop.start(read_text(here));
    auto writing = loop.start(write_text(here, std::string(30'000'000, '.')));
    loop.run_until_idle();
    REQUIRE_FALSE(reading.is_done());
    REQUIRE_FALSE(writing.is_done());
    there.reset();
    loop.run_until([&] { return reading.is_done() && writing.is_done(); });
    const auto read = reading.result();
    const auto written = writing.result();
    REQUIRE_FALSE(written);
    // The kernel gives the error to whoever asks first; the other sees that it is over.
    CHECK((written.error() == std::errc::connection_reset ||
           written.error() == std::errc::broken_pipe));
    if (read)
        CHECK(read.value().empty());
    else
        CHECK(read.error() == std::errc::connection_reset);
}

TEST_CASE("read_exactly counts what it took, however it ends", "[net][read]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    std::string into(10, '?');
    std::size_t moved = 99;
    auto reading = loop.start(read_all_of(here, bytes_of(into), &moved));
    there.send("abc");
    loop.run_until([&] { return moved == 3; });
    loop.run_until_idle();
    REQUIRE_FALSE(reading.is_done());

    SECTION("by the end of the stream") {
        there.send("de");
        there.close();
        loop.run_until([&] { return reading.is_done(); });
        CHECK(reading.result().error() == errc::end_of_stream);
        CHECK(moved == 5);
        CHECK(into == "abcde?????");
    }
    SECTION("by a reset") {
        there.reset();
        loop.run_until([&] { return reading.is_done(); });
        CHECK(reading.result().error() == std::errc::connection_reset);
        CHECK(moved == 3);
    }
    SECTION("by a stop") {
        reading.stop();
        loop.turn();
        REQUIRE(reading.is_done());
        CHECK(reading.result().error() == errc::stopped);
        CHECK(moved == 3);
        there.send("defghijkl");
        CHECK(loop.run(read_text(here)).value() == "defghijkl");
    }
    SECTION("by destruction") {
        reading.destroy();
        CHECK(moved == 3);
        there.send("defghijkl");
        CHECK(loop.run(read_text(here)).value() == "defghijkl");
    }
    SECTION("by a close") {
        here.close();
        loop.turn();
        REQUIRE(reading.is_done());
        CHECK(reading.result().error() == errc::closed);
        CHECK(moved == 3);
    }
    SECTION("by success") {
        there.send("defghijkl");
        loop.run_until([&] { return reading.is_done(); });
        CHECK(reading.result());
        CHECK(moved == 10);
        CHECK(into == "abcdefghij");
        CHECK(loop.run(read_text(here)).value() == "kl"); // and not a byte more
    }
}

TEST_CASE("a partial read leaves the rest for the next one, which does not wait", "[net][read]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto waiting = loop.start(read_into(here, loop.scratch().first(3)));
    loop.run_until_idle();
    there.send("0123456789"); // one edge
    loop.run_until([&] { return waiting.is_done(); });
    CHECK(waiting.result().value() == 3);
    for (const std::size_t left : {7U, 4U, 1U}) {
        const auto next = loop.run(read_into(here, loop.scratch().first(3)));
        CHECK(next.value() == std::min<std::size_t>(left, 3));
    }
    auto last = loop.start(read_text(here));
    loop.run_until_idle();
    CHECK_FALSE(last.is_done());
}

TEST_CASE("a read of everything takes no more than 32 KiB at once", "[net][read]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    const std::string sent = pattern(100'000);
    there.send(sent);
    wait_for_bytes(here.fd(), 100'000);
    std::string came;
    while (came.size() < sent.size()) {
        const auto data = loop.run(here.read());
        CHECK(data.value().size() <= 32U * 1024);
        came += data.value().text();
    }
    CHECK(came == sent);
}

TEST_CASE("an ignored read takes what it read, and nothing leaks", "[net][read]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    there.send("gone");
    loop.run(forget_what_it_reads(here)).value();
    there.send("kept");
    CHECK(loop.run(read_text(here)).value() == "kept");
}

TEST_CASE("a buffer moves, and its bytes with it", "[net][buffer]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    there.send("bytes");
    auto first = loop.run(here.read()).value();
    buffer second{std::move(first)};
    CHECK(first.is_end()); // NOLINT: what a moved-from buffer is, is promised
    CHECK(second.text() == "bytes");
    second = buffer{};
    CHECK(second.is_end());
    CHECK(second.size() == 0);
}
