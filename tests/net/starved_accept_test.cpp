// Accepting when descriptors have run out: it pauses, goes on when one is free again, and never
// spins. Only the test moves the clock.
#include <support/fake_clock.hpp>
#include <support/net_support.hpp>

#include <cerrno>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

std::vector<std::string> logged;

void note_line(log_level, std::string_view words, std::source_location) noexcept {
    logged.emplace_back(words);
}

/// While it lives, this process can open no more descriptors.
class no_descriptor_left {
public:
    no_descriptor_left() {
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
        int highest = 0;
        for (int number = 0; number < 1024; ++number)
            if (::fcntl(number, F_GETFD) >= 0) highest = number;
        set(static_cast<rlim_t>(highest) + 2);
        do { // the gaps below it
            fillers_.emplace_back(::fcntl(2, F_DUPFD_CLOEXEC, 0));
        } while (fillers_.back().is_open());
        REQUIRE(errno == EMFILE);
    }
    no_descriptor_left(const no_descriptor_left&) = delete;
    no_descriptor_left& operator=(const no_descriptor_left&) = delete;
    ~no_descriptor_left() { set(before_.rlim_cur); }

    /// As if somebody else had closed one.
    void allow_one_more() { set(now_ + 1); }

private:
    void set(rlim_t most) {
        rlimit changed = before_;
        changed.rlim_cur = now_ = most;
        ::setrlimit(RLIMIT_NOFILE, &changed);
    }

    rlimit before_{};
    rlim_t now_ = 0;
    std::vector<unique_fd> fillers_;
};

struct scene {
    test_loop loop{{.log = note_line}};
    tcp_listener listener = listen_somewhere();
    endpoint where = where_it_listens(listener);
    test_loop::connection spare = loop.tcp_pair(); // whose closing frees a number
    raw_peer client;

    scene() {
        logged.clear();
        REQUIRE(loop.run(wait_writable(spare.here)));
    }

    /// The connection waits in the kernel's queue; no number is free for it.
    void connect() {
        client = connect_raw(where);
        REQUIRE(becomes_readable(listener.fd()));
    }
};

} // namespace

TEST_CASE("without a free descriptor accept pauses, says so once, and does not spin",
          "[net][accept]") {
    scene s;
    s.connect();
    auto accepting = s.loop.start(accept_one(s.listener));
    {
        const no_descriptor_left limit;
        CHECK(s.loop.run_until_idle() < 5);
        CHECK_FALSE(accepting.is_done());
        const auto before = s.loop.counters().resumptions;
        for (int i = 0; i < 1000; ++i)
            s.loop.turn();
        CHECK(s.loop.counters().resumptions == before);
        for (int i = 0; i < 10; ++i) { // a second: it looks ten times
            fake_clock::advance(100ms);
            s.loop.run_until_idle();
        }
        CHECK(s.loop.counters().resumptions == before + 10);
        CHECK_FALSE(accepting.is_done());
        CHECK(logged == std::vector<std::string>{"accepting pauses: no descriptor is free"});
    }
    fake_clock::advance(100ms);
    s.loop.run_until_idle();
    REQUIRE(accepting.is_done());
    CHECK(accepting.result());
    CHECK_FALSE(s.loop.sched().next_deadline().has_value());
    CHECK(logged.size() == 1);
}

TEST_CASE("a descriptor that is closed here lets a starved accept go on at once", "[net][accept]") {
    scene s;
    s.connect();
    auto accepting = s.loop.start(accept_one(s.listener));
    const no_descriptor_left limit;
    s.loop.run_until_idle();
    REQUIRE_FALSE(accepting.is_done());
    s.spare.here.close();
    s.loop.run_until_idle(); // no time has passed
    REQUIRE(accepting.is_done());
    CHECK(accepting.result());
}

TEST_CASE("a socket that nobody used yet frees a descriptor as well", "[net][accept]") {
    scene s;
    auto fresh = s.loop.tcp_pair();
    s.connect();
    auto accepting = s.loop.start(accept_one(s.listener));
    const no_descriptor_left limit;
    s.loop.run_until_idle();
    REQUIRE_FALSE(accepting.is_done());
    fresh.here.close();
    s.loop.run_until_idle();
    CHECK(accepting.is_done());
}

TEST_CASE("a descriptor that is freed elsewhere lets a starved accept go on a little later",
          "[net][accept]") {
    scene s;
    s.connect();
    auto accepting = s.loop.start(accept_one(s.listener));
    no_descriptor_left limit;
    s.loop.run_until_idle();
    limit.allow_one_more();
    s.loop.run_until_idle();
    REQUIRE_FALSE(accepting.is_done()); // nobody told it
    fake_clock::advance(99ms);
    s.loop.run_until_idle();
    REQUIRE_FALSE(accepting.is_done());
    fake_clock::advance(1ms);
    s.loop.run_until_idle();
    REQUIRE(accepting.is_done());
    CHECK(accepting.result());
}

TEST_CASE("a starved accept can be stopped, destroyed and closed", "[net][accept]") {
    scene s;
    s.connect();
    auto accepting = s.loop.start(accept_one(s.listener));
    {
        const no_descriptor_left limit;
        s.loop.run_until_idle();
        REQUIRE_FALSE(accepting.is_done());
        SECTION("stopped") {
            accepting.stop();
            s.loop.turn();
            REQUIRE(accepting.is_done());
            CHECK(accepting.result().error() == errc::stopped);
        }
        SECTION("stopped before it was starved") {
            accepting.destroy();
            auto next = s.loop.start(accept_one(s.listener));
            next.stop();
            s.loop.turn();
            CHECK(next.result().error() == errc::stopped);
        }
        SECTION("destroyed") { accepting.destroy(); }
        SECTION("its listener closed") {
            s.listener.close();
            s.loop.turn();
            REQUIRE(accepting.is_done());
            CHECK(accepting.result().error() == errc::closed);
        }
        CHECK_FALSE(s.loop.sched().next_deadline().has_value());
    }
    s.spare.here.close(); // reaches nobody
    s.loop.run_until_idle();
    if (s.listener.is_open()) CHECK(s.loop.run(accept_one(s.listener))); // the client still waits
}

TEST_CASE("two starved acceptors share what is freed", "[net][accept]") {
    scene s;
    tcp_listener second = listen_somewhere();
    const raw_peer other = connect_raw(where_it_listens(second));
    s.connect();
    auto fresh = s.loop.tcp_pair();
    REQUIRE(s.loop.run(wait_writable(fresh.here)));
    auto accepting = s.loop.start(accept_one(s.listener));
    auto accepting_too = s.loop.start(accept_one(second));
    const no_descriptor_left limit;
    s.loop.run_until_idle();
    s.spare.here.close();
    s.loop.run_until_idle();
    CHECK(accepting.is_done() != accepting_too.is_done());
    fresh.here.close();
    s.loop.run_until_idle();
    CHECK(accepting.is_done());
    CHECK(accepting_too.is_done());
}

TEST_CASE("a listener that is idle at the limit stays quiet", "[net][accept]") {
    scene s;
    auto accepting = s.loop.start(accept_one(s.listener));
    s.loop.run_until_idle();
    const no_descriptor_left limit;
    CHECK(s.loop.run_until_idle() < 5);
    CHECK_FALSE(s.loop.sched().next_deadline().has_value());
    CHECK(logged.empty());
    accepting.destroy();
}
