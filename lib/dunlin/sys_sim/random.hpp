// The dice of the simulation: a sequence that depends on its seed and on nothing else.
#pragma once

#include <cstdint>

namespace dunlin::sys_sim {

/// SplitMix64 (Steele, Lea, Flood 2014): every seed is a good one, zero too.
class random_source {
public:
    explicit random_source(std::uint64_t seed) noexcept : state_{seed} {}

    std::uint64_t bits() noexcept {
        std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
        return mixed ^ (mixed >> 31);
    }
    /// 0 to `end` - 1; 0 if `end` is 0.
    std::uint64_t below(std::uint64_t end) noexcept { return end == 0 ? 0 : bits() % end; }

    /// True with this probability (0 to 1). Zero rolls no dice.
    bool chance(double probability) noexcept {
        return probability > 0 && static_cast<double>(bits() >> 11) * 0x1p-53 < probability;
    }

private:
    std::uint64_t state_;
};

} // namespace dunlin::sys_sim
