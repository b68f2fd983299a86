// Which deadlines have passed: a hierarchical timer wheel of intrusive nodes.
//
// A pure data structure: no clock, no allocation, no system call. Time is a number of nanoseconds
// that the caller brings, in the scheduler those of `sys::monotonic_now()`, and nothing is rounded.
// Arming and disarming are O(1) however many nodes are pending.
//
// How it works. A deadline is a number of eleven digits of six bits, and so is `base_`, the wheel's
// present. A node lies at the level of the highest digit in which its deadline differs from the
// present, in the slot that this digit of the deadline names. Level 0 is therefore exact, and the
// lowest occupied slot of the lowest occupied level holds the earliest deadlines. When the present
// enters a slot, its nodes are put again, one after another, into lower levels. So at any time
// equal deadlines lie in one slot, in the order of their arming.
//
//     digit:        10 ...  2    1    0
//     base_       =  0      7    3   21
//     deadline a  =  0      7    3   40     level 0, slot 40: it differs in digit 0 only
//     deadline b  =  0      7    5    2     level 1, slot 5, until base_ enters it as 0 ... 7 5 0
//     deadline c  =  0     60   11    9     level 2, slot 60
#pragma once

#include <dunlin/util/api.hpp>

#include <cstdint>

namespace dunlin {

namespace detail {

/// The links of a timer node; by itself the head of a slot's circular list.
struct timer_link {
    timer_link* after = nullptr;
    timer_link* before = nullptr;
};

} // namespace detail

/// One deadline, embedded in what waits for it. 24 bytes.
///
/// While it is linked the queue points to it: it must not move, and be disarmed before it dies.
class timer_node : private detail::timer_link {
public:
    timer_node() noexcept = default;
    timer_node(const timer_node&) = delete;
    timer_node& operator=(const timer_node&) = delete;

    /// Whether it is armed: from `arm` until `disarm` or until `pop_due` gave it out.
    [[nodiscard]] bool is_linked() const noexcept { return after != nullptr; }

    /// What it was last armed with, raised to the queue's present if that had passed already.
    [[nodiscard]] std::int64_t deadline() const noexcept { return deadline_; }

private:
    friend class timer_queue;
    std::int64_t deadline_ = 0;
};

/// The wheel. 11 KiB, as all its slots lie in it; its address must not change. Loop thread.
class DUNLIN_API timer_queue {
public:
    /// What `next_wakeup` says when nothing is armed: never.
    static constexpr std::int64_t never = INT64_MAX;

    /// An empty queue whose present is `start` (nanoseconds; a negative one counts as 0).
    explicit timer_queue(std::int64_t start) noexcept;
    timer_queue(const timer_queue&) = delete;
    timer_queue& operator=(const timer_queue&) = delete;

    /// Nodes that are still armed are not touched; they must not be disarmed any more.
    ~timer_queue() = default;

    /// Has `pop_due` give out `node` once `deadline` (nanoseconds) has come. A node that is armed
    /// already is moved, to the end of its equals. A deadline that has passed counts as now: the
    /// node goes out on the next `pop_due`, after whatever is overdue already. O(1).
    void arm(timer_node& node, std::int64_t deadline) noexcept;

    /// Takes `node` out; does nothing if it is not armed. O(1).
    void disarm(timer_node& node) noexcept;

    [[nodiscard]] bool is_empty() const noexcept { return levels_ == 0; }

    /// Nothing is due before this time, nanoseconds: what `pop_due` need not be called before.
    /// Never later than the earliest deadline; what `next_wakeup` says right after `pop_due` gave
    /// null, and `never` if nothing was armed since then.
    [[nodiscard]] std::int64_t earliest() const noexcept { return earliest_; }

    /// When `pop_due` should be called next, nanoseconds: never later than the earliest deadline,
    /// and exactly then unless many deadlines lie near each other (more than eight in the first
    /// slot); then it is that slot's start, where `pop_due` sorts them. `never` if nothing is
    /// armed.
    [[nodiscard]] std::int64_t next_wakeup() const noexcept;

    /// Takes out one node whose deadline is not after `now` (nanoseconds), in the order of
    /// deadlines and, among equal ones, of arming; null if there is none. To be called until it
    /// gives null, with the same `now`, and not with a smaller one later (that counts as the
    /// greatest so far). Whatever is armed meanwhile and due takes part: arm only after the null to
    /// avoid an endless turn.
    ///
    /// Amortised O(levels): a node goes down through at most eleven.
    [[nodiscard]] timer_node* pop_due(std::int64_t now) noexcept;

private:
    static constexpr unsigned digit_bits = 6;
    static constexpr unsigned slots_per_level = 1U << digit_bits;
    static constexpr unsigned level_count = 11; // 66 bits; a deadline has 63

    [[nodiscard]] unsigned level_of(std::uint64_t deadline) const noexcept;
    [[nodiscard]] std::uint64_t start_of(unsigned level, unsigned digit) const noexcept;
    void put(timer_node& node) noexcept;
    timer_node& take_first(unsigned level, unsigned digit) noexcept;
    void mark_empty(unsigned level, unsigned digit) noexcept;

    std::uint64_t base_;                       ///< The present. No armed deadline is before it.
    std::int64_t earliest_ = never;            ///< See `earliest`.
    std::uint32_t levels_ = 0;                 ///< A bit for each level that holds a node.
    std::uint64_t occupied_[level_count] = {}; ///< For each level, a bit for each slot that does.
    detail::timer_link slots_[level_count][slots_per_level]; ///< Heads.
};

} // namespace dunlin
