// Waiting allocates nothing. This program counts what operator new gives, and has it fail.
#include "scenes.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<long> allocations{0};
std::atomic<bool> refuses{false};

[[gnu::noinline]] void* allocate(std::size_t size, std::size_t alignment) noexcept {
    if (refuses || size > (std::size_t{1} << 40)) return nullptr; // the sanitizers would abort
    ++allocations;
    if (alignment == 0) return std::malloc(size);
    return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
[[gnu::noinline]] void give_back(void* block) noexcept { std::free(block); }

} // namespace

void* operator new(std::size_t size) {
    void* const block = allocate(size, 0);
    if (block == nullptr) throw std::bad_alloc{};
    return block;
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 0); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    void* const block = allocate(size, static_cast<std::size_t>(alignment));
    if (block == nullptr) throw std::bad_alloc{};
    return block;
}
void operator delete(void* block) noexcept { give_back(block); }
void operator delete(void* block, std::size_t) noexcept { give_back(block); }
void operator delete(void* block, std::align_val_t) noexcept { give_back(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { give_back(block); }

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
    const long before = allocations;
    for (int i = 0; i < times; ++i) {
        co_await questions.send(int{i}).or_return();
        const int got = co_await answers.receive().or_return();
        if (got != i + 1) co_await fail(std::make_error_code(std::errc::io_error));
    }
    co_return allocations - before;
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
    const long before = allocations;
    while (!first.is_done() || !second.is_done())
        static_cast<void>(loop.sched().poll_once(0ns));
    CHECK(allocations - before <= 2); // the results' places
    CHECK(first.result());
    CHECK(second.result());
}

TEST_CASE("without memory for a scheduler's first wait, that is the error", "[sync][memory]") {
    test_loop loop;
    const remote_channel<int> items{1};
    auto started = loop.start([&]() -> io_task<int> {
        refuses = true;
        auto refused = co_await items.receive();
        refuses = false;
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
    refuses = true;
    bool is_refused = false;
    try {
        const remote_channel<int> items{1};
    } catch (const std::bad_alloc&) {
        is_refused = true;
    }
    refuses = false;
    CHECK(is_refused);
    // More than there are addresses for.
    is_refused = false;
    try {
        const remote_channel<long> items{static_cast<std::size_t>(-1)};
    } catch (const std::bad_alloc&) {
        is_refused = true;
    }
    CHECK(is_refused);
}
