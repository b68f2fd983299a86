// Bytes somewhere else, laid out as the kernel's `iovec` (asserted in sys/socket.cpp), so that a
// list of them goes into one system call as it is.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>

namespace dunlin::detail {

struct slice {
    const std::byte* data = nullptr;
    std::size_t size = 0;
};

/// The bytes of what can be written: a span of bytes or of chars, or text. Strings and literals can
/// be seen as either; the template is the better match. A literal goes without the zero at its end.
[[nodiscard]] inline slice slice_of(std::span<const std::byte> bytes) noexcept {
    return {bytes.data(), bytes.size()};
}
template <class Text>
    requires(std::is_convertible_v<const Text&, std::string_view> && !std::is_null_pointer_v<Text>)
[[nodiscard]] slice slice_of(const Text& text) noexcept {
    const std::string_view view = text;
    return slice_of(std::as_bytes(std::span{view.data(), view.size()}));
}
/// The whole array, but for a zero at its end, as a literal has.
template <std::size_t N>
[[nodiscard]] slice slice_of(const char (&text)[N]) noexcept {
    return slice_of(std::as_bytes(std::span{text, text[N - 1] == '\0' ? N - 1 : N}));
}
[[nodiscard]] inline slice slice_of(std::span<const unsigned char> bytes) noexcept {
    return slice_of(std::as_bytes(bytes));
}
[[nodiscard]] inline slice slice_of(std::span<const char> text) noexcept {
    return slice_of(std::as_bytes(text));
}

} // namespace dunlin::detail
