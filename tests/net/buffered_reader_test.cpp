// Frames out of every kind of stream.
#include <support/fake_clock.hpp>
#include <support/streams.hpp>

#include <dunlin/net/buffered_reader.hpp>
#include <dunlin/task/when.hpp>

using namespace dunlin;
using namespace dunlin::test;

namespace {

#define EVERY_KIND                                                                                 \
    over_sockets, in_memory, by_tasks<in_memory>, erased<over_sockets>, erased<in_memory>

/// A reader of one end, and the other end.
template <class Kind>
struct scene {
    using type = typename Kind::type;

    void send(std::string text) {
        auto writing = loop.start(write_all(there, std::move(text)));
        loop.run_until_idle();
        REQUIRE(writing.is_done());
        REQUIRE(writing.result());
    }
    void end() { REQUIRE(there.shutdown_write()); }

    // A reader's view as text of its own, or what went wrong.
    std::string line(std::size_t limit) {
        const auto came = loop.run(reader.read_line(limit));
        if (!came) return "<" + came.error().message() + ">";
        return came.value() ? std::string{*came.value()} : "<end>";
    }
    std::string until(std::string_view delimiter, std::size_t limit) {
        const auto came = loop.run(reader.read_until(delimiter, limit));
        return came ? std::string{came.value()} : "<" + came.error().message() + ">";
    }
    std::string exactly(std::size_t count) {
        const auto came = loop.run(reader.read_exactly(count));
        return came ? std::string{text_of(came.value())} : "<" + came.error().message() + ">";
    }
    std::string peek() {
        const auto came = loop.run(reader.peek());
        return came ? std::string{text_of(came.value())} : "<" + came.error().message() + ">";
    }
    std::string rest() { return std::string{text_of(reader.buffered())}; }

    test_loop loop;
    std::pair<type, type> ends = Kind::pair();
    buffered_reader<type> reader{std::move(ends.first)};
    type& there = ends.second;
};

const std::string too_long = "<" + make_error_code(errc::too_long).message() + ">";
const std::string early_end = "<" + make_error_code(errc::end_of_stream).message() + ">";

} // namespace

TEMPLATE_TEST_CASE("lines come one by one, without their ends", "[net][buffered_reader]",
                   EVERY_KIND) {
    scene<TestType> s;
    s.send("one\ntwo\r\n\n\r\nfi\rve\n\r\r\nlast");
    s.end();
    CHECK(s.line(10) == "one");
    CHECK(s.line(10) == "two");
    CHECK(s.line(10) == "");
    CHECK(s.line(10) == "");
    CHECK(s.line(10) == "fi\rve");
    CHECK(s.line(10) == "\r");
    CHECK(s.line(10) == "last"); // without an end
    CHECK(s.line(10) == "<end>");
    CHECK(s.line(10) == "<end>");
}

TEMPLATE_TEST_CASE("a line that is not whole yet is waited for", "[net][buffered_reader]",
                   EVERY_KIND) {
    scene<TestType> s;
    const auto keep = [](auto& from) -> io_task<std::string> {
        const auto line = co_await from.read_line(100).or_return();
        co_return std::string{line.value()};
    };
    auto reading = s.loop.start(keep, s.reader);
    for (const char* const piece : {"a", "bc", "\r"}) {
        s.send(piece);
        REQUIRE_FALSE(reading.is_done());
    }
    s.send("\nnext");
    REQUIRE(reading.is_done());
    CHECK(reading.result().value() == "abc");
    CHECK(s.rest() == "next");
}

TEMPLATE_TEST_CASE("a line may have as many bytes as the limit says; one more and nothing is taken",
                   "[net][buffered_reader]", EVERY_KIND) {
    scene<TestType> s;
    s.send("12345\n12345\r\n123456\n");
    CHECK(s.line(5) == "12345");
    CHECK(s.line(5) == "12345");
    CHECK(s.line(5) == too_long);
    CHECK(s.line(5) == too_long);
    CHECK(s.rest() == "123456\n");
    CHECK(s.line(6) == "123456");
}

