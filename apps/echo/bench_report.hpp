// What came of a load, for people and for programs.
#pragma once

#include "bench_load.hpp"
#include "bench_plan.hpp"

#include <string>

namespace echo::bench {

/// A line about the load, a line of headings, and one for each target.
[[nodiscard]] std::string to_table(const plan& how, const results& of);

/// One JSON object, in one line: what was asked for, and an array `targets`. Times are in seconds,
/// latencies in microseconds. Of each target: `name`, `address`, `messages`, `seconds` (of its
/// turns), `rate`, `megabytes_per_second` (one way), `latency_us` (p50 to max), `errors` and the
/// first few of them in `error_words`, `least_served`, `mean_served` and `most_served` (messages of
/// a connection; null with churn), `cpu_seconds` (null without a process), `idle_opened` and
/// `idle_open_seconds`, and `turns`, each with when it had `begun` (since the load began),
/// `seconds`, `messages`, `cpu_seconds`, `p50` and `p99`. What was not measured is null.
/// `interrupted` tells whether a signal ended it.
[[nodiscard]] std::string to_json(const plan& how, const results& of);

/// A line for each error that is known in words, and one for the rest.
[[nodiscard]] std::vector<std::string> to_lines(const plan& how, const results& of);

} // namespace echo::bench
