// Bytes that `read()` brought: a lease of a pooled block, given back when it dies.
#pragma once

#include <dunlin/loop/frame_pool.hpp>
#include <dunlin/util/api.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace dunlin {

/// What one `read()` brought, at most 32 KiB. Empty means the end of the stream. Move-only.
///
/// May be kept as long as one likes, and given to another thread; a connection that only waits
/// holds none.
class [[nodiscard]] buffer {
public:
    buffer() noexcept = default;

    /// Takes over a block of the pool with `size` bytes in it.
    buffer(std::byte* block, std::size_t size) noexcept
        : block_{block}, size_{static_cast<std::uint32_t>(size)} {}

    buffer(buffer&& other) noexcept
        : block_{std::exchange(other.block_, nullptr)}, size_{std::exchange(other.size_, 0)} {}
    buffer& operator=(buffer&& other) noexcept {
        buffer gone{std::move(*this)};
        block_ = std::exchange(other.block_, nullptr);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }
    ~buffer() {
        if (block_ != nullptr) detail::free_buffer(block_);
    }

    /// Whether the stream has ended: there are no bytes, and there will be none.
    [[nodiscard]] bool is_end() const noexcept { return size_ == 0; }
    explicit operator bool() const noexcept { return size_ != 0; }

    [[nodiscard]] std::byte* data() noexcept { return block_; }
    [[nodiscard]] const std::byte* data() const noexcept { return block_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {block_, size_}; }
    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(block_), size_};
    }
    operator std::span<const std::byte>() const noexcept { return bytes(); }

    /// Gives the block away, to be freed with `detail::free_buffer`; this is empty then.
    [[nodiscard]] std::byte* release() noexcept {
        size_ = 0;
        return std::exchange(block_, nullptr);
    }

private:
    std::byte* block_ = nullptr;
    std::uint32_t size_ = 0;
};

} // namespace dunlin
