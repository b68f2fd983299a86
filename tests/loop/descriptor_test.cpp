// What `descriptor` promises about numbers that others made, read, close and reuse.
#include <dunlin/loop/descriptor.hpp>

#include <support/pipe.hpp>
#include <support/test_loop.hpp>

#include <csignal>
#include <cstdio>
#include <sys/epoll.h>
#include <sys/socket.h>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> readable(descriptor& on) { co_await on.readable().or_return(); }
io_task<> writable(descriptor& on) { co_await on.writable().or_return(); }
io_task<std::size_t> read_some(descriptor& on, std::span<std::byte> into) {
    const std::size_t n = co_await on.read_some(into).or_return();
    co_return n;
}

} // namespace

TEST_CASE("readable stays true when a foreign reader takes part of the data",
          "[loop][descriptor]") {
    test_loop loop;
    const pipe_ends pipe = make_pipe();
    descriptor on{pipe.reader.borrow()};
    auto first = loop.start(readable, on);
    loop.run_until_idle();
    put(pipe.writer, "abcdef");
    loop.run_until_idle();
    REQUIRE(first.is_done());

    CHECK(take(pipe.reader, 2) == "ab");
    CHECK(loop.run(on.readable())); // no new edge, and still true
    CHECK(loop.run(on.readable()));
    CHECK(take(pipe.reader) == "cdef");
    auto second = loop.start(readable, on);
    loop.run_until_idle();
    CHECK_FALSE(second.is_done());
}

TEST_CASE("a foreign reader that takes everything costs one wake-up each time and no spinning",
          "[loop][descriptor]") {
    test_loop loop;
    const pipe_ends pipe = make_pipe();
    descriptor on{pipe.reader.borrow()};
    auto waiting = loop.start(readable, on);
    loop.run_until_idle();
    const auto before = loop.counters();
    constexpr int rounds = 100;
    for (int i = 0; i < rounds; ++i) {
        put(pipe.writer, "x");
        CHECK(take(pipe.reader) == "x"); // before the loop looks
        loop.run_until_idle();
        REQUIRE_FALSE(waiting.is_done());
    }
    const auto after = loop.counters();
    CHECK(after.resumptions - before.resumptions <= rounds);
    CHECK(after.turns - before.turns <= 2 * rounds);
    CHECK(after.registrations == before.registrations);

    put(pipe.writer, "x");
    loop.run_until_idle();
    CHECK(waiting.is_done());
}

TEST_CASE("waiting for what others read in part again and again ends each time",
          "[loop][descriptor]") {
    test_loop loop;
    const pipe_ends pipe = make_pipe();
    descriptor on{pipe.reader.borrow()};
    for (int i = 0; i < 100; ++i) {
        auto waiting = loop.start(readable, on);
        loop.run_until_idle();
        REQUIRE_FALSE(waiting.is_done());
        put(pipe.writer, "ab");
        CHECK(take(pipe.reader, 1) == "a");
        loop.run_until_idle();
        REQUIRE(waiting.is_done());
        CHECK(take(pipe.reader) == "b");
    }
    CHECK(loop.counters().registrations == 1);
    CHECK(loop.counters().resumptions <= 400);
}

TEST_CASE("waiting for a regular file or /dev/null is refused", "[loop][descriptor]") {
    test_loop loop;
    std::FILE* const file = std::tmpfile();
    REQUIRE(file != nullptr);
    unique_fd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    for (const int number : {::fileno(file), null.get()}) {
        descriptor on{borrowed_fd{number}};
        CHECK(loop.run(on.readable()).error() == errc::not_pollable);
        CHECK(loop.run(on.writable()).error() == errc::not_pollable);
        CHECK(loop.run(on.readable()).error() == errc::not_pollable);
        const std::byte byte{};
        CHECK(loop.run(on.write_some({&byte, 1})).value() == 1); // what need not wait works
        CHECK(loop.run(on.read_some(loop.scratch())).value() == 0);
    }
    CHECK(loop.counters().registrations == 0);
    std::fclose(file);
}

TEST_CASE("a number that is not open gives bad_file_descriptor", "[loop][descriptor]") {
    test_loop loop;
    int closed = -1;
    {
        const pipe_ends pipe = make_pipe();
        closed = pipe.reader.get();
    }
    for (const int number : {closed, 1'000'000}) {
        descriptor on{borrowed_fd{number}};
        CHECK(loop.run(on.readable()).error() == std::errc::bad_file_descriptor);
        CHECK(loop.run(on.writable()).error() == std::errc::bad_file_descriptor);
        CHECK(loop.run(on.read_some(loop.scratch())).error() == std::errc::bad_file_descriptor);
    }
    descriptor none{borrowed_fd{-1}};
    CHECK_FALSE(loop.run(none.readable()));
    descriptor gone{unique_fd{}};
    CHECK_FALSE(loop.run(gone.readable()));
}

