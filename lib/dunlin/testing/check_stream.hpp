// A kit that checks whether a type keeps the promises of a stream (net/stream.hpp).
//
//     const auto report = co_await check_stream(make_pair);
//     CHECK(report.is_conforming());       // and print report.words()
//
// Whoever writes a stream, be it over a pipe, TLS or a simulated network, runs it, and then knows
// that handlers, `any_stream` and `buffered_reader` will work on it: in each of nearly forty rules
// a fresh pair of connected streams is put into one situation. It knows no test framework. The idea
// is that of Trio's check_two_way_stream and check_half_closeable_stream.
//
// Every wait is bounded by timeouts of dunlin's clock, so it does not hang on a stream that does,
// and works on a virtual clock. What it cannot see: system calls made, memory used, and how a
// drain takes a wait. A stream that raises SIGPIPE ends the program, which the rule about writing
// to a closed peer brings about.
#pragma once

#include <dunlin/net/any_stream.hpp>
#include <dunlin/net/buffer.hpp>
#include <dunlin/net/stream.hpp>
#include <dunlin/result.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/testing/conformance_report.hpp>
#include <dunlin/util/api.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace dunlin {

/// What is true of a stream that is checked, and how long to wait for it.
struct check_stream_options {
    /// After `shutdown_write` it can still be read. Where not, rules about that are left out.
    bool is_half_closeable = true;

    /// Its operations do not refer to it once they wait, so that it may be dropped meanwhile; one
    /// that is made of tasks may say no.
    bool may_be_dropped_while_used = true;

    /// So many bytes at most are on their way, one way, before a writer waits: a write of more is
    /// taken for one that waits until the other side reads. At least 16 bytes fit.
    std::size_t most_held = std::size_t{8} * 1024 * 1024;

    /// How long something that should happen is waited for; a rule has ten times as long.
    std::chrono::nanoseconds patience = std::chrono::seconds{5};

    /// How long nothing must happen where nothing should. Waits on the way to a rule take no time.
    std::chrono::nanoseconds quiet = std::chrono::milliseconds{5};
};
static_assert(std::is_trivially_destructible_v<check_stream_options>);

/// Checks the streams that `make_pair()` gives, two new ones that are connected with each other
/// each time: a `std::pair<A, B>`, a `result` of one or an `io_task` of one. The rules look at the
/// first, with the second as its peer and in part the other way round; of two different classes
/// check each as the first.
///
/// Never fails: what a stream does wrong, and a pair that could not be made, is in the report. A
/// rule is left by destroying its frames if it does not end in time. If this is stopped, the rules
/// that are left are broken by that. `make_pair` is kept until the end; give a lambda that captures
/// a name before the `co_await` (g++ 12). Loop thread; may throw bad_alloc.
template <class MakePair>
[[nodiscard]] task<conformance_report> check_stream(MakePair make_pair,
                                                    check_stream_options options = {});

/// The same with another maker for rules in which a writer has to wait: of streams that hold less
/// (`most_held` is about these), so that filling them is quick.
template <class MakePair, class MakeClogged>
    requires(std::is_invocable_v<MakeClogged&>)
[[nodiscard]] task<conformance_report> check_stream(MakePair make_pair, MakeClogged make_clogged,
                                                    check_stream_options options = {});

// Implementation

namespace detail {

/// A stream that stays where it is, though its owner moves. Of tasks, so that it may itself be an
/// any_stream, whose operations are too large for another one.
template <class Stream>
class stream_in_place {
public:
    explicit stream_in_place(Stream&& moved) : stream_{new Stream{std::move(moved)}} {}
    stream_in_place(stream_in_place&& other) noexcept
        : stream_{std::exchange(other.stream_, nullptr)} {}
    stream_in_place& operator=(stream_in_place&& other) noexcept {
        std::swap(stream_, other.stream_);
        return *this;
    }
    ~stream_in_place() { delete stream_; }

    [[nodiscard]] Stream& get() noexcept { return *stream_; }

