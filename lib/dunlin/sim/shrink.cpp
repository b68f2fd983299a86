#include <dunlin/sim/detail/seeds_run.hpp>

#include <algorithm>
#include <utility>

namespace dunlin::sim {

std::vector<std::uint64_t> run_outcome::numbers() const {
    std::vector<std::uint64_t> all;
    all.reserve(strikes.size());
    for (const auto& each : strikes)
        all.push_back(each.number);
    std::sort(all.begin(), all.end());
    return all;
}

bool shrinker::fails_with(const fault_selection& only) {
    ++runs_;
    run_outcome again = restricted_world::run(seed_, options_.with, scenario_, &only);
    calls_ += again.calls;
    if (!again.has_failed()) return false;
    best_ = std::move(again);
    return true;
}

void shrinker::search() {
    // Often it needs no fault at all.
    if (fails_with({.numbers = std::vector<std::uint64_t>{}, .small_portions = false})) return;
    switch_off_kinds();
    minimise();
}

void shrinker::switch_off_kinds() {
    fault_selection only;
    only.small_portions = best_.had_small_portions;
    if (only.small_portions && !is_exhausted()) {
        only.small_portions = false;
        if (!fails_with(only)) only.small_portions = true;
    }
    for (std::size_t kind = 0; kind < sys_sim::fault_count && !is_exhausted(); ++kind) {
        const bool struck =
            std::any_of(best_.strikes.begin(), best_.strikes.end(), [kind](const auto& each) {
                return static_cast<std::size_t>(each.which) == kind;
            });
        if (!struck) continue;
        fault_selection fewer = only;
        fewer.kinds_off |= std::uint32_t{1} << kind;
        if (fails_with(fewer)) only = fewer;
    }
}

bool shrinker::fails_without(std::size_t from, std::size_t to) {
    auto numbers = best_.numbers();
    const auto at = [&numbers](std::size_t i) {
        return numbers.begin() + static_cast<std::ptrdiff_t>(std::min(i, numbers.size()));
    };
    numbers.erase(at(from), at(to));
    return fails_with({.numbers = std::move(numbers), .small_portions = best_.had_small_portions});
}

void shrinker::minimise() {
    std::size_t pieces = 2;
    while (!best_.strikes.empty() && !is_exhausted()) {
        const std::size_t count = best_.strikes.size();
        pieces = std::min(pieces, count);
        bool has_shrunk = false;
        for (std::size_t i = 0; i < pieces && !has_shrunk && !is_exhausted(); ++i)
            has_shrunk = fails_without(i * count / pieces, (i + 1) * count / pieces);
        if (has_shrunk)
            pieces = std::max<std::size_t>(pieces - 1, 2);
        else if (pieces < count)
            pieces *= 2;
        else
            return; // each single one is needed
    }
}

} // namespace dunlin::sim
