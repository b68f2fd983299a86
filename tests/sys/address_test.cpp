// How sockets are named in words.
#include <dunlin/sys/address.hpp>

#include <support/catch.hpp>

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>

using namespace dunlin::sys;

namespace {

raw_address unix_address(std::string_view path) {
    sockaddr_un kernel = {};
    kernel.sun_family = AF_UNIX;
    path.copy(kernel.sun_path, path.size());
    raw_address raw;
    std::memcpy(raw.storage, &kernel, sizeof kernel);
    raw.size = static_cast<std::uint32_t>(offsetof(sockaddr_un, sun_path) + path.size());
    return raw;
}

std::string named(const raw_address& raw) {
    socket_text room;
    return std::string{format_socket(raw, room)};
}

} // namespace

TEST_CASE("a Unix socket is named by its path, an abstract one by its name", "[sys][address]") {
    CHECK(named(unix_address(std::string_view{"/run/x.sock\0", 12})) == "unix:/run/x.sock");
    CHECK(named(unix_address(std::string_view{"\0hidden", 7})) == "unix:@hidden");
    CHECK(named(unix_address("")) == "unix:");
    const std::string longest(108, 'p'); // not terminated, as unix(7) allows
    CHECK(named(unix_address(longest)) == "unix:" + longest);
}

TEST_CASE("an internet socket is named by address and port, others not at all", "[sys][address]") {
    ip_address address;
    address.bytes[0] = std::byte{127};
    address.bytes[3] = std::byte{1};
    address.port = 65'535;
    CHECK(named(to_raw(address)) == "127.0.0.1:65535");
    address.is_v6 = true;
    for (std::byte& each : address.bytes)
        each = std::byte{0xab};
    address.scope_id = 4'294'967'295;
    place_text room;
    const std::string_view text = format_place(address, room);
    CHECK(text == "[abab:abab:abab:abab:abab:abab:abab:abab%4294967295]:65535");
    CHECK(std::strlen(room) == text.size());
    CHECK(named(raw_address{}).empty());
}
