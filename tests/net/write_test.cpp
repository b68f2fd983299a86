// Writing to a TCP connection: everything arrives once and in order, or the error says how far it
// got.
#include <support/net_support.hpp>

#include <array>
#include <csignal>
#include <sys/socket.h>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

using piece = std::span<const std::byte>;

std::vector<piece> in_pieces(std::string_view text, std::size_t size) {
    const auto bytes = std::as_bytes(std::span{text});
    std::vector<piece> pieces;
    for (std::size_t at = 0; at < bytes.size(); at += size)
        pieces.push_back(bytes.subspan(at, std::min(size, bytes.size() - at)));
    return pieces;
}

io_task<> write_pieces(tcp_socket& to, std::span<const piece> pieces,
                       std::size_t* moved = nullptr) {
    co_await to.write(pieces, moved).or_return();
}

io_task<> write_three(tcp_socket& to, std::string_view text, std::size_t* moved) {
    const std::size_t third = text.size() / 3;
    co_await to
        .write(text.substr(0, third), text.substr(third, third), text.substr(2 * third), moved)
        .or_return();
}

io_task<> write_a_temporary(tcp_socket& to) {
    co_await to.write(std::string(300'000, 'x')).or_return();
}

io_task<> write_temporaries(tcp_socket& to) {
    co_await to.write(std::string(300'000, 'x'), std::string(300'000, 'y')).or_return();
}

io_task<> write_every_kind(tcp_socket& to) {
    const std::string text = "string ";
    const std::string_view view = "view ";
    const std::vector<char> chars{'c', 'h', 'a', 'r', 's', ' '};
    const std::array<std::byte, 2> bytes{std::byte{'b'}, std::byte{' '}};
    co_await to.write(text).or_return();
    co_await to.write(view).or_return();
    co_await to.write("literal ").or_return();
    co_await to.write(chars).or_return();
    co_await to.write(bytes).or_return();
    co_await to.write("several ", text, view, bytes).or_return();
}

/// A connection whose send buffer holds only a few KiB, so that every large write goes in many
/// steps.
struct narrow {
    test_loop loop;
    test_loop::connection ends = loop.tcp_pair();
    narrow() { shrink_send_buffer(ends.here.fd()); }

    /// Receives in chunks of `chunk` while the loop runs, until the task is done and all has come.
    template <class T>
    std::string receive_until_done(pending<T>& writing, std::size_t chunk) {
        std::string came;
        loop.run_until([&] {
            for (;;) {
                const auto more = ends.there.try_receive(chunk);
                if (!more || more->empty()) break;
                came += *more;
            }
            return writing.is_done();
        });
        while (const auto more = ends.there.try_receive())
            came += *more;
        return came;
    }
};

void check_broken(const std::error_code why) {
    CHECK((why == std::errc::broken_pipe || why == std::errc::connection_reset));
}

} // namespace

TEST_CASE("whatever is bytes or text can be written", "[net][write]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    CHECK(loop.run(write_every_kind(here)));
    CHECK(there.receive_exactly(50) == "string view literal chars b several string view b ");
}

TEST_CASE("a large write through small buffers arrives whole and in order", "[net][write]") {
    narrow n;
    const std::string sent = pattern(300'001);
    std::size_t moved = 99;
    SECTION("in one piece") {
        auto writing = n.loop.start(write_text(n.ends.here, sent, &moved));
        CHECK(n.receive_until_done(writing, 1000) == sent);
        CHECK(writing.result());
    }
    SECTION("in three") {
        auto writing = n.loop.start(write_three(n.ends.here, sent, &moved));
        CHECK(n.receive_until_done(writing, 777) == sent);
        CHECK(writing.result());
    }
    SECTION("in 3,000, which is more than one call takes") {
        const auto pieces = in_pieces(sent, 101);
        auto writing = n.loop.start(write_pieces(n.ends.here, pieces, &moved));
        CHECK(n.receive_until_done(writing, 4096) == sent);
        CHECK(writing.result());
    }
    CHECK(moved == sent.size());
}

TEST_CASE("3,000 pieces go out at once if there is room", "[net][write]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    const std::string sent = pattern(3000);
    const auto pieces = in_pieces(sent, 1);
    std::size_t moved = 99;
    CHECK(loop.run(write_pieces(here, pieces, &moved)));
    CHECK(moved == 3000);
    CHECK(there.receive_exactly(3000) == sent);
}

TEST_CASE("empty pieces are nothing, wherever they stand", "[net][write]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    std::size_t moved = 99;
    const piece empty;
    const auto text = std::as_bytes(std::span{"ab", 2});

    CHECK(loop.run(write_text(here, "", &moved)));
    CHECK(moved == 0);
    CHECK(loop.run(write_some_text(here, "")).value() == 0);
    moved = 99;
    CHECK(loop.run(write_three(here, "", &moved)));
    CHECK(moved == 0);
    moved = 99;
    CHECK(loop.run(write_pieces(here, {}, &moved)));
    CHECK(moved == 0);
    const std::vector<piece> nothing(3000, empty);
    CHECK(loop.run(write_pieces(here, nothing, &moved)));
    CHECK(moved == 0);
    CHECK_FALSE(there.try_receive().has_value());

    std::vector<piece> sparse(3000, empty);
    sparse[1] = text.first(1);
    sparse[2000] = text.last(1);
    CHECK(loop.run(write_pieces(here, sparse, &moved)));
    CHECK(moved == 2);
    CHECK(there.receive_exactly(2) == "ab");
    CHECK(loop.run(write_three(here, "z", &moved))); // two empty ones in front
    CHECK(moved == 1);
    CHECK(there.receive() == "z");
}

TEST_CASE("a temporary lives until its write is over", "[net][write]") {
    narrow n;
    SECTION("one") {
        auto writing = n.loop.start(write_a_temporary(n.ends.here));
        CHECK(n.receive_until_done(writing, 4096) == std::string(300'000, 'x'));
        CHECK(writing.result());
    }
    SECTION("several") {
        auto writing = n.loop.start(write_temporaries(n.ends.here));
        CHECK(n.receive_until_done(writing, 4096) ==
              std::string(300'000, 'x') + std::string(300'000, 'y'));
        CHECK(writing.result());
    }
}

TEST_CASE("a write counts what it sent, however it ends", "[net][write]") {
    narrow n;
    const std::string sent = pattern(300'000);
    const auto pieces = in_pieces(sent, 100);
    std::size_t moved = 99;
    const int form = GENERATE(0, 1, 2);
    CAPTURE(form);
    auto writing = n.loop.start(form == 0   ? write_text(n.ends.here, sent, &moved)
                                : form == 1 ? write_three(n.ends.here, sent, &moved)
                                            : write_pieces(n.ends.here, pieces, &moved));
    n.loop.run_until_idle();
    REQUIRE_FALSE(writing.is_done());
    REQUIRE(moved > 0);
    REQUIRE(moved < sent.size());
    std::string came;
    while (came.size() < moved)
        came += n.ends.there.receive();

    SECTION("by a stop") {
        n.loop.run_until_idle(); // there was room again: it went on
        writing.stop();
        n.loop.run_until_idle();
        REQUIRE(writing.is_done());
        CHECK(writing.result().error() == errc::stopped);
    }
    SECTION("by destruction") {
        n.loop.run_until_idle();
        REQUIRE_FALSE(writing.is_done());
        writing.destroy();
    }
    SECTION("by a close") {
        n.loop.run_until_idle();
        n.ends.here.close();
        n.loop.turn();
        REQUIRE(writing.is_done());
        CHECK(writing.result().error() == errc::closed);
    }
    SECTION("by a reset") {
        n.loop.run_until_idle();
        const std::size_t before = moved;
        n.ends.there.reset();
        n.loop.run_until([&] { return writing.is_done(); });
        check_broken(writing.result().error());
        CHECK(moved == before);
        return;
    }
    n.ends.here.close();
    came += n.ends.there.receive_all();
    CHECK(came.size() == moved);
    CHECK(came == sent.substr(0, moved));
}

TEST_CASE("writing to a peer that is gone is an error value and raises no SIGPIPE",
          "[net][write]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    struct sigaction before{};
    REQUIRE(::sigaction(SIGPIPE, nullptr, &before) == 0);
    REQUIRE(before.sa_handler == SIG_DFL); // so a SIGPIPE would end this program
    there.reset();
    const int form = GENERATE(0, 1, 2);
    std::error_code first;
    std::error_code second;
    const std::string text = "more words";
    const auto pieces = in_pieces(text, 3);
    for (std::error_code* why : {&first, &second}) {
        // The first may still get the reset itself, all that follow find the pipe broken.
        auto wrote = loop.run(form == 0   ? write_text(here, text)
                              : form == 1 ? write_three(here, text, nullptr)
                                          : write_pieces(here, pieces));
        *why = wrote ? std::error_code{} : wrote.error();
    }
    check_broken(first);
    CHECK(second == std::errc::broken_pipe);
    CHECK(loop.run(write_some_text(here, text)).error() == std::errc::broken_pipe);
    struct sigaction after{};
    REQUIRE(::sigaction(SIGPIPE, nullptr, &after) == 0);
    CHECK(after.sa_handler == SIG_DFL);
}

TEST_CASE("after our own shutdown a write finds the pipe broken", "[net][write]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    REQUIRE(here.shutdown_write());
    CHECK(loop.run(write_text(here, "late")).error() == std::errc::broken_pipe);
    CHECK(there.receive().empty());
    there.send("but we can read");
    CHECK(loop.run(read_text(here)).value() == "but we can read");
}

TEST_CASE("two tasks that write a MiB each never interleave", "[net][write]") {
    narrow n;
    const std::string sent = pattern(1 << 20);
    auto first = n.loop.start(write_text(n.ends.here, sent));
    auto second = n.loop.start(write_text(n.ends.here, std::string(1 << 20, '!')));
    n.loop.turn();
    n.loop.turn();
    REQUIRE(second.is_done());
    CHECK(second.result().error() == errc::busy);
    REQUIRE_FALSE(first.is_done());
    CHECK(n.receive_until_done(first, 16384) == sent);
    CHECK(first.result());
}

TEST_CASE("a writer is woken by room and not by what comes in", "[net][write]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    auto writing = loop.start(write_text(here, std::string(30'000'000, '.')));
    loop.run_until_idle();
    REQUIRE_FALSE(writing.is_done());
    const auto before = loop.counters().resumptions;
    for (int i = 0; i < 10; ++i) {
        there.send("input");
        loop.run_until_idle();
    }
    CHECK(loop.counters().resumptions == before);
    writing.destroy();
}

TEST_CASE("a large write to a peer that keeps up does not starve the others", "[net][write]") {
    test_loop loop;
    auto [writer, reader] = connected_sockets(loop);
    shrink_send_buffer(writer.fd());
    std::size_t moved = 0;
    const std::string sent = pattern(16 << 20);
    auto writing = loop.start(write_text(writer, sent, &moved));
    struct local {
        static io_task<std::string> receive(tcp_socket& from, std::size_t size) {
            std::string all(size, '?');
            co_await from.read_exactly(bytes_of(all)).or_return();
            co_return all;
        }
    };
    auto reading = loop.start(local::receive(reader, sent.size()));

    // A third party asks for an answer every turn, and gets it in the next one.
    auto [here, there] = loop.socket_pair();
    std::size_t answered = 0;
    while (!reading.is_done()) {
        auto other = loop.start(read_text(here));
        loop.turn();
        there.send("?");
        loop.turn(2ms);
        if (!other.is_done()) loop.turn(2ms);
        REQUIRE(other.is_done());
        REQUIRE(other.result().value() == "?");
        ++answered;
    }
    CHECK(answered > 4); // how many it takes is the kernel's business
    CHECK(writing.result());
    CHECK(moved == sent.size());
    CHECK(reading.result().value() == sent);
}

TEST_CASE("writing waits while the peer does not read, and keeps nothing aside", "[net][write]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    std::size_t moved = 0;
    auto writing = loop.start(write_text(here, std::string(100'000'000, '.'), &moved));
    loop.run_until_idle();
    REQUIRE_FALSE(writing.is_done());
    const std::size_t taken = moved; // all that the kernel's two buffers hold
    CHECK(taken < 50'000'000);
    const auto resumptions = loop.counters().resumptions;
    for (int i = 0; i < 100; ++i)
        loop.turn();
    CHECK(moved == taken);
    CHECK(loop.counters().resumptions == resumptions);
}
