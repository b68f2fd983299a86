// The load itself: connects to the targets, lets them have their turns, and tells what came of it.
#pragma once

#include "bench_histogram.hpp"
#include "bench_plan.hpp"

#include <dunlin/dunlin.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace echo::bench {

/// What the results count in.
inline double seconds(std::chrono::nanoseconds span) noexcept {
    return std::chrono::duration<double>(span).count();
}

/// All times in seconds, all latencies in nanoseconds.
struct turn_result {
    double begun = 0; ///< Since the load began.
    double seconds = 0;
    std::uint64_t messages = 0;
    std::optional<double> cpu_seconds;
    double p50 = 0;
    double p99 = 0;
};

struct target_result {
    std::uint64_t messages = 0;
    double seconds = 0;
    std::optional<double> cpu_seconds;
    histogram latencies;
    std::vector<turn_result> turns;
    std::vector<std::uint64_t> served; ///< By each connection; empty for those that come and go.
    std::size_t idle_opened = 0;
    double idle_open_seconds = 0;
    std::uint64_t errors = 0;
    std::vector<std::string> error_words; ///< Of the first few.
};

struct results {
    std::vector<target_result> targets; ///< As in the plan.
    bool is_interrupted = false;

    [[nodiscard]] bool has_errors() const noexcept;
};

/// What hears of the load while it runs.
class listener {
public:
    /// A few times a second while there is load: whose turn it is, how long the load has run, and
    /// this target's messages a second and errors so far.
    virtual void progress(const target_spec& whose, double seconds, double rate,
                          std::uint64_t errors) = 0;

    /// All idle connections are open, and nothing else is wanted.
    virtual void holds(const results& so_far) = 0;

protected:
    listener() = default;
    listener(const listener&) = default;
    listener& operator=(const listener&) = default;
    ~listener() = default;
};

/// Does what the plan says; a stop ends it early, with what was measured until then.
dunlin::task<results> run_load(const plan& how, listener& heard_by);

} // namespace echo::bench
