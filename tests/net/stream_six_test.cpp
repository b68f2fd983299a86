// What becomes of reads and writes of every kind of stream in the six cases that each awaiter
// meets.
#include <support/streams.hpp>

#include <dunlin/task/when.hpp>

using namespace dunlin;
using namespace dunlin::test;

namespace {

// Three operations; each expects "0123456789" to come, or to go.
struct by_buffer {
    static constexpr bool is_read = true;
    template <class Stream>
    static io_task<std::string> start(Stream& on, std::string&) {
        const auto data = co_await on.read().or_return();
        co_return std::string{data.text()};
    }
};
struct by_span {
    static constexpr bool is_read = true;
    template <class Stream>
    static io_task<std::string> start(Stream& on, std::string& into) {
        const std::size_t count = co_await on.read(bytes_of(into)).or_return();
        co_return into.substr(0, count);
    }
};
struct by_write {
    static constexpr bool is_read = false;
    template <class Stream>
    static io_task<std::string> start(Stream& on, std::string&) {
        const std::string_view text = "0123456789";
        const auto bytes = std::as_bytes(std::span{text.data(), text.size()});
        co_await on.write(bytes).or_return();
        co_return std::string{text};
    }
};

template <class Kind, class Operation>
struct case_of {
    using kind = Kind;
    using operation = Operation;
};

/// An operation of one end, and the means to let it go on.
template <class Case>
struct scene {
    using kind = typename Case::kind;
    using type = typename kind::type;
    using doing = typename Case::operation;

    test_loop loop;
    std::pair<type, type> ends = kind::pair();
    std::string into = std::string(10, '?');
    task_context* who = nullptr;
    std::size_t stuffed = 0;

    auto start() { return loop.start(observe(doing::start(ends.first, into), who)); }

    /// From here on it has to wait. A writer's way is stuffed.
    void make_it_wait() {
        if (doing::is_read) return;
        auto stuffing =
            loop.start(write_all(ends.first, std::string(more_than_fits, '-'), &stuffed));
        loop.run_until_idle();
        REQUIRE_FALSE(stuffing.is_done());
        REQUIRE(stuffed > 0);
        stuffing.destroy();
    }

    /// Brings what it waits for: a coroutine of the other end.
    static io_task<> let(type& other, std::size_t in_the_way) {
        if constexpr (doing::is_read) {
            const std::string_view text = "0123456789";
            const auto bytes = std::as_bytes(std::span{text.data(), text.size()});
            co_await other.write(bytes).or_return();
        } else {
            std::string taken;
            while (taken.size() < in_the_way) {
                const auto data = co_await other.read().or_return();
                taken += data.text();
            }
            CHECK((taken == std::string(in_the_way, '-')));
        }
    }
    void let_go_on() {
        auto letting = loop.start(let(ends.second, stuffed));
        loop.run_until_idle();
        REQUIRE(letting.is_done());
        REQUIRE(letting.result());
    }

    /// It has taken or sent nothing, and is in nobody's way.
    void check_untouched() {
        CHECK(into == "??????????");
        if constexpr (doing::is_read) {
            auto again = loop.start(read_some(ends.first));
            loop.run_until_idle();
            REQUIRE(again.is_done());
            CHECK(again.result().value() == "0123456789");
        } else {
            auto again = loop.start(write_all(ends.first, "abc"));
            loop.run_until_idle();
            REQUIRE(again.is_done());
            auto came = loop.start(read_some(ends.second));
            loop.run_until_idle();
            REQUIRE(came.is_done());
            CHECK(came.result().value() == "abc");
        }
    }
};

#define EVERY_CASE                                                                                 \
    (case_of<over_sockets, by_buffer>), (case_of<over_sockets, by_span>),                          \
        (case_of<over_sockets, by_write>), (case_of<in_memory, by_buffer>),                        \
        (case_of<in_memory, by_span>), (case_of<in_memory, by_write>),                             \
        (case_of<erased<over_sockets>, by_buffer>), (case_of<erased<over_sockets>, by_span>),      \
        (case_of<erased<over_sockets>, by_write>), (case_of<erased<in_memory>, by_buffer>),        \
        (case_of<erased<in_memory>, by_span>), (case_of<erased<in_memory>, by_write>),             \
        (case_of<erased<by_tasks<in_memory>>, by_buffer>),                                         \
        (case_of<erased<by_tasks<in_memory>>, by_span>),                                           \
        (case_of<erased<by_tasks<in_memory>>, by_write>)

} // namespace

