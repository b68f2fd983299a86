// What the kernel calls an address: a sockaddr, as bytes. Not installed; users see `endpoint`
// (net/endpoint.hpp), which is made from and into this.
//
// Also the two things about addresses in text that libc and the kernel know better than we: IPv6 in
// its many spellings, and the names of network interfaces. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dunlin::sys {

/// A sockaddr of any family, with its size: what goes into bind(2) and comes out of getpeername(2).
struct raw_address {
    alignas(8) std::byte storage[128] = {}; ///< As large as a sockaddr_storage.
    std::uint32_t size = 0;                 ///< Bytes of it that are used; 0: no address.
};

/// An internet address, taken apart. Bytes in network order, numbers in ours.
struct ip_address {
    bool is_v6 = false;
    std::byte bytes[16] = {}; ///< IPv4 uses the first four.
    std::uint16_t port = 0;
    std::uint32_t scope_id = 0; ///< Number of an interface; IPv6 only.
};

/// See ip(7), ipv6(7).
[[nodiscard]] raw_address to_raw(const ip_address& address) noexcept;

/// False if `raw` is neither an IPv4 nor an IPv6 address; `into` is unchanged then.
[[nodiscard]] bool from_raw(const raw_address& raw, ip_address& into) noexcept;

/// Reads an IPv6 address as RFC 4291, section 2.2 writes it (no scope, no brackets). False if it is
/// none; `into` is unchanged then. See inet_pton(3).
[[nodiscard]] bool parse_v6(std::string_view text, std::byte (&into)[16]) noexcept;

/// Room for the longest text of an IPv6 address, INET6_ADDRSTRLEN.
using v6_text = char[46];

/// Writes an IPv6 address as RFC 5952 recommends. The view is of `into`. See inet_ntop(3).
[[nodiscard]] std::string_view format_v6(const std::byte (&bytes)[16], v6_text& into) noexcept;

/// The number of the network interface of that name in this thread's network namespace; 0 if there
/// is none. See if_nametoindex(3).
[[nodiscard]] std::uint32_t interface_index(std::string_view name) noexcept;

/// Room for the longest name of an interface, IF_NAMESIZE.
using interface_text = char[16];

/// The name of interface `index`, empty if there is none. The view is of `into`. See
/// if_indextoname(3).
[[nodiscard]] std::string_view interface_name(std::uint32_t index, interface_text& into) noexcept;

/// Room for the longest text of an address with its port, and a terminating zero.
using place_text = char[80];

/// Writes an address with its port as `endpoint` reads it: "127.0.0.1:80", "[fe80::1%eth0]:80".
/// Zero-terminated; the view is of `into`. Allocates nothing.
[[nodiscard]] std::string_view format_place(const ip_address& address, place_text& into) noexcept;

/// Room for the name of any socket: that of a Unix socket has up to 108 bytes.
using socket_text = char[120];

/// Writes what a socket is bound or connected to: an address as above, "unix:/run/x.sock", "unix:"
/// without a name, "unix:@x" with an abstract one (unix(7)); empty for other families. The view is
/// of `into`. Allocates nothing.
[[nodiscard]] std::string_view format_socket(const raw_address& raw, socket_text& into) noexcept;

} // namespace dunlin::sys