TEST_CASE("a closed descriptor says closed", "[loop][descriptor]") {
    test_loop loop;
    pipe_ends pipe = make_pipe();
    descriptor on{std::move(pipe.reader)};
    on.close();
    on.close();
    CHECK(loop.run(on.readable()).error() == errc::closed);
    CHECK(loop.run(on.read_some(loop.scratch())).error() == errc::closed);
}

TEST_CASE("the old owner of a number does not take out the new one's registration",
          "[loop][descriptor]") {
    test_loop loop;
    pipe_ends old_pipe = make_pipe();
    const int number = old_pipe.reader.get();
    auto old_watch = std::make_unique<descriptor>(borrowed_fd{number});
    auto waits_for_ever = loop.start(readable, *old_watch);
    loop.run_until_idle();
    const pipe_ends made = make_pipe();
    old_pipe.reader.close(); // behind our back
    const unique_fd reused{::dup3(made.reader.get(), number, O_CLOEXEC)};
    REQUIRE(reused.get() == number);
    descriptor new_watch{reused.borrow()};
    auto waiting = loop.start(readable, new_watch);
    loop.run_until_idle();
    REQUIRE_FALSE(waiting.is_done());

    old_watch.reset();
    loop.run_until_idle();
    REQUIRE(waits_for_ever.is_done()); // it is told that its descriptor is gone
    CHECK(waits_for_ever.result().error() == errc::closed);
    REQUIRE_FALSE(waiting.is_done());
    put(made.writer, "x");
    loop.run_until_idle();
    CHECK(waiting.is_done());
}

TEST_CASE(
    "the second of two descriptors of one number that must wait is busy, until the first goes",
    "[loop][descriptor]") {
    test_loop loop;
    const pipe_ends pipe = make_pipe();
    auto first = std::make_unique<descriptor>(pipe.reader.borrow());
    descriptor second{pipe.reader.borrow()};
    auto waiting = loop.start(readable, *first);
    loop.run_until_idle();
    CHECK(loop.run(second.readable()).error() == errc::busy);
    CHECK(loop.run(second.read_some(loop.scratch())).error() == errc::busy);
    REQUIRE_FALSE(waiting.is_done());
    put(pipe.writer, "x");
    CHECK(loop.run(second.read_some(loop.scratch())).value() == 1); // need not wait
    loop.run_until_idle();
    REQUIRE_FALSE(waiting.is_done());

    waiting.destroy();
    first.reset();
    auto now_it_waits = loop.start(readable, second);
    loop.run_until_idle();
    REQUIRE_FALSE(now_it_waits.is_done());
    put(pipe.writer, "x");
    loop.run_until_idle();
    CHECK(now_it_waits.is_done());
}

TEST_CASE("one descriptor has one reader and one writer at a time", "[loop][descriptor]") {
    test_loop loop;
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    descriptor here{unique_fd{ends[0]}};
    const unique_fd there{ends[1]};
    fill(here.fd());
    auto reads = loop.start(readable, here);
    auto writes = loop.start(writable, here);
    loop.run_until_idle();
    CHECK(loop.run(here.readable()).error() == errc::busy);
    CHECK(loop.run(here.writable()).error() == errc::busy);
    CHECK_FALSE(reads.is_done());
    CHECK_FALSE(writes.is_done());
    put(there, "x");
    loop.run_until_idle();
    CHECK(reads.is_done());
    CHECK_FALSE(writes.is_done());
    empty_out(there);
    loop.run_until_idle();
    CHECK(writes.is_done());
}

TEST_CASE("a leftover registration of the same number and file is taken over",
          "[loop][descriptor]") {
    test_loop loop;
    const pipe_ends pipe = make_pipe();
    // What a duplicate that once had this number would have left: epoll knows the pair already.
    epoll_event leftover{};
    leftover.events = EPOLLIN;
    leftover.data.u64 = 0;
    REQUIRE(::epoll_ctl(loop.sched().fd().get(), EPOLL_CTL_ADD, pipe.reader.get(), &leftover) == 0);
    descriptor on{pipe.reader.borrow()};
    auto waiting = loop.start(readable, on);
    loop.run_until_idle();
    REQUIRE_FALSE(waiting.is_done());
    put(pipe.writer, "x");
    loop.run_until_idle();
    CHECK(waiting.is_done());
}

