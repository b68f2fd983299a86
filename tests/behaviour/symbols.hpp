#pragma once
// Numbers of the kernel's interface as the names its man pages give them, for transcripts.

#include <cstdint>
#include <string>

namespace behaviour {

/// `EAGAIN` of its number.
std::string error_name(int error);
/// `IN+OUT` of EPOLLIN | EPOLLOUT; `0` of none. poll(2)'s bits have the same values.
std::string event_bits(std::uint32_t bits);
/// `PEEK+DONTWAIT` of MSG_PEEK | MSG_DONTWAIT; MSG_NOSIGNAL, which is nearly always given, is
/// `NOSIG`.
std::string message_flags(int flags);
/// `INET`, `STREAM+NONBLOCK` of socket(2)'s arguments.
std::string family_name(int family);
std::string socket_type(int type);
/// `SO_TYPE` of (SOL_SOCKET, SO_TYPE).
std::string option_name(int level, int option);
/// `RDWR+NONBLOCK` of what F_GETFL returns.
std::string status_flags(int flags);

} // namespace behaviour
