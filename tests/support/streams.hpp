// Streams of every kind, for tests that are run over each: two connected ends of ours.
#pragma once

#include <support/net_support.hpp>

#include <dunlin/net/any_stream.hpp>
#include <dunlin/net/stream.hpp>
#include <dunlin/testing/memory_stream.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace dunlin::test {

struct over_sockets {
    using type = tcp_socket;
    static std::pair<type, type> pair() {
        auto made = dunlin::socket_pair();
        REQUIRE(made);
        shrink_send_buffer(made.assume_value().first.fd());
        shrink_send_buffer(made.assume_value().second.fd());
        return std::move(made).assume_value();
    }
};

struct in_memory {
    using type = memory_stream;
    static std::pair<type, type> pair() { return memory_stream_pair(4096); }
};

template <class Kind>
struct erased {
    using type = any_stream;
    static std::pair<type, type> pair() {
        auto ends = Kind::pair();
        return {any_stream{std::move(ends.first)}, any_stream{std::move(ends.second)}};
    }
};

/// A stream that is made of another one, so that its operations are tasks.
template <class Inner>
class made_of_tasks {
public:
    explicit made_of_tasks(Inner inside) : inside_{std::move(inside)} {}

    io_task<buffer> read() { co_return co_await inside_.read(); }
    io_task<std::size_t> read(std::span<std::byte> into) { co_return co_await inside_.read(into); }
    io_task<> write(std::span<const std::byte> bytes, std::size_t* moved = nullptr) {
        co_await inside_.write(bytes, moved).or_return();
    }
    result<void> shutdown_write() noexcept { return inside_.shutdown_write(); }
    void close() noexcept { inside_.close(); }

private:
    Inner inside_;
};

template <class Kind>
struct by_tasks {
    using type = made_of_tasks<typename Kind::type>;
    static std::pair<type, type> pair() {
        auto ends = Kind::pair();
        return {type{std::move(ends.first)}, type{std::move(ends.second)}};
    }
};

static_assert(stream<tcp_socket>);
static_assert(stream<memory_stream>);
static_assert(stream<any_stream>);
static_assert(stream<made_of_tasks<memory_stream>>);
static_assert(readable_stream<tcp_reader> && !stream<tcp_reader>);
static_assert(writable_stream<tcp_writer> && !stream<tcp_writer>);

/// Far more than any of them holds.
inline constexpr std::size_t more_than_fits = 1'000'000;

template <class Stream>
io_task<> write_all(Stream& to, std::string text, std::size_t* moved = nullptr) {
    const std::string_view view = text;
    co_await to.write(std::as_bytes(std::span{view.data(), view.size()}), moved).or_return();
}

template <class Stream>
io_task<std::string> read_some(Stream& from) {
    const auto data = co_await from.read().or_return();
    co_return std::string{data.text()};
}

template <class Stream>
io_task<std::string> read_to_end(Stream& from) {
    std::string all;
    while (const auto data = co_await from.read().or_return())
        all += data.text();
    co_return all;
}

/// What was started is over, and gave this.
template <class T>
T result_of(test_loop& loop, pending<T>& started) {
    loop.run_until([&] { return started.is_done(); });
    return started.result();
}

} // namespace dunlin::test
