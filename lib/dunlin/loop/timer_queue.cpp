#include <dunlin/loop/timer_queue.hpp>
#include <dunlin/util/planted.hpp>

#include <algorithm>
#include <bit>

namespace dunlin {

static_assert(sizeof(timer_node) == 24);

namespace {

constexpr std::uint64_t clamped(std::int64_t time) noexcept {
    return time < 0 ? 0 : static_cast<std::uint64_t>(time);
}

constexpr unsigned first_bit(std::uint64_t bits) noexcept {
    return static_cast<unsigned>(std::countr_zero(bits));
}

} // namespace

timer_queue::timer_queue(std::int64_t start) noexcept : base_{clamped(start)} {
    for (auto& level : slots_)
        for (detail::timer_link& head : level)
            head.after = head.before = &head;
}

void timer_queue::arm(timer_node& node, std::int64_t deadline) noexcept {
    if (node.is_linked()) disarm(node);
    node.deadline_ = static_cast<std::int64_t>(std::max(clamped(deadline), base_));
    earliest_ = std::min(earliest_, node.deadline_);
    put(node);
}

void timer_queue::disarm(timer_node& node) noexcept {
    if (!node.is_linked()) return;
    detail::timer_link* const after = node.after;
    detail::timer_link* const before = node.before;
    after->before = before;
    before->after = after;
    node.after = nullptr;
    if (after == before) { // both are the head: the node was alone, and the head tells where
        const auto index = static_cast<unsigned>(after - slots_[0]);
        mark_empty(index / slots_per_level, index % slots_per_level);
    }
}

std::int64_t timer_queue::next_wakeup() const noexcept {
    if (levels_ == 0) return never;
    const unsigned level = first_bit(levels_);
    const unsigned digit = first_bit(occupied_[level]);
    const auto start = static_cast<std::int64_t>(start_of(level, digit));
    if (level == 0) return start;

    const detail::timer_link& head = slots_[level][digit];
    std::int64_t earliest = never;
    unsigned seen = 0;
    for (const detail::timer_link* each = head.after; each != &head; each = each->after) {
        if (++seen > 8) return start; // a few cache misses at most: this is asked every turn
        earliest = std::min(earliest, static_cast<const timer_node*>(each)->deadline_);
    }
    return earliest;
}

timer_node* timer_queue::pop_due(std::int64_t now) noexcept {
    const std::uint64_t present = std::max(clamped(now), base_);
    while (levels_ != 0) {
        const unsigned level = first_bit(levels_);
        const unsigned digit = first_bit(occupied_[level]);
        const std::uint64_t start = start_of(level, digit);
        if (start > present) break;
        timer_node& first = take_first(level, digit);
        const bool was_alone = (occupied_[level] >> digit & 1) == 0;
        if (level == 0 || (was_alone && (first.deadline_ <= static_cast<std::int64_t>(present) ||
                                         DUNLIN_PLANTED(timer_early)))) {
            base_ = static_cast<std::uint64_t>(first.deadline_); // no other is before it
            return &first;
        }

        // The present enters this slot, so each of its nodes now agrees with it in this digit too
        // and goes to a lower level.
        base_ = start;
        put(first);
        while ((occupied_[level] >> digit & 1) != 0 && !DUNLIN_PLANTED(timer_lost_in_cascade))
            put(take_first(level, digit));
    }
    // The first slot lies after `present`: going there enters no slot.
    base_ = present;
    earliest_ = next_wakeup();
    return nullptr;
}

/// Where a deadline belongs: the highest digit in which it differs from the present.
unsigned timer_queue::level_of(std::uint64_t deadline) const noexcept {
    const std::uint64_t different = (deadline ^ base_) | 1; // equal ones belong to level 0
    return (static_cast<unsigned>(std::bit_width(different)) - 1) / digit_bits;
}

/// The first nanosecond of a slot that lies after the present (or, at level 0, is the present).
std::uint64_t timer_queue::start_of(unsigned level, unsigned digit) const noexcept {
    const unsigned shift = level * digit_bits;
    const std::uint64_t same = ~((std::uint64_t{slots_per_level} << shift) - 1); // none at level 10
    return (base_ & same) | (std::uint64_t{digit} << shift);
}

/// Links a node whose deadline is set, as the last of its slot.
void timer_queue::put(timer_node& node) noexcept {
    const auto deadline = static_cast<std::uint64_t>(node.deadline_);
    const unsigned level = level_of(deadline);
    const unsigned digit =
        static_cast<unsigned>(deadline >> (level * digit_bits)) % slots_per_level;
    detail::timer_link& head = slots_[level][digit];
    node.after = &head;
    node.before = head.before;
    head.before->after = &node;
    head.before = &node;
    occupied_[level] |= std::uint64_t{1} << digit;
    levels_ |= 1U << level;
}

timer_node& timer_queue::take_first(unsigned level, unsigned digit) noexcept {
    detail::timer_link& head = slots_[level][digit];
    auto& node = static_cast<timer_node&>(*head.after);
    head.after = node.after;
    node.after->before = &head;
    node.after = nullptr;
    if (head.after == &head) mark_empty(level, digit);
    return node;
}

void timer_queue::mark_empty(unsigned level, unsigned digit) noexcept {
    occupied_[level] &= ~(std::uint64_t{1} << digit);
    if (occupied_[level] == 0) levels_ &= ~(1U << level);
}

} // namespace dunlin