TEMPLATE_TEST_CASE(
    "what need not wait completes at once",
    "[net][stream][six:any_read_buffer_operation:ready][six:any_read_operation:ready]"
    "[six:any_write_operation:ready][six:memory_read_buffer_operation:ready]"
    "[six:memory_read_operation:ready][six:memory_write_operation:ready]",
    EVERY_CASE) {
    scene<TestType> s;
    s.let_go_on();
    const auto resumptions = s.loop.counters().resumptions;
    auto started = s.start();
    REQUIRE_FALSE(started.is_done());
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().value() == "0123456789");
    CHECK(s.loop.counters().resumptions == resumptions + 1);
}

TEMPLATE_TEST_CASE(
    "it waits as long as it has to, and not longer",
    "[net][stream][six:any_read_buffer_operation:later][six:any_read_operation:later]"
    "[six:any_write_operation:later][six:memory_read_buffer_operation:later]"
    "[six:memory_read_operation:later][six:memory_write_operation:later]",
    EVERY_CASE) {
    scene<TestType> s;
    s.make_it_wait();
    auto started = s.start();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    s.let_go_on();
    REQUIRE(started.is_done());
    CHECK(started.result().value() == "0123456789");
}

TEMPLATE_TEST_CASE("woken for nothing it goes on waiting",
                   "[net][stream][six:any_read_buffer_operation:spurious]"
                   "[six:any_read_operation:spurious][six:any_write_operation:spurious]"
                   "[six:memory_read_buffer_operation:spurious]"
                   "[six:memory_read_operation:spurious][six:memory_write_operation:spurious]",
                   EVERY_CASE) {
    scene<TestType> s;
    s.make_it_wait();
    auto started = s.start();
    s.loop.run_until_idle();
    for (int i = 0; i < 3; ++i)
        wake_for_nothing(s.loop, s.who);
    REQUIRE_FALSE(started.is_done());
    s.let_go_on();
    REQUIRE(started.is_done());
    CHECK(started.result().value() == "0123456789");
}

TEMPLATE_TEST_CASE("stopped while it waits it has done nothing",
                   "[net][stream][six:any_read_buffer_operation:stopped]"
                   "[six:any_read_operation:stopped][six:any_write_operation:stopped]"
                   "[six:memory_read_buffer_operation:stopped]"
                   "[six:memory_read_operation:stopped][six:memory_write_operation:stopped]",
                   EVERY_CASE) {
    scene<TestType> s;
    s.make_it_wait();
    auto started = s.start();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    started.stop();
    REQUIRE_FALSE(started.is_done());
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::stopped);

    auto next = s.start(); // would have to wait, and is told so before
    next.stop();
    s.loop.turn();
    REQUIRE(next.is_done());
    CHECK(next.result().error() == errc::stopped);
    s.let_go_on();
    s.check_untouched();
}

TEMPLATE_TEST_CASE("destroyed while it waits it has done nothing",
                   "[net][stream][six:any_read_buffer_operation:destroyed]"
                   "[six:any_read_operation:destroyed][six:any_write_operation:destroyed]"
                   "[six:memory_read_buffer_operation:destroyed]"
                   "[six:memory_read_operation:destroyed][six:memory_write_operation:destroyed]",
                   EVERY_CASE) {
    scene<TestType> s;
    s.make_it_wait();
    auto started = s.start();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    started.destroy();
    s.let_go_on();
    s.check_untouched();
}

