// Whether it is worth polling for what comes next before a wait blocks: the rule behind
// `scheduler_options::spin`, without a clock or a kernel. The scheduler does the polling.
//
//     polls ── four waits in a row for nothing ──▶ blocks
//     blocks ── enough short waits in a row ──▶ polls
//
// Only the kernel's events count. A deadline says nothing of when the next message comes, nor does
// what was there before anybody waited.
#pragma once

#include <dunlin/util/chrono.hpp>

#include <cstdint>

namespace dunlin::detail {

class spinning {
public:
    /// For waits of so long at most; zero or less: never.
    explicit constexpr spinning(std::chrono::nanoseconds span) noexcept
        : span_{span.count() > 0 ? span.count() : 0} {}

    [[nodiscard]] constexpr bool is_wanted() const noexcept { return span_ != 0; }

    /// How long a wait may be polled for, nanoseconds.
    [[nodiscard]] constexpr std::int64_t span() const noexcept { return span_; }

    /// Whether the next wait is polled for at all.
    [[nodiscard]] constexpr bool polls() const noexcept { return fruitless_ < patience; }

    /// Something came while it polled. Once may be an accident; ten times in a row are forgiveness.
    constexpr void note_saved() noexcept {
        fruitless_ = 0;
        wanted_ = static_cast<std::uint16_t>(wanted_ - wanted_ / 2);
    }

    /// Nothing came, and so it blocks after all (or has to go).
    constexpr void note_fruitless() noexcept {
        if (++fruitless_ == patience) short_waits_ = 0;
    }

    /// It blocked at once, and after `ns` nanoseconds something came.
    constexpr void note_blocked(std::int64_t ns) noexcept {
        if (ns > span_) {
            short_waits_ = 0;
        } else if (++short_waits_ == wanted_) {
            fruitless_ = 0;
            // They are no promise: on a core that is shared with whoever sends, waits are short
            // because it blocks. So as long as polling saves nothing, it wants to see more of them.
            if (wanted_ < most_wanted) wanted_ = static_cast<std::uint16_t>(wanted_ * 2);
        }
    }

    static constexpr int patience = 4;
    static constexpr int most_wanted = 1024; // at 15 us a wait, four of 50 us in vain are 1.3 %

private:
    std::int64_t span_;
    std::uint16_t short_waits_ = 0; ///< In a row, since it has given up.
    std::uint16_t wanted_ = 1;      ///< So many of them make it begin again.
    std::uint8_t fruitless_ = 0;    ///< Waits in a row that were polled for in vain.
};

} // namespace dunlin::detail
