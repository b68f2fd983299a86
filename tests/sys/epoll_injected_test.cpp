// The epoll object on a kernel that refuses. epoll_injected_test.py runs each of these under
// strace, which makes the system calls fail; without it they would fail, so they run only when
// named.
#include "epoll_support.hpp"

#include <cerrno>

using namespace epoll_test;
using std::chrono::steady_clock;

namespace {

/// Waits below a millisecond, several times, and checks that none is early.
void wait_in_vain(epoll& set) {
    std::array<epoll::event, 1> room;
    for (const auto timeout : {300us, 1us, 1'300us, 999us}) {
        const auto begin = steady_clock::now();
        CHECK(set.wait(room, timeout).value() == 0);
        CHECK(steady_clock::now() - begin >= timeout);
    }
}

} // namespace

TEST_CASE("without epoll_pwait2 a wait is rounded up, and the object remembers", "[.][refused]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    must(set.add(reader, epoll_flags::in));
    wait_in_vain(set);
    put(writer, "x");
    std::array<epoll::event, 1> room;
    CHECK(set.wait(room, 300us).value() == 1);
    CHECK(set.poll_raw(room, 300'000) == 1);
}

TEST_CASE("an interrupted wait goes on with the time that is left", "[.][interrupted]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    must(set.add(reader, epoll_flags::in));
    std::array<epoll::event, 1> room;
    CHECK(set.wait(room, 0s).value() == 0);
    wait_in_vain(set);
    for (const auto timeout : {2ms, 5ms}) {
        const auto begin = steady_clock::now();
        CHECK(set.wait(room, timeout).value() == 0);
        CHECK(steady_clock::now() - begin >= timeout);
    }
    put(writer, "x");
    CHECK(set.wait(room, std::nullopt).value() == 1);
    CHECK(set.wait(room, 300us).value() == 1);
}

TEST_CASE("an add that the kernel has no room for is an error, and the next one works",
          "[.][no-space]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    put(writer, "x");
    CHECK(error_of(set.add(reader, epoll_flags::in)) == std::errc::no_space_on_device);
    CHECK(look(set) == 0);
    must(set.add(reader, epoll_flags::in));
    CHECK(look(set) == 1);
}

TEST_CASE("other errors of epoll_pwait2 are not taken for its absence", "[.][other-error]") {
    epoll set = make_epoll();
    std::array<epoll::event, 1> room;
    CHECK(error_of(set.wait(room, 300us)) == std::errc::bad_address);
    CHECK(set.wait(room, 300us).value() == 0);
}
