// Which of several addresses of one host to connect to: the first that answers. Not installed.
//
// After RFC 8305 ("Happy Eyeballs", version 2): a slow or dead address costs a quarter of a second,
// not the kernel's two minutes. What it does not do: ask for IPv4 and IPv6 addresses apart
// (section 3), since getaddrinfo(3) gives them together.
#pragma once

#include <dunlin/net/endpoint.hpp>
#include <dunlin/net/tcp_socket.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/util/chrono.hpp>

#include <vector>

namespace dunlin::detail {

/// How long an attempt has before the next one begins beside it: RFC 8305, section 8.
inline constexpr std::chrono::milliseconds attempt_delay{250};

/// The order of section 4: the families take turns, the first keeps its place (getaddrinfo(3) puts
/// a reachable IPv6 address first, unless gai.conf(5) says otherwise). None comes twice.
[[nodiscard]] std::vector<endpoint> interleave(const std::vector<endpoint>& sorted);

/// Connects to the first of them that lets it, in this order. An attempt that fails lets the next
/// begin at once, one that takes longer than `delay` lets it begin beside. The others are gone
/// (their sockets closed) when this ends.
///
/// Error: if all fail, the last one's, unless that is merely about a way that this machine lacks
/// (network_unreachable …) and another's is not. Stopped, all attempts are. Allocates.
[[nodiscard]] io_task<tcp_socket> connect_first(std::vector<endpoint> ordered,
                                                std::chrono::nanoseconds delay);

} // namespace dunlin::detail
