// How much stack a task costs: none per child in a row, some per level of nesting.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task_group.hpp>

#include <support/test_loop.hpp>

#include <memory>
#include <pthread.h>

using namespace dunlin;
using namespace dunlin::test;

namespace {

constexpr int million = 1'000'000;
constexpr int levels = 10'000;

/// Waits for its task's next turn, always.
class next_turn final : public dunlin::operation, public dunlin::spellings<next_turn> {
public:
    using value_type = void;
    next_turn() noexcept = default;
    ~next_turn() {
        if (is_waiting_) abandon();
    }
    bool begin() noexcept {
        context_->sched->schedule_later(*context_);
        wait();
        return false;
    }
    bool attempt() noexcept override { return true; }
    void take() noexcept {}
};

task<int> at_once(int given) { co_return given; }
io_task<int> later(int given) {
    co_await next_turn().ignore();
    co_return given;
}
io_task<> fails_at_once() { co_await fail(errc::busy); }

io_task<> each_later(int count) {
    for (int i = 0; i < count; ++i) {
        const int got = co_await later(i).or_return();
        if (got != i) co_await fail(errc::busy);
    }
}

/// Waits for its own turn at the bottom.
io_task<int> nested_later(int depth, std::shared_ptr<int> held) {
    if (depth == 0) {
        co_await sleep_for(1ms).or_return();
        co_return 1;
    }
    const int below = co_await nested_later(depth - 1, held).or_return();
    co_return below + 1;
}
task<int> nested_at_once(int depth) {
    if (depth == 0) co_return 1;
    const int below = co_await nested_at_once(depth - 1);
    co_return below + 1;
}
io_task<int> nested_failure(int depth) {
    if (depth == 0) {
        co_await sleep_for(0ns).ignore();
        co_return errc::busy;
    }
    const int below = co_await nested_failure(depth - 1).or_return();
    co_return below + 1;
}
task<int> nested_exception(int depth) {
    if (depth == 0) throw depth;
    const int below = co_await nested_exception(depth - 1);
    co_return below + 1;
}

/// Runs `function` on a thread with a large stack: unoptimised and under a sanitizer ten thousand
/// levels need more than the usual 8 MiB.
template <class Function>
void with_large_stack(Function function) {
    pthread_attr_t attributes;
    REQUIRE(::pthread_attr_init(&attributes) == 0);
    REQUIRE(::pthread_attr_setstacksize(&attributes, std::size_t{256} << 20) == 0);
    pthread_t thread;
    REQUIRE(::pthread_create(
                &thread, &attributes,
                [](void* argument) -> void* {
                    (*static_cast<Function*>(argument))();
                    return nullptr;
                },
                &function) == 0);
    REQUIRE(::pthread_join(thread, nullptr) == 0);
    ::pthread_attr_destroy(&attributes);
}

} // namespace

TEST_CASE("a million children that finish at once run on a constant stack", "[task][depth]") {
    test_loop loop;
    const auto parent = []() -> task<long> {
        long sum = 0;
        for (int i = 0; i < million; ++i) {
            const int got = co_await at_once(1);
            sum += got;
        }
        co_return sum;
    };
    CHECK(loop.run(parent()) == million);
    const auto fails = []() -> task<long> {
        long sum = 0;
        for (int i = 0; i < million; ++i) {
            auto got = co_await fails_at_once();
            sum += got ? 0 : 1;
        }
        co_return sum;
    };
    CHECK(loop.run(fails()) == million);
}

TEST_CASE("a million children that finish later run on a constant stack", "[task][depth]") {
    test_loop loop;
    // In quarters, of which each has its five seconds, and would not fit on 8 MiB.
    for (int quarter = 0; quarter < 4; ++quarter)
        CHECK(loop.run(each_later(million / 4)));
    CHECK(loop.counters().resumptions >= million); // each waited
}

TEST_CASE("a hundred thousand tasks in one group each wait once", "[task][depth]") {
    test_loop loop;
    task_group group;
    long sum = 0;
    for (int i = 0; i < million / 10; ++i)
        group.spawn(
            [](long& into) -> task<> {
                co_await sleep_for(1ns).ignore();
                ++into;
            },
            std::ref(sum));
    CHECK(loop.run(
        [](task_group& joined) -> io_task<> { co_await joined.join().or_return(); }(group)));
    CHECK(sum == million / 10);
}

TEST_CASE("ten thousand levels run to their end, at once, later, failing and throwing",
          "[task][depth]") {
    bool all = false;
    with_large_stack([&all] {
        scheduler on_this_thread;
        int sum = 0;
        {
            task_group group;
            group.spawn(
                [](int& into) -> task<> {
                    const int got = co_await nested_at_once(levels);
                    into += got;
                },
                std::ref(sum));
            group.spawn(
                [](int& into) -> task<> {
                    auto got = co_await nested_later(levels, nullptr);
                    into += got.value();
                },
                std::ref(sum));
            group.spawn(
                [](int& into) -> task<> {
                    auto got = co_await nested_failure(levels);
                    if (!got) into += 1;
                },
                std::ref(sum));
            group.spawn(
                [](int& into) -> task<> {
                    try {
                        const int got = co_await nested_exception(levels);
                        into += got;
                    } catch (int) {
                        into += 1;
                    }
                },
                std::ref(sum));
            while (!group.is_empty())
                if (!on_this_thread.poll_once(1s)) return;
        }
        all = sum == 2 * (levels + 1) + 2;
    });
    CHECK(all);
}

TEST_CASE("ten thousand levels are destroyed while the last one waits", "[task][depth]") {
    auto alive = std::make_shared<int>(0);
    long held = 0;
    with_large_stack([&] {
        scheduler on_this_thread;
        {
            task_group group;
            group.spawn(
                [](std::shared_ptr<int> what) -> task<> {
                    co_await nested_later(levels, std::move(what)).ignore();
                },
                alive);
            static_cast<void>(on_this_thread.poll_once(0ns));
            held = alive.use_count();
        }
    });
    CHECK(held == levels + 2); // one in each frame, and ours
    CHECK(alive.use_count() == 1);
}

TEST_CASE("nesting costs a bounded part of the stack per level", "[task][depth]") {
    test_loop loop;
    struct ruler {
        static std::uintptr_t stack_here() {
            return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
        }
        static task<> probe(int depth, std::uintptr_t& lowest) {
            lowest = stack_here();
            if (depth > 0) co_await probe(depth - 1, lowest);
        }
    };
    std::uintptr_t one = 0;
    std::uintptr_t many = 0;
    loop.run(ruler::probe(0, one));
    loop.run(ruler::probe(100, many));
    const std::uintptr_t per_level = (one - many) / 100;
    INFO("a level of nesting costs " << per_level << " bytes of stack");
    CHECK(per_level < 2048);
}
