#include "symbols.hpp"

#include <cstring>
#include <iterator>
#include <span>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace behaviour {

namespace {

struct named {
    std::uint32_t value;
    const char* name;
};

/// The names of the bits that are set, in the table's order; what has no name is a number behind
/// them.
std::string bits_of(std::uint32_t bits, std::span<const named> table) {
    std::string text;
    const auto append = [&](const std::string& name) { text += (text.empty() ? "" : "+") + name; };
    for (const auto& [value, name] : table) {
        if ((bits & value) == 0) continue;
        append(name);
        bits &= ~value;
    }
    if (bits != 0) append(std::to_string(bits));
    return text.empty() ? "0" : text;
}

std::uint32_t u(int number) { return static_cast<std::uint32_t>(number); }

struct named_option {
    int level;
    int option;
    const char* name;
};
#define DUNLIN_OPTION(level, option) {level, option, #option}
constexpr named_option options[] = {
    DUNLIN_OPTION(SOL_SOCKET, SO_TYPE),        DUNLIN_OPTION(SOL_SOCKET, SO_PROTOCOL),
    DUNLIN_OPTION(SOL_SOCKET, SO_DOMAIN),      DUNLIN_OPTION(SOL_SOCKET, SO_ERROR),
    DUNLIN_OPTION(SOL_SOCKET, SO_ACCEPTCONN),  DUNLIN_OPTION(SOL_SOCKET, SO_REUSEADDR),
    DUNLIN_OPTION(SOL_SOCKET, SO_REUSEPORT),   DUNLIN_OPTION(SOL_SOCKET, SO_KEEPALIVE),
    DUNLIN_OPTION(SOL_SOCKET, SO_SNDBUF),      DUNLIN_OPTION(SOL_SOCKET, SO_RCVBUF),
    DUNLIN_OPTION(SOL_SOCKET, SO_LINGER),      DUNLIN_OPTION(SOL_SOCKET, SO_OOBINLINE),
    DUNLIN_OPTION(SOL_SOCKET, SO_BROADCAST),   DUNLIN_OPTION(SOL_SOCKET, SO_RCVLOWAT),
    DUNLIN_OPTION(IPPROTO_TCP, TCP_NODELAY),   DUNLIN_OPTION(IPPROTO_TCP, TCP_KEEPIDLE),
    DUNLIN_OPTION(IPPROTO_TCP, TCP_KEEPINTVL), DUNLIN_OPTION(IPPROTO_TCP, TCP_KEEPCNT),
    DUNLIN_OPTION(IPPROTO_TCP, TCP_CORK),      DUNLIN_OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT),
    DUNLIN_OPTION(IPPROTO_TCP, TCP_MAXSEG),    DUNLIN_OPTION(IPPROTO_TCP, TCP_DEFER_ACCEPT),
    DUNLIN_OPTION(IPPROTO_IPV6, IPV6_V6ONLY),
};
#undef DUNLIN_OPTION

} // namespace

std::string error_name(int error) {
    const char* const name = ::strerrorname_np(error);
    return name != nullptr ? name : "errno " + std::to_string(error);
}

std::string event_bits(std::uint32_t bits) {
    static constexpr named table[] = {
        {EPOLLIN, "IN"},         {EPOLLPRI, "PRI"},
        {EPOLLOUT, "OUT"},       {EPOLLERR, "ERR"},
        {EPOLLHUP, "HUP"},       {EPOLLRDHUP, "RDHUP"},
        {EPOLLRDNORM, "RDNORM"}, {EPOLLWRNORM, "WRNORM"},
        {0x20, "NVAL"},          {EPOLLEXCLUSIVE, "EXCLUSIVE"},
        {EPOLLWAKEUP, "WAKEUP"}, {EPOLLONESHOT, "ONESHOT"},
        {EPOLLET, "ET"},
    };
    return bits_of(bits, table);
}

std::string message_flags(int flags) {
    static const named table[] = {
        {MSG_OOB, "OOB"},           {MSG_PEEK, "PEEK"},
        {MSG_TRUNC, "TRUNC"},       {MSG_CTRUNC, "CTRUNC"},
        {MSG_EOR, "EOR"},           {MSG_WAITALL, "WAITALL"},
        {MSG_DONTWAIT, "DONTWAIT"}, {MSG_MORE, "MORE"},
        {MSG_NOSIGNAL, "NOSIG"},    {u(MSG_CMSG_CLOEXEC), "CLOEXEC"},
    };
    return bits_of(u(flags), table);
}

std::string family_name(int family) {
    switch (family) {
    case AF_UNSPEC:
        return "UNSPEC";
    case AF_UNIX:
        return "UNIX";
    case AF_INET:
        return "INET";
    case AF_INET6:
        return "INET6";
    default:
        return std::to_string(family);
    }
}

std::string socket_type(int type) {
    static constexpr const char* kinds[] = {"0", "STREAM", "DGRAM", "RAW", "4", "SEQPACKET"};
    const auto kind = u(type) & 0xfU;
    std::string text = kind < std::size(kinds) ? kinds[kind] : std::to_string(kind);
    if ((type & SOCK_NONBLOCK) != 0) text += "+NONBLOCK";
    if ((type & SOCK_CLOEXEC) != 0) text += "+CLOEXEC";
    const auto rest = u(type) & ~(0xfU | u(SOCK_NONBLOCK) | u(SOCK_CLOEXEC));
    return rest == 0 ? text : text + "+" + std::to_string(rest);
}

std::string option_name(int level, int option) {
    for (const auto& known : options)
        if (known.level == level && known.option == option) return known.name;
    return std::to_string(level) + "/" + std::to_string(option);
}

std::string status_flags(int flags) {
    static constexpr const char* modes[] = {"RDONLY", "WRONLY", "RDWR", "3"};
    static const named table[] = {
        {u(O_NONBLOCK), "NONBLOCK"}, {u(O_APPEND), "APPEND"}, {u(O_ASYNC), "ASYNC"}};
    // O_LARGEFILE is 0 to a 64-bit program, and the kernel's own bit of that name is not ours.
    const auto rest = u(flags) & ~u(O_ACCMODE) & ~0100000U;
    return std::string{modes[flags & O_ACCMODE]} + (rest == 0 ? "" : "+" + bits_of(rest, table));
}

} // namespace behaviour
