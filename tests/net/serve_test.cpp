// `serve`: its limit, its counters, failures, handlers of every kind, and last answers.
#include <support/server.hpp>

#include <cstdarg>
#include <functional>
#include <memory>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/socket.h>
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

/// Says `e` for an error, `t` for an exception, else is answered.
io_task<> obey(tcp_socket client) {
    for (;;) {
        const auto data = co_await client.read().or_return();
        if (data.is_end()) break;
        if (data.text() == "e") co_await fail(std::make_error_code(std::errc::protocol_error));
        if (data.text() == "t") throw std::runtime_error{"thrown"};
        co_await client.write(data).or_return();
    }
}

} // namespace

TEST_CASE("at the limit further clients wait in the kernel's queue, until one has left",
          "[net][serve]") {
    server s{echo, at_most(2)};
    raw_peer first = s.connect();
    raw_peer second = s.connect();
    raw_peer third = connect_raw(s.where);
    raw_peer fourth = connect_raw(s.where);
    third.send("third");
    fourth.send("fourth");
    second.send("second");
    CHECK(s.answer(second, 6) == "second");
    CHECK(s.counts.accepted == 2);
    CHECK(s.counts.active == 2);
    CHECK_FALSE(third.try_receive().has_value());
    first.close();
    s.loop.run_until([&] { return s.counts.accepted == 3; });
    CHECK(s.answer(third, 5) == "third");
    CHECK(s.counts.active == 2);
    CHECK_FALSE(fourth.try_receive().has_value());
    second.reset(); // one that fails makes room as well
    CHECK(s.answer(fourth, 6) == "fourth");
    CHECK(s.counts.accepted == 4);
    CHECK(s.counts.active == 2);
    CHECK(s.counts.failed == 1);
}

TEST_CASE("a stop finds a server at its limit", "[net][serve]") {
    server s{echo, at_most(1)};
    raw_peer first = s.connect();
    raw_peer waiting = connect_raw(s.where);
    s.loop.run_until_idle();
    s.serving->stop();
    s.loop.run_until([&] { return s.is_over(); });
    CHECK(s.serving->result());
    CHECK(s.counts.accepted == 1);
    CHECK(s.counts.active == 0);
    CHECK(first.receive().empty());
}

TEST_CASE("errors and exceptions are heard and counted, and the others go on", "[net][serve]") {
    std::vector<std::string> heard;
    const auto hear = [&heard](const child_failure& failed) {
        heard.emplace_back(failed.exception() != nullptr ? "exception" : failed.error().message());
    };
    server s{obey, {}, hear};
    raw_peer fine = s.connect();
    raw_peer failing = s.connect();
    raw_peer throwing = s.connect();
    failing.send("e");
    s.loop.run_until([&] { return s.counts.failed == 1; });
    CHECK(s.counts.active == 2);
    throwing.send("t");
    s.loop.run_until([&] { return s.counts.failed == 2; });
    CHECK(s.counts.active == 1);
    REQUIRE(heard.size() == 2);
    CHECK(heard[0] == std::make_error_code(std::errc::protocol_error).message());
    CHECK(heard[1] == "exception");
    CHECK(logged.empty());
    fine.send("fine");
    CHECK(s.answer(fine, 4) == "fine");
    fine.shutdown_write();
    s.loop.run_until([&] { return s.counts.active == 0; });
    CHECK(s.counts.failed == 2);
    CHECK(s.counts.accepted == 3);
    s.serving->stop();
    s.loop.run_until([&] { return s.is_over(); });
    CHECK(s.serving->result());
}

TEST_CASE("an exception that nobody hears is logged, and the server goes on", "[net][serve]") {
    server s{obey};
    raw_peer failing = s.connect();
    raw_peer throwing = s.connect();
    failing.send("e");
    s.loop.run_until([&] { return s.counts.failed == 1; });
    CHECK(logged.empty());
    throwing.send("t");
    s.loop.run_until([&] { return s.counts.failed == 2; });
    CHECK(has_logged("a session threw an exception"));
    raw_peer fine = s.connect();
    fine.send("fine");
    CHECK(s.answer(fine, 4) == "fine");
}

TEST_CASE("a handler that throws instead of giving a task costs its client alone", "[net][serve]") {
    int calls = 0;
    server s{[&calls](tcp_socket client) -> io_task<> {
        if (++calls == 1) throw std::runtime_error{"thrown"};
        return echo(std::move(client));
    }};
    raw_peer unlucky = s.connect();
    CHECK(s.counts.failed == 1);
    CHECK(s.counts.active == 0);
    CHECK(has_logged("a session threw an exception"));
    CHECK(s.is_ended(unlucky));
    raw_peer fine = s.connect();
    fine.send("fine");
    CHECK(s.answer(fine, 4) == "fine");
    CHECK(s.counts.active == 1);
}

namespace {

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

TEST_CASE("a listener that fails for good ends the server with its error", "[net][serve]") {
    server s{echo};
    raw_peer client = s.connect();
    REQUIRE(::shutdown(s.number, SHUT_RDWR) == 0);
    s.loop.run_until([&] { return s.is_over(); });
    CHECK(s.serving->result().error() == std::errc::invalid_argument);
    CHECK(client.receive().empty()); // its session was drained
    CHECK(s.counts.active == 0);
    CHECK(s.counts.failed == 0);
    CHECK(has_logged("draining: 1 idle and 0 busy sessions"));
}

TEST_CASE("two servers count in one place", "[net][serve]") {
    server s{echo};
    auto listener = listen_somewhere();
    const endpoint where = where_it_listens(listener);
    serve_options options;
    options.counters = &s.counts;
    auto other = s.loop.start(serve(std::move(listener), echo, options));
    raw_peer one = s.connect();
    raw_peer two = connect_raw(where);
    s.loop.run_until([&] { return s.counts.accepted == 2; });
    CHECK(s.counts.active == 2);
    other.destroy();
    CHECK(s.counts.active == 1);
    one.send("on");
    CHECK(s.answer(one, 2) == "on");
}
