#include <dunlin/net/read_ahead.hpp>

#include <dunlin/util/assert.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

namespace dunlin {

void read_ahead::free_block() noexcept {
    if (capacity_ == detail::buffer_size)
        detail::free_buffer(block_);
    else
        ::operator delete(block_);
    block_ = nullptr;
    capacity_ = 0;
    first_ = 0;
    last_ = 0;
}

void read_ahead::adopt(buffer&& came) noexcept {
    DUNLIN_ASSERT(is_empty());
    free_block();
    last_ = came.size();
    block_ = came.release();
    capacity_ = detail::buffer_size;
}

std::span<std::byte> read_ahead::room(std::size_t most) noexcept {
    const std::size_t held = size();
    DUNLIN_ASSERT(most > held);
    if (last_ == capacity_ && first_ != 0) {
        std::memmove(block_, block_ + first_, held);
        first_ = 0;
        last_ = held;
    }
    if (last_ == capacity_) {
        const std::size_t twice = capacity_ > most / 2 ? most : capacity_ * 2;
        const std::size_t larger = std::max(twice, detail::buffer_size);
        auto* const grown = larger == detail::buffer_size
                                ? detail::allocate_buffer()
                                : static_cast<std::byte*>(::operator new(larger, std::nothrow));
        if (grown == nullptr) return {};
        if (held != 0) std::memcpy(grown, block_ + first_, held);
        free_block();
        block_ = grown;
        capacity_ = larger;
        last_ = held;
    }
    return {block_ + last_, capacity_ - last_};
}

std::size_t read_ahead::copy_to(std::span<std::byte> into) noexcept {
    const std::size_t count = std::min(into.size(), size());
    if (count != 0) std::memcpy(into.data(), block_ + first_, count);
    consume(count);
    return count;
}

buffer read_ahead::take_buffer() noexcept {
    if (capacity_ == detail::buffer_size) {
        const std::size_t held = size();
        if (first_ != 0) std::memmove(block_, block_ + first_, held);
        buffer taken{std::exchange(block_, nullptr), held};
        capacity_ = 0;
        free_block();
        return taken;
    }
    std::byte* const block = detail::allocate_buffer();
    if (block == nullptr) return {};
    const std::size_t count = copy_to({block, detail::buffer_size});
    return {block, count};
}

namespace detail {

void copy_bytes(std::span<const std::byte> from, std::span<std::byte> into) noexcept {
    DUNLIN_ASSERT(from.size() <= into.size());
    if (!from.empty()) std::memcpy(into.data(), from.data(), from.size());
}

namespace {

std::size_t add(std::size_t limit, std::size_t more) noexcept {
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    return limit > most - more ? most : limit + more;
}

constexpr std::size_t line_end = 2; // "\r\n"

} // namespace

std::size_t frame_rule::most() const noexcept {
    return kind_ == kind::line ? add(limit_, line_end) : limit_;
}

frame_rule::answer frame_rule::look_for_line(std::string_view text, std::size_t end) noexcept {
    if (end != std::string_view::npos) {
        const std::size_t length = end != 0 && text[end - 1] == '\r' ? end - 1 : end;
        return length > limit_ ? answer::too_long : found(end + 1, length);
    }
    if (text.size() <= limit_) return answer::more;
    // One byte more than a line may have: unless that is half of its end, the line is too long.
    const bool may_end = text.size() == add(limit_, 1) && text.back() == '\r';
    return may_end ? answer::more : answer::too_long;
}

frame_rule::answer frame_rule::look_at(std::span<const std::byte> came) noexcept {
    if (kind_ == kind::any) return came.empty() ? answer::more : found(0, came.size());
    if (kind_ == kind::count) return came.size() < limit_ ? answer::more : found(limit_, limit_);

    const std::string_view all{reinterpret_cast<const char*>(came.data()), came.size()};
    const std::string_view text = all.substr(0, most());
    const std::size_t at = text.find(delimiter_, seen_);
    // A delimiter may have begun with the last bytes.
    seen_ = text.size() < delimiter_.size() ? 0 : text.size() - delimiter_.size() + 1;
    if (kind_ == kind::line) return look_for_line(text, at);
    if (at != std::string_view::npos) return found(at + delimiter_.size(), at + delimiter_.size());
    return text.size() < limit_ ? answer::more : answer::too_long;
}

frame_rule::answer frame_rule::look_at_end(std::span<const std::byte> came) noexcept {
    if (kind_ == kind::any) return found(0, 0);
    if (kind_ != kind::line || came.empty()) return answer::more;
    return came.size() > limit_ ? answer::too_long : found(came.size(), came.size());
}

} // namespace detail
} // namespace dunlin
