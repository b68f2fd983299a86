#include <dunlin/sys/address.hpp>

#include <dunlin/sys/os.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

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
    return terminate(name, terminated) ? os::if_nametoindex(terminated) : 0;
}

std::string_view interface_name(std::uint32_t index, interface_text& into) noexcept {
    return os::if_indextoname(index, into) != nullptr ? std::string_view{into} : std::string_view{};
}

namespace {

/// Writes behind what is there already; what there is no room for is left out.
class appender {
public:
    appender(char* into, std::size_t room) noexcept : begin_{into}, at_{into}, end_{into + room} {}

    void put(std::string_view text) noexcept {
        const std::size_t size = std::min(text.size(), static_cast<std::size_t>(end_ - at_));
        at_ = std::copy_n(text.data(), size, at_);
    }
    void put(std::uint32_t number) noexcept {
        const auto wrote = std::to_chars(at_, end_, number);
        if (wrote.ec == std::errc{}) at_ = wrote.ptr;
    }
    [[nodiscard]] std::string_view text() const noexcept {
        return {begin_, static_cast<std::size_t>(at_ - begin_)};
    }

private:
    char* begin_;
    char* at_;
    char* end_;
};

void put_place(const ip_address& address, appender& to) noexcept {
    if (address.is_v6) {
        v6_text room;
        to.put("[");
        to.put(format_v6(address.bytes, room));
        if (address.scope_id != 0) {
            interface_text name_room;
            const std::string_view name = interface_name(address.scope_id, name_room);
            // An interface may be called "7" without being number 7.
            const bool is_clear = name.find_first_not_of("0123456789") != name.npos;
            to.put("%");
            if (is_clear)
                to.put(name);
            else
                to.put(address.scope_id);
        }
        to.put("]");
    } else {
        for (int i = 0; i < 4; ++i) {
            if (i > 0) to.put(".");
            to.put(std::to_integer<std::uint32_t>(address.bytes[i]));
        }
    }
    to.put(":");
    to.put(std::uint32_t{address.port});
}

} // namespace

std::string_view format_place(const ip_address& address, place_text& into) noexcept {
    appender to{into, sizeof into - 1};
    put_place(address, to);
    into[to.text().size()] = '\0';
    return to.text();
}

std::string_view format_socket(const raw_address& raw, socket_text& into) noexcept {
    appender to{into, sizeof into};
    if (ip_address address; from_raw(raw, address)) {
        put_place(address, to);
        return to.text();
    }
    sa_family_t family = AF_UNSPEC;
    if (raw.size >= sizeof family) std::memcpy(&family, raw.storage, sizeof family);
    if (family != AF_UNIX) return {};
    to.put("unix:");
    constexpr std::size_t before = offsetof(sockaddr_un, sun_path);
    if (raw.size <= before) return to.text();
    std::string_view path{reinterpret_cast<const char*>(raw.storage) + before, raw.size - before};
    if (path.front() == '\0') {
        to.put("@");
        path.remove_prefix(1);
    }
    to.put(path.substr(0, path.find('\0')));
    return to.text();
}

} // namespace dunlin::sys
