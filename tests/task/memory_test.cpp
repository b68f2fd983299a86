// What happens when memory is refused.
#include <dunlin/loop/frame_pool.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task_group.hpp>

#include <support/counted_new.hpp>
#include <support/test_loop.hpp>

#include <cstdlib>
#include <new>
#include <string>

using namespace dunlin;
using namespace dunlin::test;

namespace {

// Frames larger than what the pool keeps, so each is an allocation in every build.
struct ballast {
    ballast() noexcept : bytes{} {}
    ballast(const ballast&) noexcept : bytes{} {}
    ballast& operator=(const ballast&) = delete;
    ~ballast() {
        if (bytes[4095] != 0) std::abort(); // so it has to lie in the frame until then
    }
    volatile char bytes[4096];
};

io_task<int> grandchild() {
    ballast heavy;
    co_await sleep_for(1ns).ignore();
    heavy.bytes[0] = 1;
    co_return heavy.bytes[0];
}
io_task<int> child() {
    ballast heavy;
    heavy.bytes[0] = 1;
    const int below = co_await grandchild().or_return();
    co_return below + heavy.bytes[0];
}
io_task<> spawned(int& done) {
    ballast heavy;
    heavy.bytes[0] = 1;
    const int got = co_await child().or_return();
    done += got;
}
io_task<> parent(int& done) {
    task_group group;
    group.spawn(spawned, std::ref(done)); // a holder frame, and its own
    group.spawn(spawned(done));           // a context apart
    co_await group.join().or_return();
}
struct trial {
    bool has_succeeded;
    bool is_right;
    long leaked;
};

io_task<> keep(io_task<> awaited, result<void>& into) {
    auto ended = co_await std::move(awaited);
    into = ended;
}

/// Runs `parent` with the n-th allocation refused, and all that come after it.
trial play(scheduler& loop, long n) {
    const long before = live_allocations();
    trial played{};
    {
        int done = 0;
        result<void> ended = errc::busy;
        task_group group;
        const refusal from_there{n, refuse::from_then_on};
        auto made = parent(done);
        group.spawn(keep, std::move(made), std::ref(ended));
        while (!group.is_empty())
            static_cast<void>(loop.poll_once(std::chrono::milliseconds{1}));
        played.has_succeeded = ended.has_value();
        if (played.has_succeeded)
            played.is_right = done == 4;
        else
            played.is_right = ended.error() == std::errc::not_enough_memory ||
                              group.first_error() == std::errc::not_enough_memory;
    }
    played.leaked = live_allocations() - before;
    return played;
}

task<int> plain() {
    ballast heavy;
    heavy.bytes[0] = 3;
    co_return heavy.bytes[0];
}

} // namespace

TEST_CASE("an io_task without memory for its frame yields not_enough_memory when awaited",
          "[task][memory]") {
    test_loop loop;
    const auto looks = []() -> io_task<int> {
        auto made = without_memory(child);
        auto got = co_await std::move(made);
        if (got) co_return 1;
        co_return got.error();
    };
    CHECK(loop.run(looks()).error() == std::errc::not_enough_memory);
    const auto passes = []() -> io_task<int> {
        auto made = without_memory(child);
        const int got = co_await std::move(made).or_return();
        co_return got;
    };
    CHECK(loop.run(passes()).error() == std::errc::not_enough_memory);
    const auto throws_it = []() -> task<bool> {
        auto made = without_memory(child);
        try {
            const int got = co_await std::move(made).or_throw();
            co_return got == 0;
        } catch (const std::system_error& thrown) {
            co_return thrown.code() == std::errc::not_enough_memory;
        }
    };
    CHECK(loop.run(throws_it()));
}

TEST_CASE("a task without memory for its frame throws bad_alloc from the call", "[task][memory]") {
    bool thrown = false;
    try {
        auto made = without_memory(plain);
    } catch (const std::bad_alloc&) {
        thrown = true;
    }
    CHECK(thrown);
}

TEST_CASE("whichever allocation is refused, the error comes out and nothing leaks",
          "[task][memory]") {
    test_loop loop;
    const trial warm_up = play(loop.sched(), -1); // fills what is kept from then on
    REQUIRE(warm_up.has_succeeded);
    bool has_succeeded = false;
    long n = 0;
    for (; !has_succeeded; ++n) {
        const trial played = play(loop.sched(), n);
        has_succeeded = played.has_succeeded;
        INFO("allocation " << n);
        REQUIRE(n < 1000);
        CHECK(played.is_right);
        CHECK(played.leaked == 0);
    }
    CHECK(n > 4);
}

TEST_CASE("a lambda's holder without memory is its group's error", "[task][memory]") {
    test_loop loop;
    task_group group{on_child_error::carry_on};
    const ballast heavy;
    without_memory([&] {
        group.spawn([heavy]() -> io_task<> {
            static_cast<void>(heavy);
            co_return;
        });
    });
    CHECK(group.failures() == 1);
    CHECK(group.is_empty());
    CHECK(loop.run(
        [](task_group& joined) -> io_task<> { co_await joined.join().or_return(); }(group)));
    const auto spawn_plain = [&] {
        group.spawn([heavy]() -> task<> {
            static_cast<void>(heavy);
            co_return;
        });
    };
    CHECK_THROWS_AS(without_memory(spawn_plain), std::bad_alloc);
    int done = 0;
    group.spawn(spawned, std::ref(done)); // all is well afterwards
    CHECK(loop.run(
        [](task_group& joined) -> io_task<> { co_await joined.join().or_return(); }(group)));
    CHECK(done == 2);
}
