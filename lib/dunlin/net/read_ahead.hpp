// Bytes that were read from a stream before anybody asked for them, and how frames (lines, and
// what else is found by looking) are cut from them. No input, no waiting: `buffered_reader` does
// that.
#pragma once

#include <dunlin/net/buffer.hpp>
#include <dunlin/util/api.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace dunlin {

/// The unread rest of a stream: what `buffered_reader::release` gives and a new reader may begin
/// with. Move-only; with nothing in it, it holds no memory.
class DUNLIN_API read_ahead {
public:
    read_ahead() noexcept = default;
    read_ahead(read_ahead&& other) noexcept { swap(other); }
    read_ahead& operator=(read_ahead&& other) noexcept {
        read_ahead gone{std::move(*this)};
        swap(other);
        return *this;
    }
    ~read_ahead() { free_block(); }

    [[nodiscard]] bool is_empty() const noexcept { return first_ == last_; }
    [[nodiscard]] std::size_t size() const noexcept { return last_ - first_; }

    /// All of them. Valid until this is moved, or its reader is used again.
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
        return {block_ + first_, size()};
    }

    // What follows is for the reader.

    /// Gives the memory back if there is nothing in it.
    void give_back() noexcept {
        if (is_empty() && block_ != nullptr) free_block();
    }

    /// Takes over what a read brought. It must be empty.
    void adopt(buffer&& came) noexcept;

    /// Room behind the bytes, for more to be read into, and `commit`ted then. Moves the bytes if
    /// there is none, or gets more memory (twice as much, from a block of 32 KiB on, but not more
    /// than is needed to hold `most`); empty when memory is refused. `most` is more than `size()`.
    [[nodiscard]] std::span<std::byte> room(std::size_t most) noexcept;
    void commit(std::size_t count) noexcept { last_ += count; }

    /// The first `count` bytes are over. They stay where they are for now.
    void consume(std::size_t count) noexcept { first_ += count; }

    /// Copies as many as there are and fit, and consumes them; their number.
    std::size_t copy_to(std::span<std::byte> into) noexcept;

    /// Takes the first 32 KiB (or less) out as a buffer; an empty one when memory is refused.
    [[nodiscard]] buffer take_buffer() noexcept;

private:
    void swap(read_ahead& other) noexcept {
        std::swap(block_, other.block_);
        std::swap(capacity_, other.capacity_);
        std::swap(first_, other.first_);
        std::swap(last_, other.last_);
    }
    void free_block() noexcept;

    std::byte* block_ = nullptr; ///< Of the pool if `capacity_` is that of such a block.
    std::size_t capacity_ = 0;
    std::size_t first_ = 0;
    std::size_t last_ = 0;
};

namespace detail {

/// memcpy(3): `into` is at least as long as `from`.
DUNLIN_API void copy_bytes(std::span<const std::byte> from, std::span<std::byte> into) noexcept;

/// How a frame is found at the beginning of what has come. It only looks, so it gives the same
/// answer in whatever pieces the bytes come.
class DUNLIN_API frame_rule {
public:
    /// Up to and with the delimiter, which is borrowed: `limit` bytes at most.
    [[nodiscard]] static frame_rule until(std::string_view delimiter, std::size_t limit) noexcept {
        return frame_rule{kind::until, delimiter, limit};
    }
    /// Up to "\n" or "\r\n", which are not counted: `limit` bytes at most.
    [[nodiscard]] static frame_rule line(std::size_t limit) noexcept {
        return frame_rule{kind::line, "\n", limit};
    }
    /// So many bytes.
    [[nodiscard]] static frame_rule count(std::size_t count) noexcept {
        return frame_rule{kind::count, {}, count};
    }
    /// At least one byte, or the end.
    [[nodiscard]] static frame_rule any() noexcept { return frame_rule{kind::any, {}, 1}; }

    enum class answer : std::uint8_t { found, more, too_long };

    /// Looks at all that has come so far. With `found`, `taken` and `size` are set.
    [[nodiscard]] answer look_at(std::span<const std::byte> came) noexcept;

    /// Likewise, when no more will come. `more` means that what is there is not a frame.
    [[nodiscard]] answer look_at_end(std::span<const std::byte> came) noexcept;

    /// The most bytes that have to be seen at once.
    [[nodiscard]] std::size_t most() const noexcept;

    std::size_t taken = 0; ///< How many bytes the frame is with its end,
    std::size_t size = 0;  ///< and without what is stripped.

private:
    enum class kind : std::uint8_t { until, line, count, any };

    frame_rule(kind which, std::string_view delimiter, std::size_t limit) noexcept
        : delimiter_{delimiter}, limit_{limit}, kind_{which} {}

    answer found(std::size_t with_end, std::size_t without) noexcept {
        taken = with_end;
        size = without;
        return answer::found;
    }
    [[nodiscard]] answer look_for_line(std::string_view text, std::size_t end) noexcept;

    std::string_view delimiter_;
    std::size_t limit_;
    std::size_t seen_ = 0; ///< So far there is no delimiter.
    kind kind_;
};

} // namespace detail
} // namespace dunlin
