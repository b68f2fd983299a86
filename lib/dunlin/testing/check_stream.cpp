#include <dunlin/testing/check_stream.hpp>

#include <dunlin/testing/detail/running.hpp>
#include <dunlin/testing/detail/stream_rules.hpp>
#include <dunlin/testing/detail/stream_scene.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <utility>

namespace dunlin::detail {

namespace {

[[nodiscard]] bool is_left_out(const stream_rule& rule, const check_stream_options& options) {
    return (rule.needs == rule_needs::half_close && !options.is_half_closeable) ||
           (rule.needs == rule_needs::dropped_used && !options.may_be_dropped_while_used);
}

io_task<> play(const stream_rule& rule, stream_scene& scene) {
    co_await scene.renew().or_return();
    co_await rule.try_it(scene).or_return();
}

task<rule_outcome> check_rule(const stream_rule& rule, stream_source& from,
                              const check_stream_options& options) {
    stream_scene scene{from, options};
    running<> playing{play(rule, scene)};
    const auto bound = std::min(options.patience, std::chrono::nanoseconds::max() / 10) * 10;
    const bool has_ended = co_await playing.ends_within(bound);
    if (playing.outcome() && *playing.outcome())
        co_return rule_outcome{rule.sentence, verdict::kept};
    // A rule that ended by an error that it did not expect, or not at all, has said nothing itself.
    const char* const otherwise =
        has_ended ? "no other error, and no exception" : "the rule comes to its end in time";
    scene.expect(false, otherwise, in_words(playing)).has_value();
    playing.destroy();
    co_return rule_outcome{rule.sentence, verdict::broken, std::move(scene.expected),
                           std::move(scene.seen)};
}

} // namespace

task<conformance_report> check_stream_rules(stream_source& source, stream_source& clogged,
                                            check_stream_options options) {
    conformance_report report;
    const std::array all{rules_about_bytes(), rules_about_ends(), rules_about_waits()};
    for (const auto rules : all) {
        for (const stream_rule& rule : rules) {
            if (is_left_out(rule, options)) {
                report.add(rule_outcome{rule.sentence, verdict::left_out});
                continue;
            }
            const bool fills =
                rule.needs == rule_needs::clogged || rule.needs == rule_needs::dropped_used;
            auto checked = co_await check_rule(rule, fills ? clogged : source, options);
            report.add(std::move(checked));
        }
    }
    co_return report;
}

} // namespace dunlin::detail
