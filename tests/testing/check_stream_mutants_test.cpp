// Each rule of check_stream can be broken: streams with one defect, on a clock that jumps.
#include "defective_stream.hpp"

#include <support/fake_clock.hpp>
#include <support/test_loop.hpp>

#include <dunlin/testing/check_stream.hpp>

#include <algorithm>
#include <string_view>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

constexpr std::size_t capacity = 1024;
constexpr check_stream_options options{.most_held = capacity};

/// Runs it to its end; when nothing moves any more, the next deadline is now.
template <class T>
T run_virtually(test_loop& loop, task<T> made) {
    auto started = loop.start(std::move(made));
    for (;;) {
        loop.run_until_idle();
        if (started.is_done()) return started.result();
        const auto next = loop.sched().next_deadline();
        REQUIRE(next.has_value());
        fake_clock::advance(*next - now());
    }
}

conformance_report check(defect of) {
    test_loop loop;
    const auto make_pair = [of] { return defective_pair(of, capacity); };
    return run_virtually(loop, check_stream(make_pair, options));
}

enum class breaks { it_alone, others_too };

struct mutant {
    defect what;
    std::string_view rule;
    breaks how = breaks::it_alone;
};

constexpr mutant mutants[] = {
    {defect::swaps_bytes, "bytes arrive in order and whole, both ways", breaks::others_too},
    {defect::writes_behind_span, "a read gives at least one byte, and at most what was asked for"},
    {defect::reads_ahead_by_span, "reads into buffers and into spans may take turns",
     breaks::others_too},
    {defect::misses_late_bytes, "a read waits until something comes"},
    {defect::waits_to_read_nothing, "a read into no bytes gives 0 at once, and takes nothing"},
    {defect::ends_by_empty_write,
     "a write of no bytes is done at once, and the other side sees nothing of it"},
    {defect::loses_one_beyond_block,
     "any number of bytes arrives, in whatever pieces it is written and read"},
    {defect::reads_only_between_writes, "far more than it holds goes both ways at once"},
    {defect::misses_late_room,
     "a writer waits while nobody reads, and goes on when the other side does"},
    {defect::forgets_count, "a write counts in `moved` what was taken"},
    {defect::queues_readers, "a second reader is refused as busy, and the first one left alone"},
    {defect::queues_writers, "a second writer is refused as busy, and the first one left alone"},
    {defect::refuses_write_beside_read, "one task may read while another writes",
     breaks::others_too},
    {defect::hoards, "who never has to wait lets others run all the same"},
    {defect::ends_once,
     "after a close the other side reads what was sent, then the end, and stays there"},
    {defect::deaf_after_shutdown,
     "after shutdown_write the other side reads the end, and its own bytes still come"},
    {defect::shutdown_wakes_nobody,
     "shutdown_write wakes who waits to read at the other side, with the end"},
    {defect::swallows_after_shutdown, "after shutdown_write a write fails"},
    {defect::ends_when_closed_unread,
     "who reads from a stream that he has closed is told `closed`"},
    {defect::writes_after_close, "who writes to a stream that he has closed is told `closed`"},
    {defect::close_wakes_no_reader, "a close wakes who waits to read, with `closed`"},
    {defect::close_wakes_no_writer, "a close wakes who waits to write, with `closed`"},
    {defect::peer_wakes_no_reader,
     "a close wakes who waits to read at the other side, with the end"},
    {defect::peer_wakes_no_writer,
     "a close wakes who waits to write at the other side, with an error"},
    {defect::writes_to_closed_peer, "writes to a peer that has closed fail in the end"},
    {defect::ends_when_closed_twice, "closing again does nothing"},
    {defect::drop_loses_unread, "a stream that is dropped is closed"},
    {defect::stays_open_while_used, "a stream that is dropped tells who waits on it `closed`"},
    {defect::moved_from_shares,
     "a stream that was moved from is closed, and the other one has the connection"},
    {defect::assignment_swaps,
     "a stream that is assigned over is closed, and has the other connection then"},
    {defect::late_read_loses, "a read that times out has taken nothing"},
    {defect::lets_others_first, "a read without time to wait gives what is there",
     breaks::others_too},
    {defect::end_for_stopped,
     "under a stop a read succeeds if it need not wait, and is stopped if it must"},
    {defect::stopped_read_loses,
     "a read that is stopped while it waits, or as bytes come, loses none"},
    {defect::destroyed_read_loses,
     "a read that is destroyed while it waits, or as bytes come, loses none"},
    {defect::late_write_forgets, "of a write that times out just the first `moved` bytes arrive"},
    {defect::stopped_write_forgets,
     "of a write that is stopped just the first `moved` bytes arrive"},
    {defect::counts_at_the_end, "of a write that is destroyed just the first `moved` bytes arrive"},
};

} // namespace

