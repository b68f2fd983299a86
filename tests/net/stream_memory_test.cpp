// What streams and readers ask of the heap, and what becomes of them when it refuses. This program
// has an operator new of its own.
#include <support/streams.hpp>

#include <dunlin/loop/frame_pool.hpp>
#include <dunlin/net/buffered_reader.hpp>

#include <cstdlib>
#include <new>
#include <vector>

namespace {

long allocations = 0;
long fails_at = -1; // counted from 0; negative: never
long live_blocks = 0;

struct header {
    alignas(std::max_align_t) std::size_t size;
};

[[gnu::noinline]] void* allocate(std::size_t size) noexcept {
    if (allocations++ == fails_at) return nullptr;
    auto* const made = static_cast<header*>(std::malloc(size + sizeof(header)));
    if (made == nullptr) return nullptr;
    made->size = size;
    if (size == dunlin::detail::buffer_size) ++live_blocks;
    return made + 1;
}

[[gnu::noinline]] void give_back(void* memory) noexcept {
    if (memory == nullptr) return;
    auto* const made = static_cast<header*>(memory) - 1;
    if (made->size == dunlin::detail::buffer_size) --live_blocks;
    std::free(made);
}

} // namespace

void* operator new(std::size_t size) {
    void* const made = allocate(size);
    if (made == nullptr) throw std::bad_alloc{};
    return made;
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void operator delete(void* memory) noexcept { give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { give_back(memory); }

using namespace dunlin;
using namespace dunlin::test;

namespace {

/// Blocks that somebody holds: all but those that lie in the pool.
long blocks_in_use() {
    const long live = live_blocks;
    std::vector<std::byte*> from_pool;
    for (;;) {
        const long before = allocations;
        std::byte* const block = detail::allocate_buffer();
        const bool is_new = allocations != before;
        if (is_new) {
            detail::free_buffer(block);
            break;
        }
        from_pool.push_back(block);
    }
    for (std::byte* const each : from_pool)
        detail::free_buffer(each);
    return live - static_cast<long>(from_pool.size());
}

/// Sanitizers want to see every frame and buffer, so there are no pools then.
bool has_pools() {
    detail::free_buffer(detail::allocate_buffer());
    const long before = allocations;
    detail::free_buffer(detail::allocate_buffer());
    return allocations == before;
}

io_task<> send_lines(any_stream& to, std::size_t& rounds) {
    for (;; ++rounds) {
        co_await to.write("a line\n").or_return();
        std::byte answer[8];
        co_await to.read(answer).or_return();
    }
}

io_task<> answer_lines(buffered_reader<any_stream>& from) {
    while (const auto line = co_await from.read_line(100).timeout(1s).or_return())
        co_await from.stream().write(*line).or_return();
}

} // namespace

TEMPLATE_TEST_CASE("a line that is read and answered allocates nothing", "[net][memory]",
                   over_sockets, in_memory) {
    test_loop loop;
    auto ends = erased<TestType>::pair();
    buffered_reader reader{std::move(ends.first)};
    std::size_t rounds = 0;
    auto answering = loop.start(answer_lines(reader));
    auto sending = loop.start(send_lines(ends.second, rounds));
    loop.run_until([&] { return rounds > 10; });
    if (!has_pools()) return;
    const long before = allocations;
    const std::size_t first = rounds;
    for (int i = 0; i < 1000; ++i)
        static_cast<void>(loop.sched().poll_once(0ns));
    const long after = allocations;
    CHECK(rounds > first + 50);
    CHECK(after == before);
}

TEMPLATE_TEST_CASE("a reader that waits with nothing buffered holds no block", "[net][memory]",
                   over_sockets, in_memory, erased<over_sockets>) {
    test_loop loop;
    auto ends = TestType::pair();
    buffered_reader reader{std::move(ends.first)};
    const long before = blocks_in_use();
    auto reading = loop.start(
        [](auto& from) -> io_task<> {
            while (const auto line = co_await from.read_line(200'000).or_return()) {
            }
        },
        reader);
    const auto send = [&](std::string text) {
        auto writing = loop.start(write_all(ends.second, std::move(text)));
        loop.run_until_idle();
        REQUIRE(writing.is_done());
    };
    loop.run_until_idle();
    CHECK(blocks_in_use() == before);
    send("one\ntwo\nthr");
    CHECK(blocks_in_use() == before + 1);
    send("ee\n");
    CHECK(blocks_in_use() == before);
    send(std::string(100'000, 'x')); // larger than a block
    CHECK(reader.buffered().size() == 100'000);
    send("\n");
    CHECK(reader.buffered().empty());
    CHECK(blocks_in_use() == before);
}

TEST_CASE("whichever allocation of a reader is refused, it says so, and no byte is lost",
          "[net][memory]") {
    const std::string line(150'000, 'x');
    long nth = 0;
    bool was_refused = true;
    for (; was_refused; ++nth) {
        CAPTURE(nth);
        std::vector<buffer> hoard; // so that the pool has none
        for (int i = 0; i < 64; ++i)
            hoard.emplace_back(detail::allocate_buffer(), 0);
        test_loop loop;
        auto ends = erased<in_memory>::pair();
        buffered_reader reader{std::move(ends.first)};
        auto writing = loop.start(write_all(ends.second, line + "\nrest"));
        auto reading = loop.start(
            [](auto& from) -> io_task<std::size_t> {
                const auto whole = co_await from.read_line(200'000).or_return();
                co_return whole.value().size();
            },
            reader);
        allocations = 0;
        fails_at = nth;
        for (int i = 0; i < 1000; ++i)
            static_cast<void>(loop.sched().poll_once(0ns));
        was_refused = allocations > fails_at;
        fails_at = -1;
        REQUIRE(reading.is_done());
        const auto given = reading.result();
        if (was_refused && !given) {
            CHECK(given.error() == std::errc::not_enough_memory);
            const auto whole = loop.run(reader.read_line(200'000));
            REQUIRE(whole.has_value());
            CHECK((*whole.value() == line));
        } else {
            CHECK(given.value() == line.size());
        }
        const auto rest = loop.run(reader.read_exactly(4));
        CHECK(text_of(rest.value()) == "rest");
        loop.run_until_idle();
        CHECK(writing.is_done());
    }
    CHECK(nth > 3);
}
