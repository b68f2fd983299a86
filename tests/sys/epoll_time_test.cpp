// How long a wait lasts. That it is never early is a fact and tested; how late it is depends on the
// machine and is not. What needs a failing kernel is in epoll_injected_test.cpp.
#include "epoll_support.hpp"

#include <sys/time.h>

#include <cerrno>
#include <csignal>
#include <limits>
#include <thread>

using namespace epoll_test;
using std::chrono::steady_clock;

namespace {

using std::chrono::hours;
using std::chrono::nanoseconds;

/// While it lives, SIGALRM arrives every millisecond. SA_RESTART asks for what epoll never does:
/// see signal(7).
class alarm_every_ms {
public:
    alarm_every_ms() {
        struct sigaction quiet{};
        quiet.sa_handler = [](int) {};
        quiet.sa_flags = SA_RESTART;
        REQUIRE(::sigaction(SIGALRM, &quiet, &before_) == 0);
        const itimerval every_ms{{0, 1000}, {0, 1000}};
        REQUIRE(::setitimer(ITIMER_REAL, &every_ms, nullptr) == 0);
    }
    ~alarm_every_ms() {
        const itimerval never{};
        ::setitimer(ITIMER_REAL, &never, nullptr);
        ::sigaction(SIGALRM, &before_, nullptr);
    }
    alarm_every_ms(const alarm_every_ms&) = delete;
    alarm_every_ms& operator=(const alarm_every_ms&) = delete;

private:
    struct sigaction before_{};
};

} // namespace

TEST_CASE("a timeout of zero or less looks and returns", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    must(set.add(reader, epoll_flags::in));
    std::array<epoll::event, 1> room;
    CHECK(set.wait(room, 0ns).value() == 0);
    CHECK(set.wait(room, -1ns).value() == 0);
    CHECK(set.wait(room, hours::min()).value() == 0);
    put(writer, "x");
    CHECK(set.wait(room, 0ns).value() == 1);
    CHECK(set.wait(room, hours::min()).value() == 1);
}

TEST_CASE("a wait is never shorter than its timeout", "[sys][epoll]") {
    epoll set = make_epoll();
    std::array<epoll::event, 1> room;
    for (const nanoseconds timeout : {nanoseconds{1}, nanoseconds{300us}, nanoseconds{999'999},
                                      nanoseconds{1ms}, nanoseconds{1'300us}, nanoseconds{5ms}}) {
        for (int i = 0; i < 5; ++i) {
            const auto begin = steady_clock::now();
            CHECK(set.wait(room, timeout).value() == 0);
            CHECK(steady_clock::now() - begin >= timeout);
        }
    }
}

TEST_CASE("a wait for ever ends with an event from another thread", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    must(set.add(reader, epoll_flags::in));
    CHECK(look(set) == 0);
    std::thread waker{[fd = writer.get()] { static_cast<void>(!::write(fd, "x", 1)); }};
    std::array<epoll::event, 1> room;
    const auto n = set.wait(room, std::nullopt);
    waker.join();
    CHECK(n.value() == 1);
}

TEST_CASE("the longest timeouts do not overflow", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    must(set.add(reader, epoll_flags::in));
    std::array<epoll::event, 1> room;
    const auto wait_and_wake = [&](auto timeout) {
        std::thread waker{[fd = writer.get()] { static_cast<void>(!::write(fd, "x", 1)); }};
        const auto n = set.wait(room, timeout);
        waker.join();
        take(reader, 1);
        return n.value();
    };
    CHECK(wait_and_wake(hours::max()) == 1);
    CHECK(wait_and_wake(nanoseconds::max()) == 1);
    CHECK(wait_and_wake(nanoseconds::max() - 1ns) == 1);
    CHECK(wait_and_wake(std::chrono::milliseconds{std::numeric_limits<int>::max()} + 1ns) == 1);
    CHECK(wait_and_wake(std::chrono::duration<double>{1e300}) == 1);
}

TEST_CASE("a timeout in other units is rounded up to nanoseconds, and what is too long is cut",
          "[sys][epoll]") {
    using dunlin::detail::saturated_nanoseconds;
    using picoseconds = std::chrono::duration<std::int64_t, std::pico>;
    STATIC_REQUIRE(saturated_nanoseconds(2s) == 2'000'000'000ns);
    STATIC_REQUIRE(saturated_nanoseconds(picoseconds{1}) == 1ns);
    STATIC_REQUIRE(saturated_nanoseconds(std::chrono::duration<double>{0.25}) == 250ms);
    STATIC_REQUIRE(saturated_nanoseconds(hours::max()) == nanoseconds::max());
    STATIC_REQUIRE(saturated_nanoseconds(hours::min()) == nanoseconds::min());
    STATIC_REQUIRE(saturated_nanoseconds(std::chrono::duration<signed char>{100}) == 100s);
}

TEST_CASE("signals neither end a wait nor make it shorter", "[sys][epoll]") {
    epoll set = make_epoll();
    std::array<epoll::event, 1> room;
    const alarm_every_ms alarms;
    for (const nanoseconds timeout : {nanoseconds{20ms}, nanoseconds{20'300us}}) {
        const auto begin = steady_clock::now();
        const auto n = set.wait(room, timeout);
        const auto passed = steady_clock::now() - begin;
        CHECK(n.value() == 0);
        CHECK(passed >= timeout);
    }
}

TEST_CASE("poll_raw gives a signal back as -EINTR", "[sys][epoll]") {
    epoll set = make_epoll();
    std::array<epoll::event, 1> room;
    const alarm_every_ms alarms;
    CHECK(set.poll_raw(room, -1) == -EINTR);
    CHECK(set.poll_raw(room, 10'000'000'000) == -EINTR);
    CHECK(set.poll_raw(room, 10'000'000'001) == -EINTR);
}

TEST_CASE("poll_raw waits in nanoseconds, and gives the number of events", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    must(set.add(reader, epoll_flags::in));
    std::array<epoll::event, 1> room;
    for (const std::int64_t ns :
         {std::int64_t{0}, std::int64_t{300'000}, std::int64_t{2'000'000}}) {
        const auto begin = steady_clock::now();
        CHECK(set.poll_raw(room, ns) == 0);
        CHECK(steady_clock::now() - begin >= nanoseconds{ns});
    }
    put(writer, "x");
    CHECK(set.poll_raw(room, 0) == 1);
    CHECK(set.poll_raw(room, -1) == 1);
    CHECK(set.poll_raw(room, 300'000) == 1);
    CHECK(set.poll_raw(room, std::numeric_limits<std::int64_t>::max()) == 1);
    CHECK(room[0].fd() == reader.borrow());
}
