// One watched descriptor: who waits for it, and what epoll last said.
//
// Watches lie in chunks that never move, so whoever owns the descriptor holds a plain pointer.
// epoll holds none: its 64 bits of data are slot and generation, and closing bumps the generation,
// so an event that was already on its way cannot reach the slot's next tenant.
#pragma once

#include <dunlin/util/planted.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

namespace dunlin {

class operation;
class scheduler;

namespace detail {

/// Which way bytes go, and the index of who waits for it.
enum class direction : std::uint8_t { input, output };

struct watch {
    operation* waiting[2] =
        {};               ///< By direction: waits, or is queued to try again; at most one each.
    std::int32_t fd = -1; ///< -1 once closed; in a free slot the next free one.
    std::uint32_t generation = 0;
    std::uint32_t slot = 0;
    bool may_go_on[2] = {}; ///< By direction: nothing has said yet that one would have to wait.
    bool is_registered : 1 = false; ///< epoll knows it.
    /// A short read of a stream has drained it (epoll(7), Q9): epoll has it, and has not spoken of
    /// an end, an error or an urgent mark (RDHUP, HUP, ERR, PRI), where a read stops short as well.
    bool short_is_all : 1 = false;
    bool is_borrowed : 1 = false;   ///< Somebody else closes the number.
    bool is_shared : 1 = false;     ///< Its number was given out: a duplicate may live.
    bool is_stale : 1 = false;      ///< The number now means another file.
    bool is_starved : 1 = false;    ///< A listener whose queue waits for a free descriptor.
    bool is_tcp : 1 = false;        ///< Nothing but an end or a mark stops a read short.
    bool is_unanswered : 1 = false; ///< Bytes have come since the last write was done.
    std::uint8_t owners : 4 = 0;    ///< Handles that hold it: 1, or 2 after a split.
    bool has_ended : 1 = false;     ///< A read has seen the end of the stream.

    [[nodiscard]] operation*& waiting_for(direction way) noexcept {
        return waiting[static_cast<std::size_t>(way)];
    }
    [[nodiscard]] bool& may_go(direction way) noexcept {
        return may_go_on[static_cast<std::size_t>(way)];
    }
    /// The scheduler that it belongs to, which stands at the beginning of its chunk.
    [[nodiscard]] inline scheduler& home() const noexcept;
};
static_assert(sizeof(watch) == 32, "two to a cache line");

/// A page of watches, at an address that is a multiple of its size.
struct watch_chunk {
    static constexpr std::size_t bytes = 4096;
    static constexpr std::size_t capacity = bytes / sizeof(watch) - 1;

    scheduler* home;
    alignas(sizeof(watch)) watch slots[capacity];
};
static_assert(sizeof(watch_chunk) == watch_chunk::bytes);

scheduler& watch::home() const noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(this);
    return *reinterpret_cast<const watch_chunk*>(address & ~(watch_chunk::bytes - 1))->home;
}

/// The flat array of watches of one scheduler, grown by chunks.
class watch_table {
public:
    explicit watch_table(scheduler& home) noexcept : home_{&home} {}
    watch_table(const watch_table&) = delete;
    watch_table& operator=(const watch_table&) = delete;
    ~watch_table();

    /// A watch of `fd` with one owner, or nullptr when memory is refused.
    [[nodiscard]] watch* add(int fd) noexcept;

    /// Frees the slot for the next tenant. The generation has moved on by then.
    void remove(watch& gone) noexcept;

    /// The watch that an event is about, or nullptr if its generation has passed.
    [[nodiscard]] watch* find(std::uint64_t key) const noexcept {
        // Laundered, or g++ 12 computes the address anew for each member that is looked at.
        watch* const found = std::launder(&at(static_cast<std::uint32_t>(key)));
        if (DUNLIN_PLANTED(generation_ignored)) return found;
        return found->generation == static_cast<std::uint32_t>(key >> 32) ? found : nullptr;
    }

    /// What epoll keeps for this watch.
    [[nodiscard]] static std::uint64_t key_of(const watch& w) noexcept {
        return std::uint64_t{w.generation} << 32 | w.slot;
    }

    [[nodiscard]] std::size_t count() const noexcept { return used_; }

    /// Whether a live watch has this number in epoll. Looks at every slot: for the rare case.
    [[nodiscard]] bool is_watched(int fd) const noexcept;

    /// Whether somebody waits for a descriptor that is closed, and has not been queued to hear of
    /// it: never, between two turns. Looks at every slot; the simulation asks.
    [[nodiscard]] bool has_forgotten_waiter() const noexcept;

private:
    static constexpr std::uint32_t slots_a_chunk = 128; // one number of each is not used

    [[nodiscard]] watch& at(std::uint32_t slot) const noexcept {
        return chunks_[slot / slots_a_chunk]->slots[slot % slots_a_chunk];
    }
    [[nodiscard]] bool grow() noexcept;

    scheduler* home_;
    watch_chunk** chunks_ = nullptr;
    std::size_t chunk_count_ = 0;
    std::size_t used_ = 0;
    std::int32_t free_ = -1;
};

/// The registered watches of borrowed numbers. There are few; they are looked through one by one.
class borrowed_list {
public:
    borrowed_list() noexcept = default;
    borrowed_list(const borrowed_list&) = delete;
    borrowed_list& operator=(const borrowed_list&) = delete;
    ~borrowed_list();

    /// Makes sure that the next `add` has room; false when memory is refused.
    [[nodiscard]] bool reserve() noexcept;
    void add(watch& w) noexcept { all_[count_++] = &w; }
    void remove(watch& w) noexcept;

    /// The number means another file now.
    void mark_stale(int fd) noexcept;

private:
    watch** all_ = nullptr;
    std::size_t count_ = 0;
    std::size_t capacity_ = 0;
};

} // namespace detail
} // namespace dunlin
