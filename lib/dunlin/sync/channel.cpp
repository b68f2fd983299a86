#include <dunlin/sync/channel.hpp>

#include <dunlin/util/assert.hpp>

namespace dunlin::detail {

channel_ring::channel_ring(std::size_t capacity) noexcept : room{capacity}, capacity_{capacity} {
    DUNLIN_ASSERT(capacity_ >= 1);
}

void channel_ring::pushed() noexcept {
    DUNLIN_ASSERT(size_ < capacity_);
    ++size_;
    items.release(1);
}

void channel_ring::popped() noexcept {
    DUNLIN_ASSERT(size_ > 0);
    --size_;
    if (++front_ == capacity_) front_ = 0;
    room.release(1);
}

std::error_code channel_ring::why_no_room() const noexcept {
    if (is_closed()) return errc::closed;
    return std::make_error_code(std::errc::resource_unavailable_try_again);
}

std::error_code channel_ring::why_no_item() const noexcept {
    if (is_closed() && size_ == 0) return errc::closed;
    return std::make_error_code(std::errc::resource_unavailable_try_again);
}

void channel_ring::close() noexcept {
    room.revoke();
    items.close();
}

} // namespace dunlin::detail