TEST_CASE("a borrowed descriptor is never closed and keeps its flags", "[loop][descriptor]") {
    test_loop loop;
    const pipe_ends pipe = make_pipe(0);
    const int flags = ::fcntl(pipe.reader.get(), F_GETFL);
    REQUIRE((flags & O_NONBLOCK) == 0);
    {
        descriptor on{pipe.reader.borrow()};
        auto waiting = loop.start(read_some, on, loop.scratch()); // does not block the test
        loop.run_until_idle();
        REQUIRE_FALSE(waiting.is_done());
        CHECK(::fcntl(pipe.reader.get(), F_GETFL) == flags);
        put(pipe.writer, "abc");
        loop.run_until_idle();
        REQUIRE(waiting.is_done());
        CHECK(waiting.result().value() == 3);
        on.close();
    }
    CHECK(::fcntl(pipe.reader.get(), F_GETFL) == flags);
}

TEST_CASE("a borrowed descriptor is out of epoll when it is gone", "[loop][descriptor]") {
    test_loop loop;
    const pipe_ends pipe = make_pipe();
    {
        descriptor on{pipe.reader.borrow()};
        auto waiting = loop.start(readable, on);
        loop.run_until_idle();
    }
    const auto events = loop.counters().events;
    put(pipe.writer, "x");
    loop.run_until_idle();
    CHECK(loop.counters().events == events);
}

TEST_CASE("an owned descriptor whose number was shared is out of epoll while a duplicate lives",
          "[loop][descriptor]") {
    test_loop loop;
    pipe_ends pipe = make_pipe();
    unique_fd duplicate;
    {
        descriptor on{std::move(pipe.reader)};
        duplicate = unique_fd{::fcntl(on.fd().get(), F_DUPFD_CLOEXEC, 0)};
        auto waiting = loop.start(readable, on);
        loop.run_until_idle();
    }
    const auto events = loop.counters().events;
    put(pipe.writer, "x");
    loop.run_until_idle();
    CHECK(loop.counters().events == events);
}

TEST_CASE("an owned descriptor of which a duplicate was made before is out of epoll, too",
          "[loop][descriptor]") {
    test_loop loop;
    pipe_ends pipe = make_pipe();
    const unique_fd duplicate{::fcntl(pipe.reader.get(), F_DUPFD_CLOEXEC, 0)};
    {
        descriptor on{std::move(pipe.reader)};
        auto waiting = loop.start(readable, on);
        loop.run_until_idle();
    }
    const auto events = loop.counters().events;
    put(pipe.writer, "x");
    loop.run_until_idle();
    CHECK(loop.counters().events == events);
}

TEST_CASE("asking a closed descriptor for its number changes nothing", "[loop][descriptor]") {
    test_loop loop;
    pipe_ends pipe = make_pipe();
    descriptor on{std::move(pipe.reader)};
    on.close();
    CHECK_FALSE(on.fd().is_open());
    CHECK(loop.run(on.readable()).error() == errc::closed);
    auto [here, there] = loop.socket_pair();
    here.close();
    CHECK_FALSE(here.fd().is_open());
    CHECK(loop.run(here.read(loop.scratch())).error() == errc::closed);
}

TEST_CASE("a pipe's reader is woken when the last writer goes", "[loop][descriptor]") {
    test_loop loop;
    pipe_ends pipe = make_pipe();
    descriptor on{pipe.reader.borrow()};
    auto ready = loop.start(readable, on);
    loop.run_until_idle();
    REQUIRE_FALSE(ready.is_done());
    pipe.writer.close();
    loop.run_until_idle();
    REQUIRE(ready.is_done());
    CHECK(ready.result());
    CHECK(loop.run(on.read_some(loop.scratch())).value() == 0);
}

TEST_CASE("a full pipe's writer is woken when the last reader goes", "[loop][descriptor]") {
    const auto old = std::signal(SIGPIPE, SIG_IGN);
    test_loop loop;
    pipe_ends pipe = make_pipe();
    fill(pipe.writer);
    descriptor on{pipe.writer.borrow()};
    auto ready = loop.start(writable, on);
    loop.run_until_idle();
    REQUIRE_FALSE(ready.is_done());
    pipe.reader.close();
    loop.run_until_idle();
    REQUIRE(ready.is_done());
    CHECK(ready.result());
    const std::byte byte{};
    CHECK(loop.run(on.write_some({&byte, 1})).error() == std::errc::broken_pipe);
    std::signal(SIGPIPE, old);
}

TEST_CASE("nothing to read or write is over at once", "[loop][descriptor]") {
    test_loop loop;
    const pipe_ends pipe = make_pipe();
    descriptor on{pipe.reader.borrow()};
    CHECK(loop.run(on.read_some({})).value() == 0);
    descriptor out{pipe.writer.borrow()};
    CHECK(loop.run(out.write_some({})).value() == 0);
    CHECK(loop.counters().registrations == 0);
}
