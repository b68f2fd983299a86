// What every stream does, over each kind.
#include <support/fake_clock.hpp>
#include <support/streams.hpp>

#include <dunlin/task/when.hpp>

using namespace dunlin;
using namespace dunlin::test;

namespace {

#define EVERY_KIND                                                                                 \
    over_sockets, in_memory, by_tasks<over_sockets>, erased<over_sockets>, erased<in_memory>,      \
        erased<by_tasks<over_sockets>>

template <class Stream>
io_task<std::string> read_with_timeout(Stream& from, std::chrono::nanoseconds span) {
    const auto data = co_await from.read().timeout(span).or_return();
    co_return std::string{data.text()};
}
template <class Stream>
io_task<std::string> read_span_until(Stream& from, time_point deadline) {
    std::string into(10, '?');
    const std::size_t count = co_await from.read(bytes_of(into)).until(deadline).or_return();
    co_return into.substr(0, count);
}
template <class Stream>
io_task<> write_with_timeout(Stream& to, std::string text, std::chrono::nanoseconds span,
                             std::size_t& moved) {
    const auto bytes = std::as_bytes(std::span{std::as_const(text)});
    co_await to.write(bytes, &moved).timeout(span).or_return();
}

} // namespace

TEMPLATE_TEST_CASE("a stream carries far more than it holds, both ways at once, and ends",
                   "[net][stream]", EVERY_KIND) {
    test_loop loop;
    auto [here, there] = TestType::pair();
    const std::string sent = pattern(more_than_fits, 1);
    const std::string answered = pattern(more_than_fits, 2);
    const auto write_and_end = [](auto& to, std::string all) -> io_task<> {
        co_await write_all(to, std::move(all)).or_return();
        co_await or_return(to.shutdown_write());
    };
    auto first = loop.start(write_and_end, here, sent);
    auto second = loop.start(write_and_end, there, answered);
    auto came = loop.start(read_to_end(there));
    auto came_back = loop.start(read_to_end(here));
    CHECK((result_of(loop, came).value() == sent));
    CHECK((result_of(loop, came_back).value() == answered));
    CHECK(result_of(loop, first));
    CHECK(result_of(loop, second));
}

TEMPLATE_TEST_CASE("after shutdown_write this end still reads, and a write is a broken pipe",
                   "[net][stream]", EVERY_KIND) {
    test_loop loop;
    auto [here, there] = TestType::pair();
    REQUIRE(loop.run(write_all(here, "last")));
    REQUIRE(here.shutdown_write());
    CHECK(loop.run(read_to_end(there)).value() == "last");
    CHECK(loop.run(write_all(here, "more")).error() == std::errc::broken_pipe);
    REQUIRE(loop.run(write_all(there, "answer")));
    CHECK(loop.run(read_some(here)).value() == "answer");
}

TEMPLATE_TEST_CASE("closing one end wakes who reads or writes at the other", "[net][stream]",
                   EVERY_KIND) {
    test_loop loop;
    auto [here, there] = TestType::pair();
    std::size_t moved = 0;
    auto writing = loop.start(write_all(there, std::string(more_than_fits, 'x'), &moved));
    auto reading = loop.start(read_some(there));
    loop.run_until_idle();
    REQUIRE_FALSE(writing.is_done());
    REQUIRE_FALSE(reading.is_done());
    here.close();
    here.close(); // once more does nothing
    loop.run_until_idle();
    REQUIRE(writing.is_done());
    CHECK(writing.result().error() == std::errc::broken_pipe);
    CHECK(moved > 0);
    CHECK(moved < more_than_fits);
    REQUIRE(reading.is_done());
    const auto last = reading.result(); // a socket that closes with unread input resets
    CHECK((last ? last.value().empty() : last.error() == std::errc::connection_reset));
    CHECK(here.shutdown_write().error() == errc::closed);
}

TEMPLATE_TEST_CASE("what was written before the close is read after it", "[net][stream]",
                   EVERY_KIND) {
    test_loop loop;
    auto ends = TestType::pair();
    REQUIRE(loop.run(write_all(ends.first, "last words")));
    {
        const auto gone = std::move(ends.first);
    }
    CHECK(loop.run(read_some(ends.second)).value() == "last words");
    CHECK(loop.run(read_some(ends.second)).value().empty());
    CHECK(loop.run(read_some(ends.second)).value().empty()); // the end stays
}

TEMPLATE_TEST_CASE("reading into no bytes gives none, and does not wait", "[net][stream]",
                   EVERY_KIND) {
    test_loop loop;
    auto [here, there] = TestType::pair();
    auto reading = loop.start(
        [](auto& from) -> io_task<std::size_t> {
            const std::size_t count = co_await from.read(std::span<std::byte>{}).or_return();
            co_return count;
        },
        here);
    loop.turn();
    REQUIRE(reading.is_done());
    CHECK(reading.result().value() == 0);
    CHECK(loop.run(write_all(here, "")));
}

