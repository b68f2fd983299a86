#include <dunlin/sim/faults.hpp>

#include <dunlin/sys_sim/random.hpp>

namespace dunlin::sim {

faults faults::none() noexcept {
    faults made;
    made.short_transfers = 0;
    made.passing_time = 0;
    return made;
}

faults faults::storm(std::uint64_t seed) noexcept {
    sys_sim::random_source dice{seed ^ 0x7a3d'11f0'5bc9'e842};
    // Half of the kinds, each anything from seldom to often.
    const auto roll = [&dice](double most) {
        const bool is_on = dice.below(2) == 0;
        const double part = static_cast<double>(dice.below(1000)) / 1000;
        return is_on ? most * part * part : 0.0;
    };
    faults made;
    made.short_transfers = roll(1);
    made.passing_time = roll(0.5);
    made.interrupted = roll(0.3);
    made.spurious_wakes = roll(0.5);
    made.small_batches = roll(1);
    made.shuffled = roll(1);
    made.late = roll(0.1);
    made.resets = roll(0.01);
    made.refused_memory = roll(0.02);
    made.no_descriptor = roll(0.1);
    made.aborted = roll(0.1);
    made.pauses = roll(0.1);
    made.partitions = roll(0.05);
    made.clock_jumps = roll(0.2);
    made.small_portions = dice.below(2) == 0;
    return made;
}

} // namespace dunlin::sim
