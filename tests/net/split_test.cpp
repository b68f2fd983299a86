// A socket in two halves, for two tasks.
#include <support/net_support.hpp>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<std::string> receive_all(tcp_reader from) {
    std::string all;
    while (const auto data = co_await from.read().or_return())
        all += data.text();
    co_return all;
}

io_task<> send_and_die(tcp_writer to, std::string text) { co_await to.write(text).or_return(); }

io_task<std::string> read_half(tcp_reader& from) {
    const auto data = co_await from.read().or_return();
    co_return std::string{data.text()};
}
io_task<> write_half(tcp_writer& to, std::string text) { co_await to.write(text).or_return(); }
io_task<> half_readable(tcp_reader& from) { co_await from.readable().or_return(); }
io_task<> half_writable(tcp_writer& to) { co_await to.writable().or_return(); }

io_task<> echo_by_two(tcp_socket sock) {
    auto [reader, writer] = std::move(sock).split();
    while (const auto data = co_await reader.read().or_return())
        co_await writer.write(data).or_return();
}

struct scene {
    test_loop loop;
    test_loop::connection ends = loop.tcp_pair();
    tcp_reader reader;
    tcp_writer writer;
    scene() {
        auto halves = std::move(ends.here).split();
        reader = std::move(halves.first);
        writer = std::move(halves.second);
    }
};

} // namespace

TEST_CASE("the halves of a socket read and write in two tasks at once", "[net][split]") {
    scene s;
    CHECK_FALSE(s.ends.here.is_open());
    const std::string sent = pattern(5'000'000);
    auto reading = s.loop.start(receive_all(std::move(s.reader)));
    auto writing = s.loop.start(send_and_die(std::move(s.writer), sent));
    std::string came;
    std::size_t given = 0;
    s.loop.run_until([&] {
        if (given < 100'000) {
            s.ends.there.send(sent.substr(given, 1000));
            given += 1000;
            if (given == 100'000) s.ends.there.shutdown_write();
        }
        while (const auto more = s.ends.there.try_receive()) {
            if (more->empty()) break;
            came += *more;
        }
        return reading.is_done() && writing.is_done() && came.size() == sent.size();
    });
    CHECK(writing.result());
    CHECK(came == sent);
    CHECK(reading.result().value() == sent.substr(0, 100'000));
}

TEST_CASE("when the writer goes the peer reads the end, and the reader goes on", "[net][split]") {
    scene s;
    const std::size_t before = open_descriptors();
    auto reading = s.loop.start(receive_all(std::move(s.reader)));
    auto writing = s.loop.start(send_and_die(std::move(s.writer), "last words"));
    s.loop.run_until_idle();
    CHECK(writing.is_done());
    CHECK_FALSE(reading.is_done());
    CHECK(s.ends.there.receive_all() == "last words");
    CHECK(open_descriptors() == before); // still open
    s.ends.there.send("answer");
    s.ends.there.close();
    s.loop.run_until([&] { return reading.is_done(); });
    CHECK(reading.result().value() == "answer");
    CHECK(open_descriptors() == before - 2);
}

TEST_CASE("when the reader goes the writer goes on, and the last one closes", "[net][split]") {
    scene s;
    const std::size_t before = open_descriptors();
    s.reader.close();
    CHECK_FALSE(s.reader.is_open());
    CHECK(s.writer.is_open());
    CHECK(s.loop.run(read_half(s.reader)).error() == errc::closed);
    CHECK(s.loop.run(write_half(s.writer, "more")));
    CHECK(s.ends.there.receive() == "more");
    CHECK(open_descriptors() == before);
    s.writer.close();
    CHECK(open_descriptors() == before - 1);
    CHECK(s.ends.there.receive().empty());
    CHECK(s.loop.run(write_half(s.writer, "more")).error() == errc::closed);
    CHECK(s.writer.shutdown_write().error() == errc::closed);
    s.writer.close();
    s.reader.close();
}

TEST_CASE("halves may die in any order, also while tasks wait on them", "[net][split]") {
    scene s;
    auto reading = s.loop.start(receive_all(std::move(s.reader)));
    auto writing = s.loop.start(send_and_die(std::move(s.writer), std::string(30'000'000, '.')));
    s.loop.run_until_idle();
    REQUIRE_FALSE(reading.is_done());
    REQUIRE_FALSE(writing.is_done());
    const std::size_t before = open_descriptors();
    SECTION("reader first") {
        reading.destroy();
        CHECK(open_descriptors() == before);
        writing.destroy();
    }
    SECTION("writer first") {
        writing.destroy();
        CHECK(open_descriptors() == before);
        s.loop.run_until_idle();
        CHECK_FALSE(reading.is_done());
        reading.destroy();
    }
    CHECK(open_descriptors() == before - 1);
}

TEST_CASE("a half that is closed while both wait tells its task when the other goes",
          "[net][split]") {
    scene s;
    auto reading = s.loop.start(read_half(s.reader));
    s.loop.run_until_idle();
    s.reader.close();
    s.loop.run_until_idle();
    CHECK_FALSE(reading.is_done());
    s.writer.close();
    s.loop.run_until_idle();
    REQUIRE(reading.is_done());
    CHECK(reading.result().error() == errc::closed);
}

TEST_CASE("closing the writing half ends a write that waits on it", "[net][split]") {
    scene s;
    auto writing = s.loop.start(write_half(s.writer, std::string(30'000'000, '.')));
    s.loop.run_until_idle();
    REQUIRE_FALSE(writing.is_done());
    s.writer.close();
    s.loop.run_until([&] { return writing.is_done(); });
    CHECK(writing.result().error() == std::errc::broken_pipe);
}

TEST_CASE("each half keeps its place: two readers are one too many", "[net][split]") {
    scene s;
    auto reading = s.loop.start(read_half(s.reader));
    s.loop.run_until_idle();
    CHECK(s.loop.run(half_readable(s.reader)).error() == errc::busy);
    CHECK(s.loop.run(half_writable(s.writer)));
    CHECK(s.reader.fd() == s.writer.fd());
    CHECK_FALSE(reading.is_done());
}

TEST_CASE("splitting a closed socket gives two closed halves", "[net][split]") {
    test_loop loop;
    auto [reader, writer] = tcp_socket{}.split();
    CHECK_FALSE(reader.is_open());
    CHECK_FALSE(writer.is_open());
    CHECK(loop.run(read_half(reader)).error() == errc::closed);
    CHECK(loop.run(write_half(writer, "x")).error() == errc::closed);
}

TEST_CASE("halves are moved like sockets", "[net][split]") {
    scene s;
    tcp_reader reader = std::move(s.reader);
    tcp_writer writer = std::move(s.writer);
    CHECK_FALSE(s.reader.is_open()); // NOLINT: what a moved-from half is, is promised
    CHECK_FALSE(s.writer.is_open()); // NOLINT
    CHECK_FALSE(s.ends.there.try_receive().has_value()); // and nothing was ended by it
    CHECK(s.loop.run(write_half(writer, "x")));
    CHECK(s.ends.there.receive() == "x");
    writer = tcp_writer{}; // which ends the one it had
    CHECK(s.ends.there.receive().empty());
    CHECK(reader.is_open());
}

TEST_CASE("one task may use both halves", "[net][split]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto echoing = loop.start(echo_by_two(std::move(here)));
    there.send("to and fro");
    there.shutdown_write();
    loop.run_until([&] { return echoing.is_done(); });
    CHECK(echoing.result());
    CHECK(there.receive_all() == "to and fro");
}
