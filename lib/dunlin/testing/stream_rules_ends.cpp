// Rules about ends: of a direction, of a stream that is closed, dropped or moved from.
#include <dunlin/testing/detail/stream_rules.hpp>

#include <dunlin/loop/clock.hpp>
#include <dunlin/sys/error.hpp>
#include <dunlin/task/sleep.hpp>

#include <chrono>
#include <string>
#include <utility>

namespace dunlin::detail {

namespace {

constexpr const char* waits_for_bytes = "a read waits as long as there is nothing";
constexpr const char* waits_for_room = "a write of more than most_held bytes waits";

io_task<> check_closed_for_reading(stream_scene& s, any_stream& on, const char* what) {
    std::byte into[1];
    const auto by_span = co_await on.read(into).timeout(s.options.patience);
    co_await or_return(s.expect_error(by_span, errc::closed, what));
    const auto by_buffer = co_await on.read().timeout(s.options.patience);
    co_await or_return(s.expect_error(by_buffer, errc::closed, what));
}

io_task<> check_closed_for_writing(stream_scene& s, any_stream& on, const char* what) {
    std::size_t moved = 77;
    const auto written =
        co_await on.write(std::string_view{"x"}, &moved).timeout(s.options.patience);
    co_await or_return(s.expect_error(written, errc::closed, what));
    co_await or_return(s.expect(moved == 0, "`moved` is 0 when nothing was written",
                                "it is " + std::to_string(moved)));
    co_await or_return(s.expect_error(on.shutdown_write(), errc::closed, what));
}

io_task<> end_after_close(stream_scene& s) {
    co_await s.put(s.here, "last words").or_return();
    s.here.close();
    const auto came = co_await s.get_to_end(s.there, 3).or_return();
    co_await or_return(s.expect_bytes(came, "last words"));
    co_await s.get_end(s.there).or_return();
    co_await s.get_end(s.there).or_return();
}

io_task<> half_close(stream_scene& s) {
    co_await s.put(s.here, "last words").or_return();
    const auto shut = s.here.shutdown_write();
    co_await or_return(s.expect(shut.has_value(), "shutdown_write succeeds", in_words(shut)));
    const auto came = co_await s.get_to_end(s.there, 3).or_return();
    co_await or_return(s.expect_bytes(came, "last words"));
    co_await s.get_end(s.there).or_return();
    for (int round = 0; round < 2; ++round) {
        co_await s.put(s.there, "answer").or_return();
        const auto answer = co_await s.get(s.here, 6).or_return();
        co_await or_return(s.expect_bytes(answer, "answer"));
    }
    const auto shut_there = s.there.shutdown_write();
    co_await or_return(
        s.expect(shut_there.has_value(), "shutdown_write succeeds", in_words(shut_there)));
    co_await s.get_end(s.here).or_return();
}

io_task<> end_wakes_reader(stream_scene& s) {
    for (const read_by how : each_read) {
        co_await s.renew().or_return();
        running<std::string> reading{read_once(s.there, how)};
        co_await s.let_wait(reading, waits_for_bytes).or_return();
        const auto shut = s.here.shutdown_write();
        co_await or_return(s.expect(shut.has_value(), "shutdown_write succeeds", in_words(shut)));
        const auto came =
            co_await s.finish(reading, "a waiting read gives the end when it comes").or_return();
        co_await or_return(s.expect_bytes(came, ""));
    }
}

io_task<> write_after_shutdown(stream_scene& s) {
    const auto shut = s.here.shutdown_write();
    co_await or_return(s.expect(shut.has_value(), "shutdown_write succeeds", in_words(shut)));
    const auto given = co_await s.here.write(std::string_view{"x"}).timeout(s.options.patience);
    co_await or_return(s.expect(!given && given.error() != errc::timeout,
                                "a write after shutdown_write fails", in_words(given)));
    co_await s.get_end(s.there).or_return();
}

io_task<> read_after_close(stream_scene& s) {
    for (int round = 0; round < 2; ++round) {
        co_await s.renew().or_return();
        if (round == 1) co_await s.put(s.there, "unread").or_return();
        s.here.close();
        co_await check_closed_for_reading(s, s.here, "the error `closed` for who reads")
            .or_return();
    }
}

io_task<> write_after_close(stream_scene& s) {
    s.here.close();
    co_await check_closed_for_writing(s, s.here, "the error `closed` for who writes").or_return();
}

io_task<> close_wakes_reader(stream_scene& s) {
    for (const read_by how : each_read) {
        co_await s.renew().or_return();
        running<std::string> reading{read_once(s.here, how)};
        co_await s.let_wait(reading, waits_for_bytes).or_return();
        s.here.close();
        const auto what = "the error `closed` for who waits to read";
        co_await s.finish_with(reading, errc::closed, what).or_return();
    }
}

io_task<> close_wakes_writer(stream_scene& s) {
    const std::string sent = pattern(s.options.most_held + 1, 6);
    running<> writing{write_all(s.here, sent)};
    co_await s.let_wait(writing, waits_for_room).or_return();
    s.here.close();
    const auto what = "the error `closed` for who waits to write";
    co_await s.finish_with(writing, errc::closed, what).or_return();
}

io_task<> peer_close_wakes_reader(stream_scene& s) {
    for (const read_by how : each_read) {
        co_await s.renew().or_return();
        running<std::string> reading{read_once(s.there, how)};
        co_await s.let_wait(reading, waits_for_bytes).or_return();
        s.here.close();
        const auto came =
            co_await s.finish(reading, "the end for who waits to read when the peer closes")
                .or_return();
        co_await or_return(s.expect_bytes(came, ""));
    }
}

[[nodiscard]] bool is_of_the_peer(const result<void>& failed) {
    return !failed && failed.error() != errc::timeout && failed.error() != errc::stopped &&
           failed.error() != errc::closed && failed.error() != errc::busy;
}

io_task<> peer_close_wakes_writer(stream_scene& s) {
    const std::string sent = pattern(s.options.most_held + 1, 7);
    running<> writing{write_all(s.there, sent)};
    co_await s.let_wait(writing, waits_for_room).or_return();
    s.here.close();
    const auto what = "an error of the connection for who waits to write when the peer closes";
    co_await s.finish_anyhow(writing, what).or_return();
    co_await or_return(s.expect(is_of_the_peer(*writing.outcome()), what, in_words(writing)));
}

/// The first may succeed: the news of the close is on its way (send(2) of TCP).
io_task<> write_to_closed_peer(stream_scene& s) {
    s.here.close();
    const time_point give_up{std::chrono::nanoseconds{
        deadline_after(now().time_since_epoch().count(), s.options.patience)}};
    for (;;) {
        const auto given = co_await s.there.write(std::string_view{"x"}).until(give_up);
        if (!given) {
            co_await or_return(s.expect(is_of_the_peer(given),
                                        "an error of the connection for who writes to a peer that "
                                        "has closed",
                                        in_words(given)));
            break;
        }
        co_await or_return(s.expect(now() < give_up,
                                    "writes to a peer that has closed fail in the end",
                                    "they succeed as long as one has patience"));
        co_await sleep_for(s.options.quiet / 8).or_return();
    }
}

io_task<> close_twice(stream_scene& s) {
    co_await s.put(s.here, "x").or_return();
    s.here.close();
    s.here.close();
    const auto what = "the error `closed` for who uses a stream that was closed twice";
    co_await check_closed_for_reading(s, s.here, what).or_return();
    co_await check_closed_for_writing(s, s.here, what).or_return();
    s.here.close();
    const auto came = co_await s.get_to_end(s.there).or_return();
    co_await or_return(s.expect_bytes(came, "x"));
}

io_task<> dropped_is_closed(stream_scene& s) {
    co_await s.put(s.here, "last words").or_return();
    s.here = any_stream{};
    const auto came = co_await s.get_to_end(s.there).or_return();
    co_await or_return(s.expect_bytes(came, "last words"));
}

io_task<> dropped_while_used(stream_scene& s) {
    for (const read_by how : each_read) {
        co_await s.renew().or_return();
        running<std::string> reading{read_once(s.here, how)};
        co_await s.let_wait(reading, waits_for_bytes).or_return();
        s.here = any_stream{};
        const auto what = "the error `closed` for who waits to read from a stream that is dropped";
        co_await s.finish_with(reading, errc::closed, what).or_return();
    }
    co_await s.renew().or_return();
    const std::string sent = pattern(s.options.most_held + 1, 8);
    running<> writing{write_all(s.here, sent)};
    co_await s.let_wait(writing, waits_for_room).or_return();
    s.here = any_stream{};
    const auto what = "the error `closed` for who waits to write to a stream that is dropped";
    co_await s.finish_with(writing, errc::closed, what).or_return();
}

io_task<> check_moved(stream_scene& s, how_to_move how) {
    auto ends = co_await s.source.make_moved(how).timeout(s.options.patience).or_return();
    const auto inert = "the error `closed` for who uses a stream that was moved from";
    co_await check_closed_for_reading(s, ends.before, inert).or_return();
    co_await check_closed_for_writing(s, ends.before, inert).or_return();
    ends.before.close(); // is nothing to the one that was moved to
    ends.before = any_stream{};
    co_await s.put(ends.now, "there").or_return();
    const auto came = co_await s.get(ends.there, 5).or_return();
    co_await or_return(s.expect_bytes(came, "there"));
    co_await s.put(ends.there, "back").or_return();
    const auto came_back = co_await s.get(ends.now, 4).or_return();
    co_await or_return(s.expect_bytes(came_back, "back"));
    if (how == how_to_move::assign) co_await s.get_end(ends.left_there).or_return();
}

io_task<> moved_from_is_closed(stream_scene& s) {
    co_await check_moved(s, how_to_move::construct).or_return();
}

io_task<> assigned_over_is_closed(stream_scene& s) {
    co_await check_moved(s, how_to_move::assign).or_return();
}

constexpr stream_rule rules[] = {
    {"after a close the other side reads what was sent, then the end, and stays there",
     end_after_close},
    {"after shutdown_write the other side reads the end, and its own bytes still come", half_close,
     rule_needs::half_close},
    {"shutdown_write wakes who waits to read at the other side, with the end", end_wakes_reader,
     rule_needs::half_close},
    {"after shutdown_write a write fails", write_after_shutdown, rule_needs::half_close},
    {"who reads from a stream that he has closed is told `closed`", read_after_close},
    {"who writes to a stream that he has closed is told `closed`", write_after_close},
    {"a close wakes who waits to read, with `closed`", close_wakes_reader},
    {"a close wakes who waits to write, with `closed`", close_wakes_writer, rule_needs::clogged},
    {"a close wakes who waits to read at the other side, with the end", peer_close_wakes_reader},
    {"a close wakes who waits to write at the other side, with an error", peer_close_wakes_writer,
     rule_needs::clogged},
    {"writes to a peer that has closed fail in the end", write_to_closed_peer},
    {"closing again does nothing", close_twice},
    {"a stream that is dropped is closed", dropped_is_closed},
    {"a stream that is dropped tells who waits on it `closed`", dropped_while_used,
     rule_needs::dropped_used},
    {"a stream that was moved from is closed, and the other one has the connection",
     moved_from_is_closed},
    {"a stream that is assigned over is closed, and has the other connection then",
     assigned_over_is_closed},
};

} // namespace

std::span<const stream_rule> rules_about_ends() noexcept { return rules; }

} // namespace dunlin::detail