TEMPLATE_TEST_CASE("a read or a write gives up after its timeout, and has lost nothing",
                   "[net][stream]", EVERY_KIND) {
    test_loop loop;
    auto [here, there] = TestType::pair();
    auto reading = loop.start(read_with_timeout(here, 5ms));
    loop.run_until_idle();
    fake_clock::advance(5ms - 1ns);
    loop.run_until_idle();
    REQUIRE_FALSE(reading.is_done());
    fake_clock::advance(1ns);
    loop.run_until_idle();
    REQUIRE(reading.is_done());
    CHECK(reading.result().error() == errc::timeout);

    auto until = loop.start(read_span_until(here, now() + 5ms));
    loop.run_until_idle();
    REQUIRE_FALSE(until.is_done());
    fake_clock::advance(5ms);
    loop.run_until_idle();
    REQUIRE(until.is_done());
    CHECK(until.result().error() == errc::timeout);

    std::size_t moved = 0;
    const std::string all = pattern(more_than_fits);
    auto writing = loop.start(write_with_timeout(there, all, 5ms, moved));
    loop.run_until_idle();
    REQUIRE_FALSE(writing.is_done());
    fake_clock::advance(5ms);
    loop.run_until_idle();
    REQUIRE(writing.is_done());
    CHECK(writing.result().error() == errc::timeout);
    REQUIRE(there.shutdown_write());
    CHECK((loop.run(read_to_end(here)).value() == all.substr(0, moved)));
}

TEMPLATE_TEST_CASE("what comes in the turn in which the time is over still counts", "[net][stream]",
                   EVERY_KIND) {
    test_loop loop;
    auto [here, there] = TestType::pair();
    auto reading = loop.start(read_with_timeout(here, 5ms));
    loop.run_until_idle();
    auto writing = loop.start(write_all(there, "just in time"));
    fake_clock::advance(5ms);
    loop.run_until_idle();
    REQUIRE(writing.is_done());
    REQUIRE(reading.is_done());
    const auto came = reading.result();
    // In memory nothing comes before the writer has its turn, which is after the timer's.
    if (came)
        CHECK(came.value() == "just in time");
    else
        CHECK(loop.run(read_some(here)).value() == "just in time");
}

TEMPLATE_TEST_CASE("the four spellings say the same in their ways", "[net][stream]", EVERY_KIND) {
    test_loop loop;
    auto [here, there] = TestType::pair();
    REQUIRE(loop.run(write_all(there, "abcd")));
    loop.run([](auto& from) -> task<> {
        std::byte one[1];
        const auto looked = co_await from.read(one);
        CHECK(looked.value() == 1);
        const std::size_t thrown = co_await from.read(one).or_throw();
        CHECK(thrown == 1);
        co_await from.read(one).ignore();
        const auto last = co_await from.read().or_throw();
        CHECK(last.text() == "d");
        from.close();
        const auto failed = co_await from.read(one);
        CHECK(failed.error() == errc::closed);
        bool has_thrown = false;
        try {
            const auto data = co_await from.read().or_throw();
            CHECK(data.is_end()); // not reached
        } catch (const std::system_error& why) {
            has_thrown = why.code() == errc::closed;
        }
        CHECK(has_thrown);
        co_await from.read(one).ignore();
    }(here));
}

TEMPLATE_TEST_CASE("a drain ends a wait for input, but not one with something unanswered",
                   "[net][stream]", EVERY_KIND) {
    test_loop loop;
    auto [here, there] = TestType::pair();
    auto idle = loop.start(read_some(here));
    loop.run_until_idle();
    idle.drain();
    loop.run_until_idle();
    REQUIRE(idle.is_done());
    CHECK(idle.result().error() == errc::stopped);

    REQUIRE(loop.run(write_all(there, "question")));
    CHECK(loop.run(read_some(here)).value() == "question");
    auto in_the_middle = loop.start(read_some(here));
    loop.run_until_idle();
    in_the_middle.drain();
    loop.run_until_idle();
    CHECK_FALSE(in_the_middle.is_done());
}

TEMPLATE_TEST_CASE("two tasks that hand bytes to and fro keep nobody else waiting", "[net][stream]",
                   EVERY_KIND) {
    test_loop loop;
    auto [here, there] = TestType::pair();
    const auto play = [](auto& with) -> io_task<> {
        for (;;) {
            const auto ball = co_await with.read().or_return();
            co_await with.write(ball.bytes()).or_return();
        }
    };
    REQUIRE(loop.run(write_all(here, "o")));
    auto first = loop.start(play, here);
    auto second = loop.start(play, there);
    for (int i = 0; i < 10; ++i)
        loop.turn();
    std::size_t turns = 0;
    auto other = loop.start([&turns]() -> io_task<> {
        ++turns;
        co_return;
    });
    loop.turn();
    CHECK(turns == 1);
    CHECK_FALSE(first.is_done());
}