TEMPLATE_TEST_CASE("a line is too long as soon as that is certain, without waiting for its end",
                   "[net][buffered_reader]", EVERY_KIND) {
    scene<TestType> s;
    s.send("12345\r"); // may still be one of five
    auto reading = s.loop.start(
        [](auto& from) -> io_task<> { co_await from.read_line(5).or_return(); }, s.reader);
    s.loop.run_until_idle();
    REQUIRE_FALSE(reading.is_done());
    s.send("6");
    REQUIRE(reading.is_done());
    CHECK(reading.result().error() == errc::too_long);
    CHECK(s.rest() == "12345\r6");
    CHECK(s.line(0) == too_long);
}

TEMPLATE_TEST_CASE("read_until gives all up to the delimiter, and that", "[net][buffered_reader]",
                   EVERY_KIND) {
    scene<TestType> s;
    s.send("head: 1\r\n\r\nbody;;");
    CHECK(s.until("\r\n\r\n", 100) == "head: 1\r\n\r\n");
    CHECK(s.until(";", 5) == "body;");
    CHECK(s.until(";", 1) == ";");
    s.send("aab");
    CHECK(s.until("ab", 2) == too_long);
    CHECK(s.until("ab", 3) == "aab");
    s.send("no end");
    s.end();
    CHECK(s.until("\n", 100) == early_end);
    CHECK(s.rest() == "no end");
    CHECK(s.line(100) == "no end");
    CHECK(s.until("\n", 100) == early_end);
}

TEMPLATE_TEST_CASE("a delimiter that comes in pieces is found", "[net][buffered_reader]",
                   EVERY_KIND) {
    scene<TestType> s;
    const auto keep = [](auto& from) -> io_task<std::string> {
        const auto came = co_await from.read_until("\r\n\r\n", 100).or_return();
        co_return std::string{came};
    };
    auto reading = s.loop.start(keep, s.reader);
    for (const char* const piece : {"a\r", "\n\r", "\r\n", "\r"}) {
        s.send(piece);
        REQUIRE_FALSE(reading.is_done());
    }
    s.send("\nrest");
    REQUIRE(reading.is_done());
    CHECK(reading.result().value() == "a\r\n\r\r\n\r\n");
    CHECK(s.rest() == "rest");
}

TEMPLATE_TEST_CASE("read_exactly gives as many bytes as were asked for, or takes none",
                   "[net][buffered_reader]", EVERY_KIND) {
    scene<TestType> s;
    s.send("abcdefgh");
    CHECK(s.exactly(0) == "");
    CHECK(s.exactly(3) == "abc");
    std::string into(2, '?');
    CHECK(s.loop.run(s.reader.read_exactly(bytes_of(into))));
    CHECK(into == "de");
    std::size_t moved = 99;
    CHECK(s.loop.run(s.reader.read_exactly(bytes_of(into), moved)));
    CHECK(into == "fg");
    CHECK(moved == 2);
    s.end();
    into = "?????";
    CHECK(s.exactly(2) == early_end);
    CHECK(s.loop.run(s.reader.read_exactly(bytes_of(into))).error() == errc::end_of_stream);
    CHECK(into == "?????");
    CHECK(s.rest() == "h");
    CHECK(s.loop.run(s.reader.read_exactly(bytes_of(into), moved)).error() == errc::end_of_stream);
    CHECK(moved == 1);
    CHECK(into == "h????");
    CHECK(s.loop.run(s.reader.read_exactly(std::span<std::byte>{})));
}

TEMPLATE_TEST_CASE("peek shows what is next, and takes nothing", "[net][buffered_reader]",
                   EVERY_KIND) {
    scene<TestType> s;
    s.send("abc");
    CHECK(s.peek() == "abc");
    CHECK(s.peek() == "abc");
    CHECK(s.exactly(1) == "a");
    CHECK(s.peek() == "bc");
    CHECK(s.exactly(2) == "bc");
    s.end();
    CHECK(s.peek() == "");
}

