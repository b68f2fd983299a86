// Endpoints as the kernel has them.
#pragma once

#include <dunlin/net/endpoint.hpp>
#include <dunlin/result.hpp>
#include <dunlin/sys/address.hpp>

namespace dunlin::detail {

[[nodiscard]] sys::ip_address to_ip(const endpoint& where) noexcept;
[[nodiscard]] sys::raw_address to_raw(const endpoint& where) noexcept;

/// Errors: address_family_not_supported if it is neither IPv4 nor IPv6.
[[nodiscard]] result<endpoint> from_raw(const sys::raw_address& raw) noexcept;

} // namespace dunlin::detail
