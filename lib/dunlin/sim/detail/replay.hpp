// How a run is asked for again: the variables DUNLIN_SIM_SEED, DUNLIN_SIM_ONLY, DUNLIN_SIM_TRACE.
#pragma once

#include <dunlin/sys_sim/fault.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dunlin::sim {

/// The faults that may strike; all others do not.
struct fault_selection {
    /// Numbers of strikes (sys_sim::kernel::strike) in ascending order; nullopt: any.
    std::optional<std::vector<std::uint64_t>> numbers;
    std::uint32_t kinds_off = 0; ///< A bit for each sys_sim::fault.
    bool small_portions = true;

    [[nodiscard]] bool has(std::uint64_t number, sys_sim::fault which) const noexcept;
    /// "DUNLIN_SIM_ONLY=3,17", which says the same once `numbers` are those that really struck.
    [[nodiscard]] std::string words() const;
};

/// "DUNLIN_SIM_SEED=7"
[[nodiscard]] std::string words_to_repeat(std::uint64_t seed);

[[nodiscard]] std::optional<std::uint64_t> seed_asked_for();
[[nodiscard]] std::optional<fault_selection> selection_asked_for();
[[nodiscard]] bool is_trace_asked_for() noexcept;

} // namespace dunlin::sim
