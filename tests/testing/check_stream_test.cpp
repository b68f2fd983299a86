// The streams that dunlin has keep the rules of check_stream, over real sockets and in memory.
#include <support/streams.hpp>

#include <dunlin/net/buffered_reader.hpp>
#include <dunlin/net/tcp_listener.hpp>
#include <dunlin/testing/check_stream.hpp>

#include <cstddef>
#include <span>
#include <utility>

using namespace dunlin;
using namespace dunlin::test;

namespace {

/// More than the kernel holds for small buffers.
constexpr check_stream_options small{.most_held = 1'000'000};

/// Runs the kit, which ends by itself whatever the stream does, and shows what it found.
void check_conforms(test_loop& loop, task<conformance_report> kit) {
    auto started = loop.start(std::move(kit));
    while (!started.is_done())
        loop.turn(2ms);
    const auto report = started.result();
    INFO(report.words());
    CHECK(report.is_conforming());
}

using two_ends = std::pair<tcp_socket, tcp_socket>;

/// Two ends of a TCP connection over the loopback interface.
io_task<two_ends> tcp_pair() {
    auto listener = co_await or_return(tcp_listener::bind(endpoint::loopback_v4(0)));
    const auto where = co_await or_return(listener.local_endpoint());
    auto first = co_await tcp_socket::connect(where).or_return();
    auto second = co_await listener.accept().or_return();
    two_ends both{std::move(first), std::move(second)};
    co_return std::move(both);
}

/// As little room as the kernel gives. (Less to receive would make TCP wait for timers of its own.)
io_task<> make_small(two_ends& both) {
    tcp_socket* const ends[] = {&both.first, &both.second};
    for (tcp_socket* const each : ends) {
        co_await or_return(each->set_send_buffer(1));
        co_await or_return(each->set_receive_buffer(65'536));
    }
}

io_task<two_ends> small_tcp_pair() {
    auto both = co_await tcp_pair().or_return();
    co_await make_small(both).or_return();
    co_return std::move(both);
}

io_task<two_ends> small_unix_pair() {
    auto both = co_await or_return(socket_pair());
    co_await make_small(both).or_return();
    co_return std::move(both);
}

/// The halves of a split socket, as one stream again.
class rejoined {
public:
    explicit rejoined(tcp_socket whole) : halves_{std::move(whole).split()} {}

    auto read() { return halves_.first.read(); }
    auto read(std::span<std::byte> into) { return halves_.first.read(into); }
    auto write(std::span<const std::byte> bytes, std::size_t* moved = nullptr) {
        return halves_.second.write(bytes, moved);
    }
    result<void> shutdown_write() { return halves_.second.shutdown_write(); }
    void close() {
        halves_.first.close();
        halves_.second.close();
    }

private:
    std::pair<tcp_reader, tcp_writer> halves_;
};
static_assert(stream<rejoined>);

io_task<std::pair<rejoined, rejoined>> rejoined_pair() {
    auto both = co_await small_tcp_pair().or_return();
    std::pair<rejoined, rejoined> ends{rejoined{std::move(both.first)},
                                       rejoined{std::move(both.second)}};
    co_return std::move(ends);
}

// It hands out views of what it holds and is read by frames: no stream, so there is no rule for it.
static_assert(!stream<buffered_reader<memory_stream>>);

} // namespace

TEST_CASE("a TCP socket keeps the rules of a stream", "[testing][check_stream]") {
    test_loop loop;
    // Those that are filled are small; the others are as the kernel makes them.
    check_conforms(loop, check_stream(tcp_pair, small_tcp_pair, small));
}

TEST_CASE("so does a TCP socket with little room in each situation", "[testing][check_stream]") {
    test_loop loop;
    check_conforms(loop, check_stream(small_tcp_pair, small));
}

TEST_CASE("so do the halves of a split socket together", "[testing][check_stream]") {
    test_loop loop;
    check_conforms(loop, check_stream(rejoined_pair, small));
}

TEST_CASE("so does a Unix socket", "[testing][check_stream]") {
    test_loop loop;
    check_conforms(loop, check_stream(socket_pair, small_unix_pair, small));
}

TEST_CASE("so does a memory stream, however little it holds", "[testing][check_stream]") {
    test_loop loop;
    for (const std::size_t capacity : {16U, 4096U, 100'000U}) {
        const auto make_pair = [capacity] { return memory_stream_pair(capacity); };
        check_conforms(loop, check_stream(make_pair, {.most_held = capacity}));
    }
}

TEMPLATE_TEST_CASE("so does an any_stream, whatever is in it", "[testing][check_stream]",
                   over_sockets, in_memory) {
    test_loop loop;
    check_conforms(loop, check_stream(erased<TestType>::pair, small));
}

TEMPLATE_TEST_CASE("so does a stream that is made of tasks, if it is not dropped while it is used",
                   "[testing][check_stream]", over_sockets, in_memory) {
    test_loop loop;
    auto options = small;
    options.may_be_dropped_while_used = false;
    check_conforms(loop, check_stream(by_tasks<TestType>::pair, options));
}
