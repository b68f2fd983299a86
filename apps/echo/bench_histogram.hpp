// Latencies in fixed memory: a log-linear histogram, as HDR histograms are.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace echo::bench {

/// Counts spans of nanoseconds up to 2^40 (18 minutes; longer ones count as that). Each power of
/// two is cut into 128 steps, so what it gives is off by half a step, 0.4 %, at most; below 256 ns,
/// and the longest of all, it is exact.
class histogram {
public:
    void add(std::int64_t nanoseconds) noexcept {
        const auto span = static_cast<std::uint64_t>(std::clamp<std::int64_t>(nanoseconds, 0, end));
        ++counts_[index_of(span)];
        ++count_;
        longest_ = std::max(longest_, span);
    }
    void add(const histogram& other) noexcept {
        for (std::size_t i = 0; i < counts_.size(); ++i)
            counts_[i] += other.counts_[i];
        count_ += other.count_;
        longest_ = std::max(longest_, other.longest_);
    }

    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] std::uint64_t longest() const noexcept { return longest_; }

    /// The span, in nanoseconds, within which the share `part` (0 to 1) of all lie; 0 if there are
    /// none.
    [[nodiscard]] double quantile(double part) const noexcept {
        const auto rank = static_cast<std::uint64_t>(std::ceil(part * static_cast<double>(count_)));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (counts_[i] != 0 && seen >= rank)
                return std::min(middle_of(i), static_cast<double>(longest_));
        }
        return static_cast<double>(longest_);
    }

private:
    static constexpr unsigned bits = 7; // steps of a power of two: 2^7
    static constexpr std::size_t steps = std::size_t{1} << bits;
    static constexpr unsigned most_bits = 40;
    static constexpr std::int64_t end = (std::int64_t{1} << most_bits) - 1;

    static std::size_t index_of(std::uint64_t span) noexcept {
        const auto width = static_cast<unsigned>(std::bit_width(span));
        const unsigned shift = width > bits + 1 ? width - bits - 1 : 0;
        return shift * steps + static_cast<std::size_t>(span >> shift);
    }
    static double middle_of(std::size_t index) noexcept {
        if (index < 2 * steps) return static_cast<double>(index);
        const std::size_t shift = index / steps - 1;
        const auto step = static_cast<double>(std::uint64_t{1} << shift);
        return (static_cast<double>(index - shift * steps) + 0.5) * step;
    }

    std::array<std::uint64_t, (most_bits - bits + 1) * steps> counts_ = {};
    std::uint64_t count_ = 0;
    std::uint64_t longest_ = 0;
};

} // namespace echo::bench
