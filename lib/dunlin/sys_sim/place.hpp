// Where a TCP socket is: an internet address with a port, IPv4 written as IPv4 even where an IPv6
// socket calls it ::ffff:1.2.3.4.
#pragma once

#include <dunlin/sys/address.hpp>

#include <algorithm>
#include <cstring>

namespace dunlin::sys_sim {

using place = sys::ip_address;

[[nodiscard]] inline bool is_same_address(const place& a, const place& b) noexcept {
    return a.is_v6 == b.is_v6 && std::memcmp(a.bytes, b.bytes, a.is_v6 ? 16 : 4) == 0;
}
[[nodiscard]] inline bool is_same_place(const place& a, const place& b) noexcept {
    return a.port == b.port && is_same_address(a, b);
}
/// 0.0.0.0 or ::
[[nodiscard]] inline bool is_any(const place& where) noexcept {
    return std::all_of(where.bytes, where.bytes + (where.is_v6 ? 16 : 4),
                       [](std::byte each) { return each == std::byte{0}; });
}

[[nodiscard]] inline place any_v4() noexcept { return {}; }
[[nodiscard]] inline place any_v6() noexcept {
    return {.is_v6 = true, .bytes = {}, .port = 0, .scope_id = 0};
}
[[nodiscard]] inline place loopback_v4() noexcept {
    place where;
    where.bytes[0] = std::byte{127};
    where.bytes[3] = std::byte{1};
    return where;
}
[[nodiscard]] inline place loopback_v6() noexcept {
    place where = any_v6();
    where.bytes[15] = std::byte{1};
    return where;
}

/// ::ffff:1.2.3.4 as 1.2.3.4; everything else as it is.
[[nodiscard]] place without_mapping(const place& where) noexcept;
/// The other way round.
[[nodiscard]] place mapped(const place& where) noexcept;

} // namespace dunlin::sys_sim
