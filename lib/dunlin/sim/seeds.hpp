// Runs a scenario with one seed after the other, until one finds something, and then says with how
// few faults it still does.
//
//     const sim::seeds_report report = sim::run_seeds(1'000, [](sim::world& w) {
//         w.host("server").run_service(serve_echo);
//         w.host("client").run(talk, "server:7");
//         w.run_to_end(2min);
//     });
//     if (!report.has_passed()) std::puts(report.words().c_str());
//
// It knows no test framework; for Catch2 there is sim/catch2.hpp. One thread.
#pragma once

#include <dunlin/sim/faults.hpp>
#include <dunlin/sim/world.hpp>
#include <dunlin/util/api.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace dunlin::sim {

/// How the seeds are run.
struct seeds_options {
    std::uint64_t first = 1; ///< Then the next higher ones.

    /// What goes wrong: a function of the seed, as `faults::storm`, or the same `faults` each time.
    faults_by_seed with = faults::storm;

    /// Whether to look for the fewest faults with which the scenario still fails. That runs the
    /// failing seed again and again, within these limits: the faults found by then are reported.
    bool shrink = true;
    std::size_t most_runs = 500;
    std::uint64_t most_calls = 20'000'000; ///< Simulated system calls in all of these runs.
};
static_assert(std::is_trivially_destructible_v<seeds_options>);

/// A fault that struck.
struct struck_fault {
    std::uint64_t number;          ///< What DUNLIN_SIM_ONLY names it by.
    std::string kind;              ///< "short transfer"
    std::string host;              ///< Where.
    std::chrono::nanoseconds when; ///< Since the world was made.
};

/// What came of it.
class DUNLIN_API seeds_report {
public:
    [[nodiscard]] bool has_passed() const noexcept { return problems_.empty(); }
    /// How many seeds were run, the failing one included.
    [[nodiscard]] std::size_t seeds() const noexcept { return seeds_; }

    // ---- of the seed that failed

    [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
    /// As `world::problems`; empty if all have passed.
    [[nodiscard]] const std::string& problems() const noexcept { return problems_; }
    /// The faults that are left, in the order in which they struck: none of them could be taken
    /// away if `is_smallest`. Without shrinking all that struck.
    [[nodiscard]] const std::vector<struck_fault>& faults() const noexcept { return faults_; }
    [[nodiscard]] bool is_smallest() const noexcept { return is_smallest_; }
    /// `faults::small_portions` is on, and it fails less without it.
    [[nodiscard]] bool needs_small_portions() const noexcept { return needs_small_portions_; }
    /// A second run with the same seed went another way: something that decides the run is not
    /// simulated (a clock or dice of libc, the order of pointers, what an earlier run left behind).
    [[nodiscard]] bool is_reproducible() const noexcept { return is_reproducible_; }

    /// For people: what failed, with which faults, and how to see it again. Empty if all passed.
    [[nodiscard]] std::string words() const;

private:
    friend struct seeds_run;

    std::size_t seeds_ = 0;
    std::uint64_t seed_ = 0;
    std::string problems_;
    std::size_t struck_at_first_ = 0;
    std::size_t runs_ = 0; ///< For shrinking.
    std::vector<struck_fault> faults_;
    std::string problems_then_; ///< With these faults alone.
    std::string repeat_then_;
    bool is_shrunk_ = false;
    bool is_smallest_ = false;
    bool needs_small_portions_ = false;
    bool is_reproducible_ = true;
};

/// Calls `scenario(world&)` with a new world for each of `count` seeds, ends that world
/// (`world::finish`) and stops at the first that has a problem. A scenario that throws a
/// std::exception has one; any other exception goes on its way, after the seed was printed.
///
/// What tasks refer to must live until the world has ended: a scenario with such locals calls
/// `w.finish()` itself, last. (After an exception its hosts crash: no task goes on.)
///
/// With DUNLIN_SIM_SEED in the environment just that seed is run; and it is not shrunk if
/// DUNLIN_SIM_ONLY or DUNLIN_SIM_TRACE is set as well. If the process dies in the middle (an
/// assertion, a fault, a sanitizer's finding), the line DUNLIN_SIM_SEED=… goes to standard error.
template <class Scenario>
[[nodiscard]] seeds_report run_seeds(std::size_t count, Scenario&& scenario,
                                     const seeds_options& options = {});

// Implementation

[[nodiscard]] DUNLIN_API seeds_report run_seeds(std::size_t count,
                                                void (*scenario)(void* context, world& in),
                                                void* context, const seeds_options& options);

template <class Scenario>
seeds_report run_seeds(std::size_t count, Scenario&& scenario, const seeds_options& options) {
    if constexpr (std::is_function_v<std::remove_reference_t<Scenario>>) {
        auto* pointer = &scenario;
        return run_seeds(
            count,
            [](void* context, world& in) { (**static_cast<decltype(&pointer)>(context))(in); },
            static_cast<void*>(&pointer), options);
    } else {
        return run_seeds(
            count,
            [](void* context, world& in) {
                (*static_cast<std::remove_reference_t<Scenario>*>(context))(in);
            },
            const_cast<void*>(static_cast<const void*>(&scenario)), options);
    }
}

} // namespace dunlin::sim
