// The table of watches by itself, and what an event may still mean when its descriptor is gone.
#include <dunlin/loop/watch.hpp>

#include <support/test_loop.hpp>

#include <csignal>
#include <cstdint>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<std::size_t> read_some(tcp_socket& from, std::span<std::byte> into) {
    const std::size_t n = co_await from.read(into).or_return();
    co_return n;
}

/// A child that does nothing but keep its copies of our descriptors open.
class keeper {
public:
    keeper() : child_{::fork()} {
        if (child_ != 0) return;
        ::alarm(20);
        for (;;)
            ::pause();
    }
    keeper(const keeper&) = delete;
    keeper& operator=(const keeper&) = delete;
    ~keeper() {
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
    }

private:
    pid_t child_;
};

} // namespace

TEST_CASE("a slot's generation may wrap around, and its last event still finds nobody",
          "[loop][watch]") {
    test_loop loop; // only to have a scheduler that the table can belong to
    detail::watch_table table{*scheduler::current()};
    detail::watch* const first = table.add(7);
    REQUIRE(first != nullptr);
    first->generation = UINT32_MAX;
    const std::uint64_t old_key = detail::watch_table::key_of(*first);
    CHECK(table.find(old_key) == first);

    first->owners = 0;
    ++first->generation; // as closing does
    table.remove(*first);
    detail::watch* const next = table.add(8);
    REQUIRE(next == first); // the slot is used again
    CHECK(next->generation == 0);
    CHECK(table.find(old_key) == nullptr);
    CHECK(table.find(detail::watch_table::key_of(*next)) == next);
    next->owners = 0;
    table.remove(*next);
}

TEST_CASE("a thousand watches have a thousand keys and never move", "[loop][watch]") {
    test_loop loop;
    detail::watch_table table{*scheduler::current()};
    std::vector<detail::watch*> all;
    for (int fd = 0; fd < 1000; ++fd)
        all.push_back(table.add(fd));
    for (int fd = 0; fd < 1000; ++fd) {
        detail::watch& w = *all[static_cast<std::size_t>(fd)];
        CHECK(w.fd == fd);
        CHECK(&w.home() == scheduler::current());
        CHECK(table.find(detail::watch_table::key_of(w)) == &w);
    }
    for (detail::watch* const w : all) {
        w->owners = 0;
        table.remove(*w);
    }
    CHECK(table.count() == 0);
}

TEST_CASE("a connection that nobody reads and that is reset makes no work", "[loop][watch]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    {
        auto reading = loop.start(read_some, here, loop.scratch());
        loop.run_until_idle(); // epoll has it now
        REQUIRE_FALSE(reading.is_done());
    }
    there.reset();
    loop.run_until_idle();
    const auto before = loop.counters();
    for (int i = 0; i < 100; ++i)
        loop.turn();
    CHECK(loop.counters().events == before.events); // level-triggered it would be a hundred
    CHECK(loop.counters().resumptions == before.resumptions);
    CHECK(loop.run(read_some(here, loop.scratch())).error() == std::errc::connection_reset);
}

TEST_CASE("a socket that a child process keeps open disturbs nobody after it was closed here",
          "[loop][watch]") {
    test_loop loop;
    auto [old_socket, old_peer] = loop.socket_pair();
    {
        auto reading = loop.start(read_some, old_socket, loop.scratch());
        loop.run_until_idle();
        REQUIRE_FALSE(reading.is_done());
    }
    {
        const keeper child;
        old_socket.close(); // not the last copy: epoll goes on reporting it
        auto [next_socket, next_peer] = loop.socket_pair();
        auto reading = loop.start(read_some, next_socket, loop.scratch());
        loop.run_until_idle();
        old_peer.send("for the child");
        for (int i = 0; i < 10; ++i)
            loop.turn();
        CHECK_FALSE(reading.is_done()); // the slot's new tenant hears nothing of it
        next_peer.send("x");
        loop.run_until([&] { return reading.is_done(); });
        CHECK(reading.result().value() == 1);
    }
}
