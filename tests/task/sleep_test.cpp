#include <dunlin/task/sleep.hpp>

#include <support/fake_clock.hpp>
#include <support/test_loop.hpp>

using namespace dunlin;
using namespace dunlin::test;

TEST_CASE("a sleep ends when its time has come and not a nanosecond earlier",
          "[task][sleep][six:sleep_operation:later]") {
    test_loop loop;
    auto pending = loop.start([]() -> io_task<> { co_await sleep_for(5ms).or_return(); });
    loop.run_until_idle();
    REQUIRE_FALSE(pending.is_done());
    fake_clock::advance(5ms - 1ns);
    loop.run_until_idle();
    REQUIRE_FALSE(pending.is_done());
    fake_clock::advance(1ns);
    loop.run_until_idle();
    REQUIRE(pending.is_done());
    CHECK(pending.result());
}

TEST_CASE("a socket pair carries bytes both ways", "[support]") {
    test_loop loop;
    auto [here, there] = loop.tcp_pair();
    there.send("hello");
    CHECK(loop.run(here.read(loop.scratch())).value() == 5);
    CHECK(loop.run(here.write("you")));
    CHECK(there.receive() == "you");
}
