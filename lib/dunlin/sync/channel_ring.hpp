// What a channel is without its items: a ring of places, and who waits at either end. Not for
// users.
//
// A sender takes a unit of room, puts its item into `back()` and calls `pushed`; a receiver takes
// an item's unit, takes the item out of `front()` and calls `popped`. Room and items that are put
// aside for somebody count as used in `room` and `items`, but not in `size`.
#pragma once

#include <dunlin/sync/wait_queue.hpp>
#include <dunlin/util/api.hpp>

#include <cstddef>
#include <system_error>

namespace dunlin::detail {

class DUNLIN_API channel_ring {
public:
    /// `capacity` is at least 1: asserted.
    explicit channel_ring(std::size_t capacity) noexcept;

    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// Where the next item goes, and where the oldest is.
    [[nodiscard]] std::size_t back() const noexcept {
        const std::size_t until_end = capacity_ - front_;
        return size_ < until_end ? front_ + size_ : size_ - until_end;
    }
    [[nodiscard]] std::size_t front() const noexcept { return front_; }

    void pushed() noexcept;
    void popped() noexcept;

    /// Takes room, or an item's unit, without waiting; if not, why not.
    [[nodiscard]] bool try_take_room() noexcept { return room.try_take(1); }
    [[nodiscard]] bool try_take_item() noexcept { return items.try_take(1); }
    [[nodiscard]] std::error_code why_no_room() const noexcept;
    [[nodiscard]] std::error_code why_no_item() const noexcept;

    void close() noexcept;
    [[nodiscard]] bool is_closed() const noexcept { return items.is_closed(); }

    wait_queue room;     ///< Senders wait here.
    wait_queue items{0}; ///< Receivers.

private:
    std::size_t capacity_;
    std::size_t front_ = 0;
    std::size_t size_ = 0;
};

} // namespace dunlin::detail