TEMPLATE_TEST_CASE("read gives what is buffered, then what comes, then the end",
                   "[net][buffered_reader]", EVERY_KIND) {
    scene<TestType> s;
    s.send("line\nmore");
    CHECK(s.line(10) == "line");
    CHECK(s.loop.run(s.reader.read()).value().text() == "more");
    s.send("then");
    CHECK(s.loop.run(s.reader.read()).value().text() == "then");
    s.send("line\nmore");
    CHECK(s.line(10) == "line");
    std::string into(3, '?');
    CHECK(s.loop.run(s.reader.read(std::span<std::byte>{})).value() == 0);
    CHECK(s.loop.run(s.reader.read(bytes_of(into))).value() == 3);
    CHECK(into == "mor");
    CHECK(s.loop.run(s.reader.read(bytes_of(into))).value() == 1);
    CHECK(into == "eor");
    s.send("xy");
    CHECK(s.loop.run(s.reader.read(bytes_of(into))).value() == 2);
    CHECK(into == "xyr");
    s.end();
    CHECK(s.loop.run(s.reader.read()).value().is_end());
    CHECK(s.loop.run(s.reader.read(bytes_of(into))).value() == 0);
}

TEMPLATE_TEST_CASE("a frame may be larger than a block", "[net][buffered_reader]", EVERY_KIND) {
    scene<TestType> s;
    const std::string large(200'000, 'x');
    const std::string larger(100'001, 'y');
    auto writing = s.loop.start(write_all(s.there, large + "\n" + larger + "\nz"));
    CHECK((s.line(200'000) == large));
    CHECK(s.line(100'000) == too_long);
    CHECK((s.line(100'001) == larger));
    s.loop.run_until_idle();
    REQUIRE(writing.is_done());
    CHECK(s.exactly(1) == "z");
    auto again = s.loop.start(write_all(s.there, large + large));
    CHECK((s.exactly(300'000) == (large + large).substr(0, 300'000)));
    const auto piece = s.loop.run(s.reader.read());
    CHECK(piece.value().size() <= 32 * 1024);
    CHECK((s.exactly(100'000 - piece.value().size()) ==
           large.substr(0, 100'000 - piece.value().size())));
    s.loop.run_until_idle();
    CHECK(again.is_done());
}

TEMPLATE_TEST_CASE("a timeout ends a frame that does not come, and what came of it stays",
                   "[net][buffered_reader]", EVERY_KIND) {
    scene<TestType> s;
    s.send("half a li");
    auto reading = s.loop.start(
        [](auto& from) -> io_task<> { co_await from.read_line(100).timeout(5ms).or_return(); },
        s.reader);
    s.loop.run_until_idle();
    REQUIRE_FALSE(reading.is_done());
    fake_clock::advance(5ms);
    s.loop.run_until_idle();
    REQUIRE(reading.is_done());
    CHECK(reading.result().error() == errc::timeout);
    s.send("ne\n");
    CHECK(s.line(100) == "half a line");
}

TEMPLATE_TEST_CASE("under a stop what is buffered is still given, what is not is not waited for",
                   "[net][buffered_reader]", EVERY_KIND) {
    scene<TestType> s;
    s.send("one\ntwo\nthr");
    std::size_t lines = 0;
    auto reading = s.loop.start(
        [&lines](auto& from) -> io_task<> {
            while (const auto line = co_await from.read_line(100).or_return())
                ++lines;
        },
        s.reader);
    reading.stop();
    s.loop.run_until_idle();
    REQUIRE(reading.is_done());
    CHECK(reading.result().error() == errc::stopped);
    CHECK(lines == 2);
    CHECK(s.rest() == "thr");
}

TEMPLATE_TEST_CASE("a second operation is told busy, and the first is not disturbed",
                   "[net][buffered_reader]", EVERY_KIND) {
    scene<TestType> s;
    auto first = s.loop.start(
        [](auto& from) -> io_task<std::size_t> {
            const auto line = co_await from.read_line(100).or_return();
            co_return line.value().size();
        },
        s.reader);
    s.loop.run_until_idle();
    CHECK(s.line(100) == "<" + make_error_code(errc::busy).message() + ">");
    CHECK(s.loop.run(s.reader.read()).error() == errc::busy);
    std::byte one[1];
    CHECK(s.loop.run(s.reader.read(one)).error() == errc::busy);
    CHECK(s.loop.run(s.reader.read_exactly(one)).error() == errc::busy);
    std::size_t moved = 1;
    CHECK(s.loop.run(s.reader.read_exactly(one, moved)).error() == errc::busy);
    CHECK(moved == 0);
    s.send("four\n");
    REQUIRE(first.is_done());
    CHECK(first.result().value() == 4);
    s.send("free\n");
    CHECK(s.line(100) == "free");
}

TEMPLATE_TEST_CASE("while one task reads lines another one writes, and may close",
                   "[net][buffered_reader]", EVERY_KIND) {
    scene<TestType> s;
    auto reading = s.loop.start(
        [](auto& from) -> io_task<> { co_await from.read_line(100).or_return(); }, s.reader);
    s.loop.run_until_idle();
    REQUIRE(s.loop.run(write_all(s.reader.stream(), "answer")));
    CHECK(s.loop.run(read_some(s.there)).value() == "answer");
    REQUIRE_FALSE(reading.is_done());
    s.reader.close();
    s.loop.run_until_idle();
    REQUIRE(reading.is_done());
    CHECK(reading.result().error() == errc::closed);
}

TEMPLATE_TEST_CASE("the stream is taken out with its unread rest, which a new reader begins with",
                   "[net][buffered_reader]", EVERY_KIND) {
    scene<TestType> s;
    s.send("upgrade\nother protocol");
    CHECK(s.line(100) == "upgrade");
    auto taken = std::move(s.reader).release();
    CHECK(text_of(taken.second.bytes()) == "other protocol");
    CHECK(s.reader.buffered().empty());
    s.reader = buffered_reader{std::move(taken.first), std::move(taken.second)};
    s.send("!\n");
    CHECK(s.line(100) == "other protocol!");
    buffered_reader moved{std::move(s.reader)};
    REQUIRE(s.loop.run(write_all(s.there, "x\n")));
    const auto line = s.loop.run(moved.read_line(1));
    CHECK(line.value() == "x");
}

TEST_CASE("a reader of a half reads while the other half writes", "[net][buffered_reader]") {
    test_loop loop;
    auto ends = over_sockets::pair();
    auto halves = std::move(ends.first).split();
    buffered_reader reader{std::move(halves.first)};
    REQUIRE(loop.run(write_all(ends.second, "line\n")));
    const auto line = loop.run(reader.read_line(10));
    CHECK(line.value() == "line");
    REQUIRE(loop.run(write_all(halves.second, "answer")));
    CHECK(loop.run(read_some(ends.second)).value() == "answer");
}

TEST_CASE("a reader that always finds a line lets others run", "[net][buffered_reader]") {
    scene<in_memory> s;
    std::string all;
    for (int i = 0; i < 1000; ++i)
        all += '\n';
    s.send(all);
    std::size_t lines = 0;
    auto reading = s.loop.start(
        [&lines](auto& from) -> io_task<> {
            while (const auto line = co_await from.read_line(100).or_return())
                ++lines;
        },
        s.reader);
    s.loop.turn();
    CHECK(lines > 0);
    CHECK(lines <= 65);
    s.loop.run_until_idle();
    CHECK(lines == 1000);
}

TEST_CASE("destroying a reader that is being used is caught", "[net][buffered_reader]") {
    const int status = status_of_child([] {
        test_loop loop;
        auto ends = memory_stream_pair(16);
        auto reader = std::optional{buffered_reader{std::move(ends.first)}};
        auto reading = loop.start(
            [](auto& from) -> io_task<> { co_await from.read_line(10).or_return(); }, *reader);
        loop.run_until_idle();
        reader.reset();
    });
    CHECK(was_aborted(status));
}
