// A scenario over many seeds as a check of Catch2, version 2 or 3. This header needs Catch2;
// nothing else of dunlin does, and nothing includes it.
//
//     TEST_CASE("every line is answered") {
//         dunlin::sim::check_seeds(200, [](dunlin::sim::world& w) { ... });
//     }
#pragma once

#include <dunlin/sim/seeds.hpp>

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_test_macros.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <cstddef>
#include <utility>

namespace dunlin::sim {

/// Runs `scenario(world&)` with `count` seeds (see `run_seeds`) and fails the test, as FAIL does,
/// at the first that has a problem: with the seed, the problems, and the fewest faults that do it.
///
/// In the scenario say `w.require(...)`, which is one of the world's problems. A REQUIRE there ends
/// the test without a search for fewer faults, and prints the seed on standard error.
template <class Scenario>
void check_seeds(std::size_t count, Scenario&& scenario, const seeds_options& options = {}) {
    const seeds_report report = run_seeds(count, std::forward<Scenario>(scenario), options);
    if (report.has_passed())
        SUCCEED("no problem with " << report.seeds() << " seeds");
    else
        FAIL(report.words());
}

} // namespace dunlin::sim