    io_task<buffer> read() {
        auto given = co_await stream_->read();
        co_return std::move(given);
    }
    io_task<std::size_t> read(std::span<std::byte> into) {
        const auto given = co_await stream_->read(into);
        co_return given;
    }
    io_task<> write(std::span<const std::byte> bytes, std::size_t* moved = nullptr) {
        co_await stream_->write(bytes, moved).or_return();
    }
    result<void> shutdown_write() { return stream_->shutdown_write(); }
    void close() { stream_->close(); }

private:
    Stream* stream_;
};

/// Two ends whose class is forgotten.
class stream_ends {
public:
    stream_ends() noexcept = default;
    stream_ends(any_stream ours, any_stream theirs) noexcept
        : here{std::move(ours)}, there{std::move(theirs)} {}

    any_stream here;
    any_stream there;
};

/// A stream that was moved, and the one it was moved from.
class moved_stream_ends {
public:
    moved_stream_ends() noexcept = default;

    any_stream now;
    any_stream before;
    any_stream there;      ///< The peer of what was moved.
    any_stream left_there; ///< The peer of what was there before; nothing unless it was assigned.
};

enum class how_to_move : std::uint8_t { construct, assign };

/// Where the pairs come from.
class DUNLIN_API stream_source {
public:
    stream_source(const stream_source&) = delete;
    stream_source& operator=(const stream_source&) = delete;
    virtual io_task<stream_ends> make() = 0;
    virtual io_task<moved_stream_ends> make_moved(how_to_move how) = 0;

protected:
    stream_source() noexcept = default;
    ~stream_source() = default;
};

template <class Made>
struct pair_made {
    using type = Made;
};
template <class Pair>
struct pair_made<result<Pair>> {
    using type = Pair;
};
template <class Pair>
struct pair_made<task<Pair>> : pair_made<Pair> {};

template <class MakePair>
class stream_source_of final : public stream_source {
    using made = std::invoke_result_t<MakePair&>;
    using pair = typename pair_made<made>::type;
    using first = typename pair::first_type;
    static_assert(stream<first> && stream<typename pair::second_type>);

public:
    explicit stream_source_of(MakePair& make) noexcept : make_{make} {}

    io_task<stream_ends> make() override {
        auto two = co_await call().or_return();
        stream_ends ends{erase(std::move(two.first)), erase(std::move(two.second))};
        co_return std::move(ends);
    }
    io_task<moved_stream_ends> make_moved(how_to_move how) override {
        auto two = co_await call().or_return();
        stream_in_place<first> before{std::move(two.first)};
        moved_stream_ends ends;
        if (how == how_to_move::construct) {
            stream_in_place<first> now{std::move(before.get())};
            ends.now = any_stream{std::move(now)};
        } else {
            auto others = co_await call().or_return();
            stream_in_place<first> now{std::move(others.first)};
            now.get() = std::move(before.get());
            ends.now = any_stream{std::move(now)};
            ends.left_there = erase(std::move(others.second));
        }
        ends.before = any_stream{std::move(before)};
        ends.there = erase(std::move(two.second));
        co_return std::move(ends);
    }

private:
    template <class Stream>
    static any_stream erase(Stream stream) {
        if constexpr (std::is_same_v<Stream, any_stream>)
            return stream;
        else
            return any_stream{std::move(stream)};
    }
    io_task<pair> call() {
        if constexpr (std::is_same_v<made, pair>) {
            co_return make_();
        } else if constexpr (std::is_same_v<made, result<pair>>) {
            auto two = co_await dunlin::or_return(make_());
            co_return std::move(two);
        } else {
            auto two = co_await make_().or_return();
            co_return std::move(two);
        }
    }

    MakePair& make_;
};

[[nodiscard]] DUNLIN_API task<conformance_report>
check_stream_rules(stream_source& source, stream_source& clogged, check_stream_options options);

} // namespace detail

template <class MakePair>
task<conformance_report> check_stream(MakePair make_pair, check_stream_options options) {
    detail::stream_source_of<MakePair> source{make_pair};
    auto report = co_await detail::check_stream_rules(source, source, options);
    co_return report;
}

template <class MakePair, class MakeClogged>
    requires(std::is_invocable_v<MakeClogged&>)
task<conformance_report> check_stream(MakePair make_pair, MakeClogged make_clogged,
                                      check_stream_options options) {
    detail::stream_source_of<MakePair> source{make_pair};
    detail::stream_source_of<MakeClogged> clogged{make_clogged};
    auto report = co_await detail::check_stream_rules(source, clogged, options);
    co_return report;
}

} // namespace dunlin
