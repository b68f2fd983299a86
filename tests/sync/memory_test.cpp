// Waiting allocates nothing; and what becomes of waits when memory is refused.
#include "scenes.hpp"

#include <support/counted_new.hpp>

#include <new>
#include <optional>

using namespace dunlin;
using namespace dunlin::test;

namespace {

template <class Channel>
io_task<> answer(Channel& questions, Channel& answers, int times) {
    for (int i = 0; i < times; ++i) {
        const int next = co_await questions.receive().timeout(1s).or_return();
        co_await answers.send(next + 1).or_return();
    }
}

/// So many questions, each of which makes both sides wait.
template <class Channel>
io_task<long> allocations_of(Channel& questions, Channel& answers, int times) {
    const long before = allocations();
    for (int i = 0; i < times; ++i) {
        co_await questions.send(int{i}).or_return();
        const int got = co_await answers.receive().or_return();
        if (got != i + 1) co_await fail(std::make_error_code(std::errc::io_error));
    }
    co_return allocations() - before;
}

io_task<> pass(mutex& door, semaphore& slots, event& flag, int times) {
    for (int i = 0; i < times; ++i) {
        const auto guard = co_await door.lock().timeout(1s).or_return();
        flag.reset();
        co_await slots.acquire(2).or_return();
        slots.release(2);
        flag.set();
    }
}

} // namespace

TEMPLATE_TEST_CASE("sending and receiving allocate nothing", "[sync][memory]", channel<int>,
                   remote_channel<int>) {
    test_loop loop;
    TestType questions{1};
    TestType answers{1};
    auto answering = loop.start(answer(questions, answers, 1010));
    CHECK(loop.run(allocations_of(questions, answers, 10)).value() >= 0); // the first waits
    CHECK(loop.run(allocations_of(questions, answers, 1000)).value() == 0);
    loop.run_until_idle();
    CHECK(answering.is_done());
}

TEST_CASE("mutexes, semaphores and events allocate nothing", "[sync][memory]") {
    test_loop loop;
    mutex door;
    semaphore slots{2};
    event flag;
    auto first = loop.start(pass(door, slots, flag, 1000));
    auto second = loop.start(pass(door, slots, flag, 1000));
    loop.turn();
    const long before = allocations();
    while (!first.is_done() || !second.is_done())
        static_cast<void>(loop.sched().poll_once(0ns));
    CHECK(allocations() - before <= 2); // the results' places
    CHECK(first.result());
    CHECK(second.result());
}

TEST_CASE("without memory for a scheduler's first wait, that is the error", "[sync][memory]") {
    test_loop loop;
    const remote_channel<int> items{1};
    auto started = loop.start([&]() -> io_task<int> {
        std::optional<refusal> all{std::in_place, 0, refuse::from_then_on};
        const auto refused = co_await items.receive();
        all.reset();
        if (refused) co_return -1;
        if (refused.error() != std::errc::not_enough_memory) co_return -2;
        const int got = co_await items.receive().or_return();
        co_return got;
    });
    loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    CHECK(items.try_send(3));
    loop.run_until_idle();
    CHECK(started.result().value() == 3);
}

TEST_CASE("a channel for more than there is room for is refused in the usual way",
          "[sync][memory]") {
    CHECK_THROWS_AS(without_memory([] { static_cast<void>(remote_channel<int>{1}); }),
                    std::bad_alloc);
    // More than there are addresses for.
    CHECK_THROWS_AS(remote_channel<long>{static_cast<std::size_t>(-1)}, std::bad_alloc);
}