TEMPLATE_TEST_CASE(
    "destroyed in the turn it became ready it has done nothing",
    "[net][stream][six:any_read_buffer_operation:destroyed-ready]"
    "[six:any_read_operation:destroyed-ready][six:any_write_operation:destroyed-ready]"
    "[six:memory_read_buffer_operation:destroyed-ready]"
    "[six:memory_read_operation:destroyed-ready][six:memory_write_operation:destroyed-ready]",
    EVERY_CASE) {
    scene<TestType> s;
    s.make_it_wait();
    auto started = s.start();
    s.loop.run_until_idle();
    REQUIRE_FALSE(started.is_done());
    // The task that makes it ready then destroys it, before it has its turn.
    auto letting = s.loop.start([&]() -> io_task<> {
        co_await scene<TestType>::let(s.ends.second, s.stuffed).or_return();
        if constexpr (std::is_same_v<typename TestType::kind, in_memory>) CHECK(s.who->is_queued());
        started.destroy();
    });
    s.loop.run_until_idle();
    REQUIRE(letting.is_done());
    s.check_untouched();
}

TEMPLATE_TEST_CASE("what came in the turn of the stop wins over it", "[net][stream]", EVERY_CASE) {
    scene<TestType> s;
    s.make_it_wait();
    auto started = s.start();
    s.loop.run_until_idle();
    auto letting = s.loop.start([&]() -> io_task<> {
        co_await scene<TestType>::let(s.ends.second, s.stuffed).or_return();
        started.stop();
    });
    s.loop.run_until_idle();
    REQUIRE(letting.is_done());
    REQUIRE(started.is_done());
    CHECK(started.result().value() == "0123456789");
}

TEMPLATE_TEST_CASE("a second one is told busy at once, and the first is not disturbed",
                   "[net][stream]", EVERY_CASE) {
    scene<TestType> s;
    s.make_it_wait();
    auto first = s.start();
    s.loop.run_until_idle();
    std::string other(10, '?');
    auto second = s.loop.start(scene<TestType>::doing::start(s.ends.first, other));
    s.loop.turn();
    REQUIRE(second.is_done());
    CHECK(second.result().error() == errc::busy);
    REQUIRE_FALSE(first.is_done());
    s.let_go_on();
    REQUIRE(first.is_done());
    CHECK(first.result().value() == "0123456789");
}

TEMPLATE_TEST_CASE("closing this end tells whoever waits, and whoever comes", "[net][stream]",
                   EVERY_CASE) {
    scene<TestType> s;
    s.make_it_wait();
    auto first = s.start();
    s.loop.run_until_idle();
    s.ends.first.close();
    s.loop.turn();
    REQUIRE(first.is_done());
    CHECK(first.result().error() == errc::closed);
    auto second = s.start();
    s.loop.turn();
    REQUIRE(second.is_done());
    CHECK(second.result().error() == errc::closed);
}

TEMPLATE_TEST_CASE("the loser of a race takes nothing, though it comes in the same turn",
                   "[net][stream]", EVERY_CASE) {
    scene<TestType> s;
    s.make_it_wait();
    auto [quit, quitter] = memory_stream_pair(16);
    auto raced = s.loop.start([&]() -> io_task<std::size_t> {
        auto won =
            co_await when_any(read_some(quit), TestType::operation::start(s.ends.first, s.into))
                .or_return();
        co_return won.index();
    });
    s.loop.run_until_idle();
    REQUIRE_FALSE(raced.is_done());
    auto letting = s.loop.start([&]() -> io_task<> {
        co_await quitter.write("!").or_return();
        co_await scene<TestType>::let(s.ends.second, s.stuffed).or_return();
    });
    s.loop.run_until_idle();
    REQUIRE(letting.is_done());
    REQUIRE(raced.is_done());
    CHECK(raced.result().value() == 0);
    s.check_untouched();
}
