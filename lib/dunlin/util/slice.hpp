// Bytes somewhere else, laid out as the kernel's `iovec` (asserted in sys/socket.cpp), so that a list
// of them goes into one system call as it is.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace dunlin::detail {

struct slice {
    const std::byte* data = nullptr;
    std::size_t size = 0;
};

/// The bytes of what can be written: a span of bytes or of chars, or text.
[[nodiscard]] inline slice slice_of(std::span<const std::byte> bytes) noexcept {
    return {bytes.data(), bytes.size()};
}
[[nodiscard]] inline slice slice_of(std::string_view text) noexcept {
    return slice_of(std::as_bytes(std::span{text.data(), text.size()}));
}
[[nodiscard]] inline slice slice_of(std::span<const char> text) noexcept {
    return slice_of(std::as_bytes(text));
}
/// A literal, without the zero at its end.
[[nodiscard]] inline slice slice_of(const char* text) noexcept {
    return slice_of(std::string_view{text});
}

} // namespace dunlin::detail
