// One run of a scenario with one seed, and the search for the fewest faults. Not for users.
#pragma once

#include <dunlin/sim/detail/replay.hpp>
#include <dunlin/sim/seeds.hpp>
#include <dunlin/sys_sim/kernel.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace dunlin::sim {

struct scenario_call {
    void (*function)(void* context, world& in);
    void* context;
};

/// What a run came to.
struct run_outcome {
    std::string problems; ///< Empty: none.
    std::string how_to_repeat;
    std::vector<sys_sim::kernel::strike> strikes;
    std::vector<std::string> hosts; ///< Their names.
    std::uint64_t transcript_hash = 0;
    std::uint64_t calls = 0;
    bool had_small_portions = false;

    [[nodiscard]] bool has_failed() const noexcept { return !problems.empty(); }
    /// Of the strikes, in ascending order.
    [[nodiscard]] std::vector<std::uint64_t> numbers() const;
};

/// A world's insides, for those who run it again with fewer faults.
struct restricted_world {
    /// Runs the scenario in a world of its own, with these faults alone if `only` is not null.
    [[nodiscard]] static run_outcome run(std::uint64_t seed, const faults_by_seed& with,
                                         const scenario_call& scenario,
                                         const fault_selection* only);
};

/// The search. First whole kinds of faults are switched off one by one, then `ddmin` (A. Zeller, R.
/// Hildebrandt: Simplifying and isolating failure-inducing input, 2002) goes over those that are
/// left. A fault that is taken away changes what comes after it, so each run says anew what struck.
class shrinker {
public:
    shrinker(std::uint64_t seed, const seeds_options& options, const scenario_call& scenario,
             run_outcome first)
        : seed_{seed}, options_{options}, scenario_{scenario}, best_{std::move(first)} {}

    void search();

    [[nodiscard]] const run_outcome& best() const noexcept { return best_; }
    [[nodiscard]] std::size_t runs() const noexcept { return runs_; }
    [[nodiscard]] bool is_exhausted() const noexcept {
        return runs_ >= options_.most_runs || calls_ >= options_.most_calls;
    }

private:
    /// True if it still fails with these; then it is the best so far.
    bool fails_with(const fault_selection& only);
    void switch_off_kinds();
    void minimise();
    bool fails_without(std::size_t from, std::size_t to);

    std::uint64_t seed_;
    const seeds_options& options_;
    const scenario_call& scenario_;
    run_outcome best_;
    std::size_t runs_ = 0;
    std::uint64_t calls_ = 0;
};

} // namespace dunlin::sim
