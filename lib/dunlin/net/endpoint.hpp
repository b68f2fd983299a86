// Where a socket is: an IPv4 or IPv6 address and a port.
//
// Only numbers are read here; that `localhost` has an address is for a resolver to find out.
// Reading is strict, since an address that is nearly right would otherwise be another one.
#pragma once

#include <dunlin/result.hpp>
#include <dunlin/util/api.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace dunlin {

/// An internet address with a port: a value of 28 bytes. Ordered by family, address, scope, port.
class DUNLIN_API endpoint {
public:
    /// 0.0.0.0:0
    constexpr endpoint() noexcept = default;

    /// Reads an address with its port: `127.0.0.1:8888`, `[::1]:80`, `[fe80::1%eth0]:80`,
    /// `[fe80::1%2]:80`.
    ///
    /// An IPv4 address is four decimal numbers without leading zeros. An IPv6 address is written as
    /// in RFC 4291, section 2.2, in brackets; its scope is the name or the number of a network
    /// interface of this machine. A port is one to five decimal digits, at most 65535.
    ///
    /// Errors: bad_address.
    [[nodiscard]] static result<endpoint> parse(std::string_view text) noexcept;

    /// The same with the port apart and no brackets: `parse("::1", 80)`, `parse("::1", "80")`.
    [[nodiscard]] static result<endpoint> parse(std::string_view host, std::uint16_t port) noexcept;
    [[nodiscard]] static result<endpoint> parse(std::string_view host,
                                                std::string_view port) noexcept;

    /// From bytes in network order, the most significant first.
    [[nodiscard]] static endpoint v4(std::span<const std::byte, 4> bytes,
                                     std::uint16_t port) noexcept;
    /// Likewise. `scope_id` is the number of a network interface, for link-local addresses; 0:
    /// none.
    [[nodiscard]] static endpoint v6(std::span<const std::byte, 16> bytes, std::uint16_t port,
                                     std::uint32_t scope_id = 0) noexcept;

    [[nodiscard]] static endpoint loopback_v4(std::uint16_t port) noexcept; ///< 127.0.0.1
    [[nodiscard]] static endpoint loopback_v6(std::uint16_t port) noexcept; ///< ::1
    [[nodiscard]] static endpoint any_v4(std::uint16_t port) noexcept;      ///< 0.0.0.0
    [[nodiscard]] static endpoint any_v6(std::uint16_t port) noexcept;      ///< ::

    [[nodiscard]] constexpr bool is_v4() const noexcept { return !is_v6_; }
    [[nodiscard]] constexpr bool is_v6() const noexcept { return is_v6_; }

    /// Whether it is an IPv4 address in IPv6 clothes, as a socket that listens to both sees its
    /// IPv4 peers: ::ffff:192.0.2.1. Such a one is not equal to the plain IPv4 address. See
    /// ipv6(7).
    [[nodiscard]] bool is_v4_mapped() const noexcept;

    [[nodiscard]] constexpr std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] constexpr std::uint32_t scope_id() const noexcept { return scope_id_; }

    /// The address in network order: 4 bytes or 16.
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
        return {bytes_, is_v6_ ? 16U : 4U};
    }

    /// What `parse` reads back as an equal endpoint: an IPv6 address as RFC 5952 recommends it, the
    /// scope as the interface's name or, if it has none now, its number.
    [[nodiscard]] std::string to_string() const;

    friend constexpr bool operator==(const endpoint&, const endpoint&) noexcept = default;
    friend constexpr auto operator<=>(const endpoint&, const endpoint&) noexcept = default;

private:
    bool is_v6_ = false;
    std::byte bytes_[16] = {};
    std::uint32_t scope_id_ = 0;
    std::uint16_t port_ = 0;
};

} // namespace dunlin
