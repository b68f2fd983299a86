// Where frames live. Most of what the pool does cannot be seen under a sanitizer, which has it off;
// that nothing is used after its end can be seen there only.
#include <dunlin/loop/frame_pool.hpp>
#include <dunlin/task/run.hpp>
#include <dunlin/task/sleep.hpp>

#include <support/forked.hpp>
#include <support/test_loop.hpp>

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif

namespace {

task<int> waits(int given) {
    co_await sleep_for(1ns).ignore();
    co_return given;
}

template <std::size_t Size>
task<> heavy() {
    char bytes[Size];
    std::memset(bytes, 1, Size);
    co_await sleep_for(1ns).ignore();
    if (bytes[Size - 1] != 1) std::abort();
}

} // namespace

TEST_CASE("frames of every size are aligned and do not overlap", "[loop][frame_pool]") {
    std::vector<std::pair<unsigned char*, std::size_t>> frames;
    for (std::size_t size = 1; size < 3000; size += 7) {
        for (const bool is_root : {false, true}) {
            if (is_root) detail::expect_root();
            auto* const frame = static_cast<unsigned char*>(detail::allocate_frame(size));
            REQUIRE(frame != nullptr);
            CHECK(reinterpret_cast<std::uintptr_t>(frame) % 16 == 0);
            void* const room = detail::context_room_of(frame);
            CHECK((room != nullptr) == is_root);
            if (room != nullptr) std::memset(room, 0xAB, detail::context_room);
            std::memset(frame, static_cast<int>(size % 251), size);
            frames.emplace_back(frame, size);
        }
    }
    for (const auto& [frame, size] : frames)
        for (std::size_t i = 0; i < size; ++i)
            if (frame[i] != size % 251) FAIL("overwritten");
    for (const auto& each : frames)
        detail::free_frame(each.first);
}

TEST_CASE("only the next frame is a root, and an expectation can be taken back",
          "[loop][frame_pool]") {
    detail::expect_root();
    void* const root = detail::allocate_frame(100);
    void* const child = detail::allocate_frame(100);
    detail::expect_root();
    detail::unexpect_root();
    void* const other = detail::allocate_frame(100);
    CHECK(detail::context_room_of(root) != nullptr);
    CHECK(detail::context_room_of(child) == nullptr);
    CHECK(detail::context_room_of(other) == nullptr);
    for (void* const each : {root, child, other})
        detail::free_frame(each);
}

TEST_CASE("a frame may be made before run and die after it", "[loop][frame_pool]") {
    auto before = waits(1);
    std::optional<task<int>> unawaited = waits(2);
    int got = 0;
    const auto main = [](task<int> given, int& into) -> task<> {
        const int value = co_await std::move(given);
        into = value;
    };
    CHECK(run(main(std::move(before), got), {.signals = false}) == 0);
    CHECK(got == 1);
    unawaited.reset();
}

TEST_CASE("frames and buffers may be freed on another thread than they were made on",
          "[loop][frame_pool]") {
    std::vector<task<int>> made;
    for (int i = 0; i < 1000; ++i)
        made.push_back(waits(i));
    std::byte* const block = detail::allocate_buffer();
    REQUIRE(block != nullptr);
    std::thread{[moved = std::move(made), block]() mutable {
        moved.clear();
        detail::free_buffer(block);
        auto own = waits(1); // from what was just freed
    }}.join();
}

TEST_CASE("a frame outlives the thread that made it, and its pool", "[loop][frame_pool]") {
    std::optional<task<int>> made;
    std::byte* block = nullptr;
    std::thread{[&] {
        made = waits(7);
        block = detail::allocate_buffer();
        auto kept_by_the_pool = waits(1);
    }}.join();
    test_loop loop;
    CHECK(loop.run(std::move(*made)) == 7);
    detail::free_buffer(block);
}

TEST_CASE("a frame freed after its thread's pool is gone is freed all the same",
          "[loop][frame_pool]") {
    std::thread{[] {
        struct holder {
            std::optional<task<int>> kept;
        };
        // Made before the pool's first use on this thread, so destroyed after the pool.
        thread_local holder last;
        last.kept.reset();
        last.kept = waits(1);
    }}.join();
}

TEST_CASE("frames too large to keep, and more than the pool keeps, are given back",
          "[loop][frame_pool]") {
    test_loop loop;
    loop.run(heavy<100'000>());
    std::vector<void*> many;
    for (int i = 0; i < 10'000; ++i)
        many.push_back(detail::allocate_frame(1500)); // 15 MB, more than it keeps
    for (void* const each : many)
        detail::free_frame(each);
    std::vector<std::byte*> buffers;
    for (int i = 0; i < 200; ++i)
        buffers.push_back(detail::allocate_buffer());
    CHECK(std::set<std::byte*>(buffers.begin(), buffers.end()).size() == 200);
    for (std::byte* const each : buffers)
        detail::free_buffer(each);
}

#ifdef UNDER_ASAN
TEST_CASE("AddressSanitizer sees a frame that is used after its end", "[loop][frame_pool]") {
    const auto child = run_forked([] {
        scheduler loop;
        int* local = nullptr;
        {
            task_group group;
            group.spawn(
                [](int*& into) -> task<> {
                    int here = 1;
                    into = &here;
                    co_await sleep_for(1ns).ignore();
                    ++here;
                },
                std::ref(local));
            while (!group.is_empty())
                static_cast<void>(loop.poll_once(std::chrono::milliseconds{1}));
        }
        volatile int* const dangling = local;
        return *dangling;
    });
    CHECK(child.exit_code != 0);
    CHECK(child.said("AddressSanitizer: heap-use-after-free"));
}
#endif
