#include <dunlin/sys/address.hpp>

#include <cstring>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace dunlin::sys {

static_assert(sizeof(raw_address::storage) == sizeof(sockaddr_storage));
static_assert(alignof(raw_address) >= alignof(sockaddr_storage));
static_assert(sizeof(v6_text) == INET6_ADDRSTRLEN);
static_assert(sizeof(interface_text) == IF_NAMESIZE);

namespace {

/// Copies into a buffer as a zero-terminated string; false if it does not fit or holds a zero.
template <std::size_t Size>
bool terminate(std::string_view text, char (&into)[Size]) noexcept {
    if (text.size() >= Size || text.find('\0') != text.npos) return false;
    into[text.copy(into, Size)] = '\0';
    return true;
}

} // namespace

raw_address to_raw(const ip_address& address) noexcept {
    raw_address raw;
    if (address.is_v6) {
        sockaddr_in6 kernel = {};
        kernel.sin6_family = AF_INET6;
        kernel.sin6_port = htons(address.port);
        kernel.sin6_scope_id = address.scope_id;
        std::memcpy(&kernel.sin6_addr, address.bytes, 16);
        std::memcpy(raw.storage, &kernel, raw.size = sizeof kernel);
    } else {
        sockaddr_in kernel = {};
        kernel.sin_family = AF_INET;
        kernel.sin_port = htons(address.port);
        std::memcpy(&kernel.sin_addr, address.bytes, 4);
        std::memcpy(raw.storage, &kernel, raw.size = sizeof kernel);
    }
    return raw;
}

bool from_raw(const raw_address& raw, ip_address& into) noexcept {
    sa_family_t family = AF_UNSPEC;
    if (raw.size >= sizeof family) std::memcpy(&family, raw.storage, sizeof family);
    if (family == AF_INET6 && raw.size >= sizeof(sockaddr_in6)) {
        sockaddr_in6 kernel;
        std::memcpy(&kernel, raw.storage, sizeof kernel);
        into = {.is_v6 = true,
                .bytes = {},
                .port = ntohs(kernel.sin6_port),
                .scope_id = kernel.sin6_scope_id};
        std::memcpy(into.bytes, &kernel.sin6_addr, 16);
        return true;
    }
    if (family == AF_INET && raw.size >= sizeof(sockaddr_in)) {
        sockaddr_in kernel;
        std::memcpy(&kernel, raw.storage, sizeof kernel);
        into = {.is_v6 = false, .bytes = {}, .port = ntohs(kernel.sin_port), .scope_id = 0};
        std::memcpy(into.bytes, &kernel.sin_addr, 4);
        return true;
    }
    return false;
}

bool parse_v6(std::string_view text, std::byte (&into)[16]) noexcept {
    v6_text terminated;
    return terminate(text, terminated) && ::inet_pton(AF_INET6, terminated, into) == 1;
}

std::string_view format_v6(const std::byte (&bytes)[16], v6_text& into) noexcept {
    return ::inet_ntop(AF_INET6, bytes, into, sizeof into); // cannot fail: there is room
}

std::uint32_t interface_index(std::string_view name) noexcept {
    interface_text terminated;
    return terminate(name, terminated) ? ::if_nametoindex(terminated) : 0;
}

std::string_view interface_name(std::uint32_t index, interface_text& into) noexcept {
    return ::if_indextoname(index, into) != nullptr ? std::string_view{into} : std::string_view{};
}

} // namespace dunlin::sys