TEMPLATE_TEST_CASE("who never has to wait lets others run all the same", "[net][stream]",
                   EVERY_KIND) {
    test_loop loop;
    auto [here, there] = TestType::pair();
    REQUIRE(loop.run(write_all(there, std::string(1000, 'x'))));
    std::size_t reads = 0;
    auto reading = loop.start(
        [&reads](auto& from) -> io_task<> {
            for (; reads < 1000; ++reads) {
                std::byte one[1];
                co_await from.read(one).or_return();
            }
        },
        here);
    loop.turn();
    CHECK(reads == 64);
    loop.run_until_idle();
    CHECK(reads == 1000);
    CHECK(reading.is_done());
}

TEST_CASE("an any_stream of nothing, or moved from, is closed", "[net][any_stream]") {
    test_loop loop;
    any_stream none;
    CHECK(loop.run(none.read()).error() == errc::closed);
    std::byte one[1];
    CHECK(loop.run(none.read(one)).error() == errc::closed);
    std::size_t moved = 7;
    CHECK(loop.run(none.write("x", &moved)).error() == errc::closed);
    CHECK(moved == 0);
    CHECK(none.shutdown_write().error() == errc::closed);
    none.close();

    auto [here, there] = memory_stream_pair(16);
    any_stream full{std::move(here)};
    none = std::move(full);
    REQUIRE(loop.run(none.write("x")));
    CHECK(loop.run(full.read()).error() == errc::closed); // NOLINT: moved from on purpose
    CHECK(loop.run(there.read()).value().text() == "x");
    none = any_stream{};
    CHECK(loop.run(there.read()).value().is_end());
}

TEST_CASE("an any_stream passes an exception of a stream's task on", "[net][any_stream]") {
    class throwing : public made_of_tasks<memory_stream> {
    public:
        using made_of_tasks::made_of_tasks;
        using made_of_tasks::read;
        io_task<buffer> read() {
            auto thrown = std::runtime_error{"from inside"};
            throw thrown;
            co_return buffer{};
        }
    };
    test_loop loop;
    auto ends = memory_stream_pair(16);
    any_stream erased_one{throwing{std::move(ends.first)}};
    CHECK_THROWS_WITH(loop.run(read_some(erased_one)), "from inside");
}

TEST_CASE("an error passes up through an any_stream with its path", "[net][any_stream]") {
    test_loop loop;
    auto ends = memory_stream_pair(16);
    any_stream here{made_of_tasks{std::move(ends.first)}};
    here.close();
    CHECK(loop.run(write_all(here, "x")).error() == errc::closed);
    CHECK(loop.sched().path().size() == 2); // where the task inside wrote, and where it was awaited
}

TEST_CASE("a memory stream holds what its capacity says, and not a byte more", "[testing]") {
    test_loop loop;
    for (const std::size_t capacity : {1U, 2U, 7U, 4096U}) {
        auto [here, there] = memory_stream_pair(capacity);
        std::size_t moved = 0;
        auto writing = loop.start(write_all(here, std::string(2 * capacity, 'x'), &moved));
        loop.run_until_idle();
        CHECK(moved == capacity);
        CHECK_FALSE(writing.is_done());
        CHECK(loop.run(read_some(there)).value().size() == capacity);
        loop.run_until_idle();
        CHECK(writing.is_done());
    }
}

TEST_CASE("a memory stream that dies leaves its waiting operations closed, not dangling",
          "[testing]") {
    test_loop loop;
    auto ends = std::optional{memory_stream_pair(16)};
    auto reading = loop.start(read_some(ends->first));
    auto writing = loop.start(write_all(ends->second, std::string(100, 'x')));
    loop.turn();
    auto second = loop.start(read_some(ends->first));
    loop.run_until_idle();
    ends.reset();
    loop.run_until_idle();
    REQUIRE(writing.is_done());
    CHECK(writing.result().error() == errc::closed);
    REQUIRE(second.is_done());
}

TEST_CASE("a memory stream makes no system call", "[testing]") {
    test_loop loop;
    auto [here, there] = memory_stream_pair(16);
    auto writing = loop.start(write_all(here, std::string(1000, 'x')));
    auto reading = loop.start(read_some(there));
    loop.run_until_idle();
    CHECK(loop.counters().registrations == 0);
    CHECK(loop.counters().events == 0);
    REQUIRE(reading.is_done());
}

TEST_CASE("a writer to memory that finds room all the time lets others run", "[testing]") {
    test_loop loop;
    auto [here, there] = memory_stream_pair(1000);
    std::size_t writes = 0;
    auto writing = loop.start(
        [&writes](auto& to) -> io_task<> {
            for (; writes < 100; ++writes)
                co_await write_all(to, "x").or_return();
        },
        here);
    loop.turn();
    CHECK(writes == 64);
    loop.run_until_idle();
    CHECK(writing.is_done());
    CHECK(loop.run(read_some(there)).value().size() == 100);
}
