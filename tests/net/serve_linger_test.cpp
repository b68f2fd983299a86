// The last answers of sessions that `serve` runs: which connections linger, and how long. Only the
// test moves the clock.
#include <support/server.hpp>

#include <cstdarg>
#include <functional>
#include <memory>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace dunlin;
using namespace dunlin::test;

namespace {

int ioctls = 0;

} // namespace

// In place of libc's.
// NOLINTNEXTLINE
extern "C" int ioctl(int fd, unsigned long request, ...) noexcept {
    ++ioctls;
    va_list rest;
    va_start(rest, request);
    void* const argument = va_arg(rest, void*);
    va_end(rest);
    return static_cast<int>(::syscall(SYS_ioctl, fd, request, argument));
}

namespace {

serve_options at_most(std::size_t connections) {
    serve_options options;
    options.max_connections = connections;
    return options;
}

serve_options without_linger() {
    serve_options options;
    options.linger = 0ns;
    return options;
}

task<> answer_once_or_throw(tcp_socket client) {
    const auto data = co_await client.read().or_throw();
    co_await client.write("the answer").or_throw();
}

/// A client that sends on after its question gets the whole answer, and then the end.
void check_last_answer(server& s) {
    const std::size_t before = open_descriptors();
    raw_peer client = s.connect();
    client.send("question" + std::string(200'000, '.'));
    s.loop.run_until([&] { return s.counts.active == 0; });
    CHECK(s.counts.lingered == 1);
    client.send("more"); // a connection that was closed would be reset by this
    s.loop.run_until_idle();
    CHECK(s.answer(client, 10) == "the answer");
    CHECK(s.is_ended(client));
    client.close();
    s.loop.run_until([&] { return open_descriptors() == before; });
    CHECK(s.counts.failed == 0);
}

struct answering {
    explicit answering(std::string said) : words{std::move(said)} {}
    task<> operator()(tcp_socket client) {
        const auto data = co_await client.read().or_throw();
        co_await client.write(words).or_throw();
    }
    std::string words;
};

} // namespace

TEST_CASE("the last answer reaches a client that still sends, whatever the handler is",
          "[net][serve]") {
    SECTION("a function") {
        server s{answer_once};
        check_last_answer(s);
    }
    SECTION("a function that gives a task<>") {
        server s{answer_once_or_throw};
        check_last_answer(s);
    }
    SECTION("a closure with captures") {
        std::string answer = "the answer, from a string that is not small";
        server s{[answer](tcp_socket client) -> io_task<> {
            const auto data = co_await client.read().or_return();
            const std::string_view beginning = std::string_view{answer}.substr(0, 10);
            co_await client.write(beginning).or_return();
        }};
        answer.clear();
        check_last_answer(s);
    }
    SECTION("one that cannot be copied") {
        auto answer = std::make_unique<std::string>("the answer");
        server s{[kept = std::move(answer)](tcp_socket client) mutable noexcept -> io_task<> {
            const auto data = co_await client.read().or_return();
            co_await client.write(*kept).or_return();
        }};
        check_last_answer(s);
    }
    SECTION("one that takes a reference to the socket") {
        server s{[](tcp_socket&& client) -> io_task<> {
            const auto data = co_await client.read().or_return();
            co_await client.write("the answer").or_return();
        }};
        check_last_answer(s);
    }
    SECTION("a generic one") {
        server s{[](auto&& client) -> io_task<> {
            const auto data = co_await client.read().or_return();
            co_await client.write("the answer").or_return();
        }};
        check_last_answer(s);
    }
    SECTION("an object that gives a task<>") {
        server s{answering{"the answer"}};
        check_last_answer(s);
    }
    SECTION("a std::function") {
        server s{std::function<io_task<>(tcp_socket)>{answer_once}};
        check_last_answer(s);
    }
}

TEST_CASE("a socket that was moved out of the handler's parameter lingers only if it is told to",
          "[net][serve]") {
    SECTION("not told") {
        server s{[](tcp_socket client) -> io_task<> {
            tcp_socket moved = std::move(client);
            const auto data = co_await moved.read().or_return();
            co_await moved.write("the answer").or_return();
        }};
        raw_peer client = s.connect();
        client.send(std::string(200'000, '.'));
        s.loop.run_until([&] { return s.counts.active == 0; });
        CHECK(s.counts.lingered == 0);
    }
    SECTION("told") {
        server s{[](tcp_socket client) -> io_task<> {
            tcp_socket moved = std::move(client);
            const auto data = co_await moved.read().or_return();
            co_await moved.write("the answer").or_return();
            co_await moved.lingering_close(2s).ignore();
        }};
        raw_peer client = s.connect();
        client.send(std::string(200'000, '.'));
        s.loop.run_until_idle();
        CHECK(s.answer(client, 10) == "the answer");
        CHECK(s.counts.active == 1);
        client.close();
        s.loop.run_until([&] { return s.counts.active == 0; });
    }
}

TEST_CASE("a lingering connection is given up at the end of its grace", "[net][serve]") {
    server s{answer_once};
    const std::size_t before = open_descriptors();
    raw_peer client = s.connect();
    client.send(std::string(200'000, '.'));
    s.loop.run_until([&] { return s.counts.lingered == 1; });
    s.after(1999ms);
    CHECK(open_descriptors() == before + 2); // both ends
    s.after(1ms);
    CHECK(open_descriptors() == before + 1);
}

TEST_CASE("a lingering connection keeps its place, until it or another one goes", "[net][serve]") {
    server s{answer_once, at_most(2)};
    raw_peer lingering = s.connect();
    raw_peer second = s.connect();
    lingering.send(std::string(200'000, '.'));
    s.loop.run_until([&] { return s.counts.lingered == 1; });
    raw_peer third = connect_raw(s.where);
    s.loop.run_until_idle();
    CHECK(s.counts.active == 1);
    CHECK(s.counts.accepted == 2);
    SECTION("it goes") {
        CHECK(s.answer(lingering, 10) == "the answer");
        lingering.close();
    }
    SECTION("its grace is over") {
        s.after(2s - 1ns);
        CHECK(s.counts.accepted == 2);
        s.after(1ns);
    }
    SECTION("a session ends") {
        second.send("question");
        CHECK(s.answer(second, 10) == "the answer");
    }
    SECTION("the session lingers, too, and then one of them goes") {
        second.send(std::string(200'000, '.'));
        s.loop.run_until([&] { return s.counts.lingered == 2; });
        s.loop.run_until_idle();
        CHECK(s.counts.accepted == 2);
        CHECK(s.answer(second, 10) == "the answer");
        second.close();
    }
    s.loop.run_until([&] { return s.counts.accepted == 3; });
    s.hear(third, "question");
    CHECK(s.answer(third, 10) == "the answer");
}

TEST_CASE("a stop finds a server whose last place is taken by a connection that lingers",
          "[net][serve]") {
    const std::size_t places = GENERATE(1U, 2U);
    server s{answer_once, at_most(places)};
    raw_peer lingering = s.connect();
    raw_peer idle;
    if (places == 2) idle = s.connect();
    lingering.send(std::string(200'000, '.'));
    s.loop.run_until([&] { return s.counts.lingered == 1; });
    raw_peer waiting = connect_raw(s.where);
    s.loop.run_until_idle();
    SECTION("a stop") { s.serving->stop(); }
    SECTION("a drain") { s.serving->drain(); }
    s.loop.run_until_idle();
    REQUIRE_FALSE(s.is_over());
    s.after(2s); // the grace
    CHECK(s.is_over());
    CHECK(s.serving->result());
    CHECK(s.counts.accepted == places);
    CHECK(s.counts.cut == 0);
}

TEST_CASE("a lingering connection is in epoll once", "[net][serve]") {
    server s{answer_once};
    raw_peer client = s.connect(); // its session waits, so epoll knows it
    client.send(std::string(200'000, '.'));
    s.loop.run_until([&] { return s.counts.lingered == 1; });
    s.loop.run_until_idle();
    CHECK(s.answer(client, 10) == "the answer");
    s.loop.run_until_idle();
    const auto before = s.loop.counters().events;
    client.send("x");
    s.loop.run_until([&] { return s.loop.counters().events != before; });
    s.loop.run_until_idle();
    CHECK(s.loop.counters().events == before + 1);
}

TEST_CASE("without a grace nothing lingers", "[net][serve]") {
    server s{answer_once, without_linger()};
    const std::size_t before = open_descriptors();
    raw_peer client = s.connect();
    client.send(std::string(200'000, '.'));
    ioctls = 0;
    s.loop.run_until([&] { return s.counts.active == 0; });
    CHECK(s.counts.lingered == 0);
    CHECK(open_descriptors() == before + 1);
    CHECK(ioctls == 0);
}

TEST_CASE("nobody asks about a session that has read to the end", "[net][serve]") {
    server s{echo};
    raw_peer client = s.connect();
    client.send("hello");
    CHECK(s.answer(client, 5) == "hello");
    ioctls = 0;
    client.shutdown_write();
    s.loop.run_until([&] { return s.counts.active == 0; });
    CHECK(ioctls == 0);
    CHECK(s.counts.lingered == 0);
    CHECK(s.is_ended(client));
}

TEST_CASE("a session that ends with nothing unread is asked once, and closes", "[net][serve]") {
    server s{answer_once};
    const std::size_t before = open_descriptors();
    raw_peer client = s.connect();
    client.send("question");
    ioctls = 0;
    CHECK(s.answer(client, 10) == "the answer");
    CHECK(s.counts.active == 0);
    CHECK(ioctls == 1);
    CHECK(s.counts.lingered == 0);
    CHECK(open_descriptors() == before + 1);
}

TEST_CASE("a session that closes its socket itself does not linger", "[net][serve]") {
    server s{[](tcp_socket client) -> io_task<> {
        const auto data = co_await client.read().or_return();
        client.close();
        auto [one, other] = socket_pair().value(); // takes the watch's slot
        co_await other.write("unread").or_return();
        const auto came = co_await one.read().or_return();
    }};
    const std::size_t before = open_descriptors();
    raw_peer client = s.connect();
    client.send(std::string(200'000, '.'));
    s.loop.run_until([&] { return s.counts.active == 0; });
    CHECK(s.counts.lingered == 0);
    CHECK(open_descriptors() == before + 1);
}
