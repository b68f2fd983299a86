#include <dunlin/sync/event.hpp>
#include <dunlin/sync/semaphore.hpp>

#include <support/test_loop.hpp>

#include <utility>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> acquire(semaphore& from, std::size_t count) { co_await from.acquire(count).or_return(); }

} // namespace

TEST_CASE("permits are counted", "[sync][semaphore]") {
    test_loop loop;
    semaphore slots{3};
    CHECK(loop.run(slots.acquire(2)));
    CHECK(slots.available() == 1);
    CHECK_FALSE(slots.try_acquire(2));
    CHECK(slots.try_acquire());
    CHECK(slots.try_acquire(0));
    CHECK_FALSE(slots.try_acquire());
    auto waits = loop.start(acquire(slots, 2));
    loop.run_until_idle();
    slots.release();
    loop.run_until_idle();
    CHECK_FALSE(waits.is_done()); // one is not enough, and none is taken
    CHECK(slots.available() == 1);
    slots.release();
    loop.turn();
    CHECK(waits.is_done());
    CHECK(slots.available() == 0);
}

TEST_CASE("one that wants many is not overtaken by those who want few", "[sync][semaphore]") {
    test_loop loop;
    semaphore slots{1};
    auto many = loop.start(acquire(slots, 3));
    loop.run_until_idle();
    CHECK_FALSE(slots.try_acquire()); // there is one, but somebody waits
    auto few = loop.start(acquire(slots, 1));
    loop.run_until_idle();
    CHECK_FALSE(few.is_done());
    SECTION("it gets them first") {
        slots.release(2);
        loop.run_until_idle();
        CHECK(many.is_done());
        CHECK_FALSE(few.is_done());
        slots.release();
    }
    SECTION("once it is gone the others go on") { many.destroy(); }
    SECTION("once it is stopped the others go on") { many.stop(); }
    loop.run_until_idle();
    CHECK(few.is_done());
}

TEST_CASE("a permit gives back what a destroyed task had acquired", "[sync][semaphore]") {
    test_loop loop;
    semaphore slots{2};
    event never;
    const auto work = [&]() -> io_task<> {
        co_await slots.acquire(2).or_return();
        const semaphore::permit held{slots, 2};
        co_await never.wait().or_return();
    };
    auto started = loop.start(work);
    loop.run_until_idle();
    CHECK(slots.available() == 0);
    started.destroy();
    CHECK(slots.available() == 2);

    REQUIRE(slots.try_acquire(2));
    semaphore::permit first{slots};
    semaphore::permit second{std::move(first)};
    CHECK(slots.available() == 0);
    second = semaphore::permit{slots};
    CHECK(slots.available() == 1);
    second.release();
    second.release();
    CHECK(slots.available() == 2);
}
