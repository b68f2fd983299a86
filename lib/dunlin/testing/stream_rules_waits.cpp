// Rules about waits that end early: stopped, timed out, destroyed.
#include <dunlin/testing/detail/stream_rules.hpp>

#include <dunlin/sys/error.hpp>
#include <dunlin/task/sleep.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace dunlin::detail {

namespace {

enum class order : std::uint8_t { stop_only, bytes_then_stop, stop_then_bytes };
constexpr order each_order[] = {order::stop_only, order::bytes_then_stop, order::stop_then_bytes};
enum class when : std::uint8_t { waiting, bytes_written, a_turn_later };
constexpr when each_time[] = {when::waiting, when::bytes_written, when::a_turn_later};

constexpr const char* waits_for_bytes = "a read waits as long as there is nothing";
constexpr const char* stopped_says_so = "the error `stopped` for who is stopped while he waits";

/// Reads what is left of "0123456789" when the first bytes have come already.
io_task<> get_the_rest(stream_scene& s, std::string came) {
    const std::string_view sent = "0123456789";
    if (came.size() < sent.size()) {
        const auto rest = co_await s.get(s.here, sent.size() - came.size()).or_return();
        came += rest;
    }
    co_await or_return(s.expect_bytes(came, sent));
}

io_task<> timed_out_read(stream_scene& s) {
    const auto what = "the error `timeout` for a read whose time is over";
    std::string into(8, '?');
    const auto by_span =
        co_await s.here.read(std::as_writable_bytes(std::span{into})).timeout(s.options.quiet);
    co_await or_return(s.expect_error(by_span, errc::timeout, what));
    const auto by_buffer = co_await s.here.read().timeout(s.options.quiet);
    co_await or_return(s.expect_error(by_buffer, errc::timeout, what));
    co_await s.put(s.there, "0123456789").or_return();
    co_await get_the_rest(s, "").or_return();
    co_await or_return(s.expect(into == "????????", "a read that gave up leaves its span alone",
                                "other bytes in it"));
}

io_task<> no_time_to_wait(stream_scene& s) {
    const std::chrono::nanoseconds none{0};
    std::byte into[1];
    const auto nothing = co_await s.here.read(into).timeout(none);
    co_await or_return(
        s.expect_error(nothing, errc::timeout, "the error `timeout` for a read without time"));
    co_await s.put(s.there, "0123456789").or_return();
    auto came = co_await s.get_some(s.here, 1).or_return();
    co_await sleep_for(s.options.quiet).or_return(); // now the rest is there, too
    const auto given = co_await s.here.read().timeout(none);
    co_await or_return(s.expect(given && !given.assume_value().is_end(),
                                "a read without time gives what is there", in_words(given)));
    came += given.assume_value().text();
    co_await get_the_rest(s, came).or_return();
}

io_task<> stopped_before(stream_scene& s) {
    for (const read_by how : each_read) {
        co_await s.renew().or_return();
        co_await s.put(s.there, "0123456789").or_return();
        auto came = co_await s.get_some(s.here, 1).or_return();
        co_await sleep_for(s.options.quiet).or_return(); // now the rest is there, too
        running<std::string> ready{read_once(s.here, how)};
        ready.stop();
        const auto some =
            co_await s.finish(ready, "a read that need not wait succeeds under a stop").or_return();
        co_await or_return(
            s.expect(!some.empty(), "bytes for a read that need not wait", "the end"));
        came += some;
        co_await get_the_rest(s, came).or_return();
        running<std::string> waiting{read_once(s.here, how)};
        waiting.stop();
        const auto what = "the error `stopped` for a read that would have to wait under a stop";
        co_await s.finish_with(waiting, errc::stopped, what).or_return();
    }
}

/// Takes what a read gave that was stopped or destroyed at about the time when bytes came.
io_task<std::string> spoils_of(stream_scene& s, const running<std::string>& reading) {
    std::string came;
    if (reading.outcome()) {
        const auto& given = *reading.outcome();
        co_await or_return(
            s.expect(given || given.error() == errc::stopped, stopped_says_so, in_words(reading)));
        if (given) came = given.assume_value();
    }
    co_return came;
}

io_task<> stopped_read(stream_scene& s) {
    for (const read_by how : each_read) {
        for (const order in : each_order) {
            running<std::string> reading{read_once(s.here, how)};
            co_await s.let_wait(reading, waits_for_bytes).or_return();
            if (in == order::bytes_then_stop) co_await s.put(s.there, "0123456789").or_return();
            reading.stop();
            if (in == order::stop_then_bytes) co_await s.put(s.there, "0123456789").or_return();
            co_await s.finish_anyhow(reading, stopped_says_so).or_return();
            const auto came = co_await spoils_of(s, reading).or_return();
            if (in == order::stop_only) {
                co_await or_return(s.expect_error(reading, errc::stopped, stopped_says_so));
                co_await s.put(s.there, "0123456789").or_return();
            }
            co_await get_the_rest(s, came).or_return();
        }
    }
}

io_task<> destroyed_read(stream_scene& s) {
    for (const read_by how : each_read) {
        for (const when then : each_time) {
            running<std::string> reading{read_once(s.here, how)};
            co_await s.let_wait(reading, waits_for_bytes).or_return();
            if (then == when::waiting) reading.destroy();
            co_await s.put(s.there, "0123456789").or_return();
            if (then == when::a_turn_later) co_await let_others_run().or_return();
            reading.destroy();
            const auto came = co_await spoils_of(s, reading).or_return();
            co_await get_the_rest(s, came).or_return();
        }
    }
}

/// A write of more than fits was left when `moved` bytes of it had gone. Just these arrive, and
/// who writes on from there is not kept from it.
io_task<> check_left_write(stream_scene& s, const std::string& sent, const std::size_t& moved) {
    const std::size_t gone = moved;
    co_await or_return(s.expect(gone < sent.size(), "`moved` less than a write that had to wait",
                                std::to_string(gone) + " of " + std::to_string(sent.size())));
    running<> writing_on{write_all(s.here, std::string_view{sent}.substr(gone))};
    const auto came = co_await s.get(s.there, sent.size()).or_return();
    co_await or_return(s.expect_bytes(came, sent));
    co_await s.finish(writing_on, "who goes on after `moved` bytes writes the rest").or_return();
    co_await s.get_nothing(s.there).or_return();
    co_await or_return(
        s.expect(moved == gone, "`moved` stays what it was when the write was left",
                 "it has changed from " + std::to_string(gone) + " to " + std::to_string(moved)));
}

io_task<> timed_out_write(stream_scene& s) {
    const std::string sent = pattern(s.options.most_held + 1, 9);
    std::size_t moved = 77;
    const auto given = co_await s.here.write(sent, &moved).timeout(s.options.quiet);
    co_await or_return(
        s.expect_error(given, errc::timeout, "the error `timeout` for a write whose time is over"));
    co_await check_left_write(s, sent, moved).or_return();
}

enum class left_by : std::uint8_t { stop, destruction };

io_task<> left_write(stream_scene& s, left_by how) {
    const std::string sent = pattern(s.options.most_held + 1, 10);
    std::size_t moved = 77;
    running<> writing{write_all(s.here, sent, &moved)};
    co_await s.let_wait(writing, "a write of more than most_held bytes waits").or_return();
    if (how == left_by::stop) {
        writing.stop();
        co_await s.finish_with(writing, errc::stopped, stopped_says_so).or_return();
    } else {
        writing.destroy();
    }
    co_await check_left_write(s, sent, moved).or_return();
}
io_task<> stopped_write(stream_scene& s) { return left_write(s, left_by::stop); }
io_task<> destroyed_write(stream_scene& s) { return left_write(s, left_by::destruction); }

constexpr stream_rule rules[] = {
    {"a read that times out has taken nothing", timed_out_read},
    {"a read without time to wait gives what is there", no_time_to_wait},
    {"under a stop a read succeeds if it need not wait, and is stopped if it must", stopped_before},
    {"a read that is stopped while it waits, or as bytes come, loses none", stopped_read},
    {"a read that is destroyed while it waits, or as bytes come, loses none", destroyed_read},
    {"of a write that times out just the first `moved` bytes arrive", timed_out_write,
     rule_needs::clogged},
    {"of a write that is stopped just the first `moved` bytes arrive", stopped_write,
     rule_needs::clogged},
    {"of a write that is destroyed just the first `moved` bytes arrive", destroyed_write,
     rule_needs::clogged},
};

} // namespace

std::span<const stream_rule> rules_about_waits() noexcept { return rules; }

} // namespace dunlin::detail
