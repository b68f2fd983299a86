#include <dunlin/net/endpoint.hpp>

#include <dunlin/net/detail/raw_endpoint.hpp>
#include <dunlin/sys/address.hpp>
#include <dunlin/sys/error.hpp>

#include <algorithm>
#include <iterator>

namespace dunlin {

static_assert(sizeof(endpoint) <= 28);

namespace {

constexpr std::byte mapped_prefix[12] = {
    {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::byte{0xff}, std::byte{0xff}};

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

bool is_number(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

/// Reads a number of nothing but 1 to `most_digits` decimal digits, at most `largest`.
bool parse_number(std::string_view text, std::size_t most_digits, std::uint32_t largest,
                  std::uint32_t& into) noexcept {
    if (!is_number(text) || text.size() > most_digits) return false;
    std::uint64_t value = 0; // ten digits fit
    for (const char digit : text)
        value = value * 10 + static_cast<unsigned>(digit - '0');
    into = static_cast<std::uint32_t>(value);
    return value <= largest;
}

bool parse_port(std::string_view text, std::uint16_t& into) noexcept {
    std::uint32_t port = 0;
    if (!parse_number(text, 5, 65'535, port)) return false;
    into = static_cast<std::uint16_t>(port);
    return true;
}

bool parse_v4(std::string_view text, std::byte (&into)[4]) noexcept {
    for (int i = 0; i < 4; ++i) {
        const std::size_t length = i < 3 ? text.find('.') : text.size();
        if (length == text.npos) return false;
        const std::string_view part = text.substr(0, length);
        std::uint32_t value = 0;
        if (!parse_number(part, 3, 255, value)) return false;
        if (part.size() > 1 && part[0] == '0') return false; // some read 010 as eight
        into[i] = static_cast<std::byte>(value);
        text.remove_prefix(i < 3 ? length + 1 : length);
    }
    return true;
}

/// A scope is an interface's number, from 1, or its name.
bool parse_scope(std::string_view text, std::uint32_t& into) noexcept {
    if (is_number(text)) return parse_number(text, 10, UINT32_MAX, into) && into != 0;
    into = sys::interface_index(text);
    return into != 0;
}

result<endpoint> parse_v6(std::string_view host, std::uint16_t port) noexcept {
    const std::size_t percent = host.find('%');
    std::uint32_t scope_id = 0;
    if (percent != host.npos && !parse_scope(host.substr(percent + 1), scope_id))
        return errc::bad_address;
    std::byte bytes[16];
    if (!sys::parse_v6(host.substr(0, percent), bytes)) return errc::bad_address;
    return endpoint::v6(bytes, port, scope_id);
}

} // namespace

result<endpoint> endpoint::parse(std::string_view text) noexcept {
    const std::size_t colon = text.rfind(':');
    if (colon == text.npos) return errc::bad_address;
    std::string_view host = text.substr(0, colon);
    std::uint16_t port = 0;
    if (!parse_port(text.substr(colon + 1), port)) return errc::bad_address;

    const bool in_brackets = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (in_brackets) return parse_v6(host.substr(1, host.size() - 2), port);
    // Without brackets nobody can tell the port from the last part of an IPv6 address.
    if (host.find(':') != host.npos) return errc::bad_address;
    return parse(host, port);
}

result<endpoint> endpoint::parse(std::string_view host, std::uint16_t port) noexcept {
    if (host.find(':') != host.npos) return parse_v6(host, port);
    std::byte bytes[4];
    if (!parse_v4(host, bytes)) return errc::bad_address;
    return v4(bytes, port);
}

result<endpoint> endpoint::parse(std::string_view host, std::string_view port) noexcept {
    std::uint16_t number = 0;
    if (!parse_port(port, number)) return errc::bad_address;
    return parse(host, number);
}

endpoint endpoint::v4(std::span<const std::byte, 4> bytes, std::uint16_t port) noexcept {
    endpoint made;
    std::copy(bytes.begin(), bytes.end(), made.bytes_);
    made.port_ = port;
    return made;
}

endpoint endpoint::v6(std::span<const std::byte, 16> bytes, std::uint16_t port,
                      std::uint32_t scope_id) noexcept {
    endpoint made;
    made.is_v6_ = true;
    std::copy(bytes.begin(), bytes.end(), made.bytes_);
    made.scope_id_ = scope_id;
    made.port_ = port;
    return made;
}

endpoint endpoint::loopback_v4(std::uint16_t port) noexcept {
    constexpr std::byte bytes[4] = {std::byte{127}, {}, {}, std::byte{1}};
    return v4(bytes, port);
}

endpoint endpoint::loopback_v6(std::uint16_t port) noexcept {
    std::byte bytes[16] = {};
    bytes[15] = std::byte{1};
    return v6(bytes, port);
}

endpoint endpoint::any_v4(std::uint16_t port) noexcept {
    constexpr std::byte bytes[4] = {};
    return v4(bytes, port);
}

endpoint endpoint::any_v6(std::uint16_t port) noexcept {
    constexpr std::byte bytes[16] = {};
    return v6(bytes, port);
}

bool endpoint::is_v4_mapped() const noexcept {
    return is_v6_ && std::equal(std::begin(mapped_prefix), std::end(mapped_prefix), bytes_);
}

std::string endpoint::to_string() const {
    sys::place_text room;
    return std::string{sys::format_place(detail::to_ip(*this), room)};
}

namespace detail {

sys::ip_address to_ip(const endpoint& where) noexcept {
    sys::ip_address address;
    address.is_v6 = where.is_v6();
    address.port = where.port();
    address.scope_id = where.scope_id();
    std::copy(where.bytes().begin(), where.bytes().end(), address.bytes);
    return address;
}

sys::raw_address to_raw(const endpoint& where) noexcept { return sys::to_raw(to_ip(where)); }

result<endpoint> from_raw(const sys::raw_address& raw) noexcept {
    sys::ip_address address;
    if (!sys::from_raw(raw, address))
        return std::make_error_code(std::errc::address_family_not_supported);
    if (address.is_v6) return endpoint::v6(address.bytes, address.port, address.scope_id);
    return endpoint::v4(std::span{address.bytes}.first<4>(), address.port);
}

} // namespace detail

} // namespace dunlin
