// What streams and readers ask of the heap, and what becomes of them when it refuses.
#include <support/counted_new.hpp>
#include <support/streams.hpp>

#include <dunlin/loop/frame_pool.hpp>
#include <dunlin/net/buffered_reader.hpp>

#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

/// Blocks that somebody holds: all but those that lie in the pool.
long blocks_in_use() {
    const long live = live_buffers();
    std::vector<std::byte*> from_pool;
    for (;;) {
        const long before = allocations();
        std::byte* const block = detail::allocate_buffer();
        const bool is_new = allocations() != before;
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
    const long before = allocations();
    const std::size_t first = rounds;
    for (int i = 0; i < 1000; ++i)
        static_cast<void>(loop.sched().poll_once(0ns));
    const long after = allocations();
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
        {
            const refusal one{nth};
            for (int i = 0; i < 1000; ++i)
                static_cast<void>(loop.sched().poll_once(0ns));
            was_refused = one.has_happened();
        }
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