TEST_CASE("the coat that the defects are sewn into has none itself", "[testing][check_stream]") {
    const auto report = check(defect::none);
    INFO(report.words());
    CHECK(report.is_conforming());
    CHECK(report.count(verdict::left_out) == 0);
}

TEST_CASE("each defect breaks its rule, and hardly any another one", "[testing][check_stream]") {
    for (const mutant& each : mutants) {
        const auto report = check(each.what);
        const auto broken = report.broken_rules();
        INFO("the defect of: " << each.rule << "\n" << report.words());
        CHECK(std::find(broken.begin(), broken.end(), each.rule) != broken.end());
        CHECK((broken.size() == 1) == (each.how == breaks::it_alone));
    }
}

TEST_CASE("there is a defect for each rule", "[testing][check_stream]") {
    const auto report = check(defect::none);
    for (const rule_outcome& outcome : report.outcomes()) {
        INFO(outcome.rule);
        CHECK(std::any_of(std::begin(mutants), std::end(mutants),
                          [&](const mutant& each) { return each.rule == outcome.rule; }));
    }
    CHECK(report.outcomes().size() == std::size(mutants));
}

TEST_CASE("a broken rule is told with what was expected and what was seen",
          "[testing][check_stream]") {
    const auto report = check(defect::forgets_count);
    CHECK(report.words() == "37 rules kept, 1 broken, 0 left out\n"
                            "broken: a write counts in `moved` what was taken\n"
                            "    expected: a write of 3 bytes makes `moved` 3\n"
                            "    seen:     success, `moved` is 0\n");
    CHECK_FALSE(report.is_conforming());
    CHECK_FALSE(conformance_report{}.is_conforming()); // it has shown nothing
}

TEST_CASE("a stream that does not listen to stops is left by force", "[testing][check_stream]") {
    const auto report = check(defect::cannot_be_stopped);
    const auto& outcomes = report.outcomes();
    const auto stopped = std::find_if(outcomes.begin(), outcomes.end(), [](const auto& each) {
        return each.rule ==
               std::string_view{
                   "a read that is stopped while it waits, or as bytes come, loses none"};
    });
    REQUIRE(stopped != outcomes.end());
    CHECK(stopped->became == verdict::broken);
    CHECK(stopped->seen == "it still waits");
    const auto timed_out = std::find_if(outcomes.begin(), outcomes.end(), [](const auto& each) {
        return each.rule == std::string_view{"a read that times out has taken nothing"};
    });
    REQUIRE(timed_out != outcomes.end());
    CHECK(timed_out->became == verdict::broken);
    CHECK(timed_out->expected == "the rule comes to its end in time");
}

TEST_CASE("an exception is told, and breaks the rule that met it", "[testing][check_stream]") {
    const auto report = check(defect::throws_when_read);
    const rule_outcome& first = report.outcomes().front();
    CHECK(first.became == verdict::broken);
    CHECK(first.seen == "the exception from inside");
    const auto broken = report.broken_rules();
    CHECK(std::find(broken.begin(), broken.end(), "a write counts in `moved` what was taken") ==
          broken.end());
}

TEST_CASE("rules that are not promised are left out", "[testing][check_stream]") {
    test_loop loop;
    const auto make_pair = [] { return defective_pair(defect::deaf_after_shutdown, capacity); };
    auto less = options;
    less.is_half_closeable = false;
    less.may_be_dropped_while_used = false;
    const auto report = run_virtually(loop, check_stream(make_pair, less));
    INFO(report.words());
    CHECK(report.is_conforming());
    CHECK(report.count(verdict::left_out) == 4);
}

TEST_CASE("a stream that holds more than was said, and a pair that cannot be made, are told",
          "[testing][check_stream]") {
    test_loop loop;
    const auto make_larger = [] { return memory_stream_pair(2 * capacity); };
    const auto larger = run_virtually(loop, check_stream(make_larger, options));
    const auto broken = larger.broken_rules();
    CHECK(broken.size() >= 8); // all that fill it
    CHECK(broken.front() ==
          "a writer waits while nobody reads, and goes on when the other side does");

    using pair = std::pair<memory_stream, memory_stream>;
    const auto make_none = [] { return result<pair>{std::errc::too_many_files_open}; };
    const auto none = run_virtually(loop, check_stream(make_none, options));
    CHECK(none.count(verdict::kept) == 0);
    CHECK(none.outcomes().front().expected == "make_pair gives two connected streams");
    CHECK(none.outcomes().front().seen == "the error \"Too many open files\"");
}

TEST_CASE("the rules about streams that fill may be given smaller ones",
          "[testing][check_stream]") {
    test_loop loop;
    const auto make_pair = [] { return memory_stream_pair(100 * capacity); };
    const auto make_clogged = [] { return memory_stream_pair(capacity); };
    const auto report = run_virtually(loop, check_stream(make_pair, make_clogged, options));
    INFO(report.words());
    CHECK(report.is_conforming());
}
