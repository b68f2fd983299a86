#include <dunlin/sim/seeds.hpp>

#include <dunlin/sim/detail/host_state.hpp>
#include <dunlin/sim/detail/seeds_run.hpp>
#include <dunlin/sys_sim/last_words.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <utility>

namespace dunlin::sim {

// ---- one run

run_outcome restricted_world::run(std::uint64_t seed, const faults_by_seed& with,
                                  const scenario_call& scenario, const fault_selection* only) {
    world in{seed, with};
    if (only != nullptr) in.its_->restrict_to(*only);
    const sys_sim::last_words words{in.its_->how_to_repeat};
    const auto crash_all = [&in] {
        for (const auto& each : in.its_->hosts)
            each->self.crash();
    };
    try {
        scenario.function(scenario.context, in);
    } catch (const std::exception& thrown) {
        crash_all();
        in.require(false, std::string{"the scenario threw an exception: "} + thrown.what());
    } catch (...) {
        crash_all();
        std::fprintf(stderr, "%s repeats this run\n", in.its_->how_to_repeat.c_str());
        throw;
    }
    in.finish();

    run_outcome outcome;
    outcome.problems = in.problems();
    outcome.how_to_repeat = in.its_->how_to_repeat;
    outcome.strikes = in.its_->kernel.strikes();
    for (const auto& each : in.its_->hosts)
        outcome.hosts.emplace_back(each->self.name());
    outcome.transcript_hash = in.transcript_hash();
    outcome.calls = in.system_calls();
    outcome.had_small_portions = in.its_->had_small_portions;
    return outcome;
}

// ---- all of them

struct seeds_run {
    static seeds_report run(std::size_t count, const scenario_call& scenario,
                            const seeds_options& options);
    static void investigate(seeds_report& report, run_outcome first, const scenario_call& scenario,
                            const seeds_options& options);
    static void list_faults(seeds_report& report, const run_outcome& of);
};

void seeds_run::list_faults(seeds_report& report, const run_outcome& of) {
    report.faults_.clear();
    for (const auto& each : of.strikes)
        report.faults_.push_back(
            {each.number, std::string{name_of(each.which)},
             each.host < of.hosts.size() ? of.hosts[each.host] : std::string{},
             std::chrono::nanoseconds{each.when - sys_sim::kernel::beginning()}});
    report.needs_small_portions_ = of.had_small_portions;
    fault_selection only{.numbers = of.numbers(), .small_portions = of.had_small_portions};
    report.repeat_then_ = words_to_repeat(report.seed_) + " " + only.words();
    report.problems_then_ = of.problems;
}

void seeds_run::investigate(seeds_report& report, run_outcome first, const scenario_call& scenario,
                            const seeds_options& options) {
    list_faults(report, first);
    if (!options.shrink || selection_asked_for() || is_trace_asked_for()) return;
    const run_outcome second = restricted_world::run(report.seed_, options.with, scenario, nullptr);
    report.runs_ = 1;
    report.is_reproducible_ =
        second.has_failed() && second.transcript_hash == first.transcript_hash;
    if (!report.is_reproducible_) return;
    shrinker smaller{report.seed_, options, scenario, std::move(first)};
    smaller.search();
    list_faults(report, smaller.best());
    report.runs_ += smaller.runs();
    report.is_shrunk_ = true;
    report.is_smallest_ = !smaller.is_exhausted();
}

seeds_report seeds_run::run(std::size_t count, const scenario_call& scenario,
                            const seeds_options& options) {
    seeds_report report;
    const auto asked = seed_asked_for();
    if (asked) count = 1;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t seed = asked ? *asked : options.first + i;
        ++report.seeds_;
        run_outcome outcome = restricted_world::run(seed, options.with, scenario, nullptr);
        if (!outcome.has_failed()) continue;
        report.seed_ = seed;
        report.problems_ = outcome.problems;
        report.struck_at_first_ = outcome.strikes.size();
        investigate(report, std::move(outcome), scenario, options);
        break;
    }
    return report;
}

seeds_report run_seeds(std::size_t count, void (*scenario)(void*, world&), void* context,
                       const seeds_options& options) {
    return seeds_run::run(count, {scenario, context}, options);
}

// ---- in words

std::string seeds_report::words() const {
    if (has_passed()) return {};
    const auto line = [](const struck_fault& fault) {
        char stamp[64];
        std::snprintf(stamp, sizeof stamp, "  %9llu  %14.9f s  ",
                      static_cast<unsigned long long>(fault.number),
                      std::chrono::duration<double>(fault.when).count());
        return stamp + fault.host + ": " + fault.kind + "\n";
    };
    std::string text =
        "seed " + std::to_string(seed_) + ", number " + std::to_string(seeds_) + ", fails:\n";
    text += problems_;
    if (!is_reproducible_)
        return text + "It is not reproducible: the same seed went another way the second time. "
                      "Something that decides the run is not simulated.\n";
    const std::string struck = std::to_string(struck_at_first_) + " faults struck";
    if (!is_shrunk_) {
        text += struck + ".\n";
    } else {
        text += struck + "; it fails with " + std::to_string(faults_.size()) + " of them" +
                (is_smallest_ ? "" : ", perhaps with fewer") + " (" + std::to_string(runs_) +
                " runs):\n";
        constexpr std::size_t most_lines = 40;
        for (std::size_t i = 0; i < std::min(faults_.size(), most_lines); ++i)
            text += line(faults_[i]);
        if (faults_.size() > most_lines)
            text += "  and " + std::to_string(faults_.size() - most_lines) + " more\n";
        if (needs_small_portions_) text += "  and the scheduler works in small portions\n";
        text += repeat_then_ + (faults_.empty() && !needs_small_portions_
                                    ? " repeats it without them"
                                    : " repeats it with these alone");
        // Its last line is the one that repeats the run, which is here already.
        const auto without_last_line = [](const std::string& of) {
            return of.substr(0, of.rfind("DUNLIN_SIM_SEED="));
        };
        if (without_last_line(problems_then_) == without_last_line(problems_))
            text += ", and its problems are the same.\n";
        else
            text += ":\n" + without_last_line(problems_then_);
    }
    return text + "DUNLIN_SIM_TRACE=1 besides prints every simulated system call.\n";
}

} // namespace dunlin::sim
