#include <dunlin/net/endpoint.hpp>

#include <dunlin/net/detail/raw_endpoint.hpp>
#include <dunlin/sys/error.hpp>

#include <support/catch.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

using dunlin::endpoint;
using dunlin::errc;

static_assert(sizeof(endpoint) <= 28);
static_assert(std::is_trivially_copyable_v<endpoint>);
static_assert(!std::is_aggregate_v<endpoint>);

namespace {

/// What becomes of a text that is read and written again; "refused" if it is no address.
std::string read_and_written(std::string_view text) {
    const auto parsed = endpoint::parse(text);
    if (parsed) return parsed.value().to_string();
    return parsed.error() == errc::bad_address ? "refused" : "another error";
}

/// A link-local address of the loopback interface, which every machine has.
endpoint on_loopback_interface() { return endpoint::parse("[fe80::1%lo]:80").value(); }

} // namespace

TEST_CASE("a default endpoint is nowhere: 0.0.0.0:0", "[net][endpoint]") {
    const endpoint nowhere;
    CHECK(nowhere.is_v4());
    CHECK(nowhere.port() == 0);
    CHECK(nowhere.to_string() == "0.0.0.0:0");
    CHECK(nowhere == endpoint::any_v4(0));
}

TEST_CASE("an IPv4 address with a port is read", "[net][endpoint]") {
    const endpoint where = endpoint::parse("127.0.0.1:8888").value();
    CHECK(where.is_v4());
    CHECK_FALSE(where.is_v6());
    CHECK_FALSE(where.is_v4_mapped());
    CHECK(where.port() == 8888);
    CHECK(where.scope_id() == 0);
    CHECK(where.bytes().size() == 4);
    CHECK(where.bytes()[0] == std::byte{127});
    CHECK(where == endpoint::loopback_v4(8888));
}

TEST_CASE("an IPv6 address with a port is read", "[net][endpoint]") {
    const endpoint where = endpoint::parse("[::1]:80").value();
    CHECK(where.is_v6());
    CHECK_FALSE(where.is_v4());
    CHECK(where.port() == 80);
    CHECK(where.bytes().size() == 16);
    CHECK(where.bytes()[15] == std::byte{1});
    CHECK(where == endpoint::loopback_v6(80));
    CHECK(endpoint::parse("[::]:0").value() == endpoint::any_v6(0));
}

TEST_CASE("an address is written as it is read, in the shortest form", "[net][endpoint]") {
    struct row {
        const char* read;
        const char* written;
    };
    // The IPv6 forms are those of RFC 5952, sections 4 and 5.
    const row rows[] = {
        {"0.0.0.0:0", "0.0.0.0:0"},
        {"255.255.255.255:65535", "255.255.255.255:65535"},
        {"10.20.30.40:00080", "10.20.30.40:80"},
        {"[::]:1", "[::]:1"},
        {"[0:0:0:0:0:0:0:1]:1", "[::1]:1"},
        {"[2001:0DB8::0001]:1", "[2001:db8::1]:1"},
        {"[2001:db8:0:1:1:1:1:1]:1", "[2001:db8:0:1:1:1:1:1]:1"},
        {"[2001:db8:0:0:1:0:0:1]:1", "[2001:db8::1:0:0:1]:1"},
        {"[2001:0:0:1:0:0:0:1]:1", "[2001:0:0:1::1]:1"},
        {"[::ffff:127.0.0.1]:9", "[::ffff:127.0.0.1]:9"},
        {"[::FFFF:7f00:1]:9", "[::ffff:127.0.0.1]:9"},
        {"[1:2:3:4:5:6:7:8]:9", "[1:2:3:4:5:6:7:8]:9"},
        {"[1:2:3:4:5:6:7::]:9", "[1:2:3:4:5:6:7:0]:9"},
        {"[64:ff9b::192.0.2.33]:9", "[64:ff9b::c000:221]:9"},
    };
    for (const row& each : rows) {
        CHECK(read_and_written(each.read) == each.written);
        CHECK(read_and_written(each.written) == each.written);
    }
}

TEST_CASE("a port is one to five decimal digits and at most 65535", "[net][endpoint]") {
    for (const char* const port :
         {"",       "65536", "99999", "65616", "131152", "4294967376", "18446744073709551696",
          "000080", "+80",   "-1",    "-0",    " 80",    "80 ",        "8 0",
          "0x50",   "8e1",   "80.",   "80,0",  "http",   "8\t0",       "\xd9\xa1",
          "80:80",  "80/",   "80\n"}) {
        CAPTURE(port);
        CHECK(endpoint::parse("127.0.0.1:" + std::string{port}).error() == errc::bad_address);
        CHECK(endpoint::parse("[::1]:" + std::string{port}).error() == errc::bad_address);
        CHECK(endpoint::parse("127.0.0.1", port).error() == errc::bad_address);
        CHECK(endpoint::parse("::1", port).error() == errc::bad_address);
    }
    CHECK(endpoint::parse("127.0.0.1", "0").value().port() == 0);
    CHECK(endpoint::parse("127.0.0.1", "65535").value().port() == 65535);
    CHECK(endpoint::parse("127.0.0.1", "00080").value().port() == 80);
}

TEST_CASE("an IPv4 address is four decimal numbers and nothing else", "[net][endpoint]") {
    for (const char* const host : {"",
                                   "127.1",
                                   "127.0.1",
                                   "2130706433",
                                   "0x7f.0.0.1",
                                   "0177.0.0.1",
                                   "127.0.0.01",
                                   "00.0.0.0",
                                   "127.0.0.256",
                                   "127.0.0.1000",
                                   "127.0.0.1.1",
                                   "127.0.0.",
                                   ".0.0.1",
                                   "127..0.1",
                                   "127.0.0.1 ",
                                   " 127.0.0.1",
                                   "127.0.0.-1",
                                   "127.0.0.+1",
                                   "1e2.0.0.1",
                                   "127.0.0.1x",
                                   "127.0.0.1%lo",
                                   "localhost",
                                   "*",
                                   "127,0,0,1",
                                   "[127.0.0.1]",
                                   "127.0.0.1/8",
                                   "4294967423.0.0.1"}) {
        CAPTURE(host);
        CHECK(read_and_written(std::string{host} + ":80") == "refused");
        CHECK(endpoint::parse(host, 80).error() == errc::bad_address);
    }
    CHECK(endpoint::parse(std::string_view{"127.0.0.1\0", 10}, 80).error() == errc::bad_address);
}

TEST_CASE("an IPv6 address is what RFC 4291 writes and nothing else", "[net][endpoint]") {
    for (const char* const host : {":",
                                   ":::",
                                   "1",
                                   "::1::",
                                   "1::2::3",
                                   "1:2:3:4:5:6:7",
                                   "1:2:3:4:5:6:7:8:9",
                                   "1:2:3:4:5:6:7:8::",
                                   "::12345",
                                   "::g",
                                   "::1 ",
                                   " ::1",
                                   "::1/64",
                                   "::127.0.0",
                                   "::127.0.0.256",
                                   "::127.0.0.01",
                                   "::1.2.3.4:5",
                                   "1:2:3:4:5:6:7:1.2.3.4",
                                   "::-1",
                                   "::0x1",
                                   "[::1]",
                                   "::ffff:127.0.0.1.1",
                                   ":1",
                                   "1:",
                                   "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"}) {
        CAPTURE(host);
        CHECK(read_and_written("[" + std::string{host} + "]:80") == "refused");
        CHECK(endpoint::parse(host, 80).error() == errc::bad_address);
    }
    CHECK(endpoint::parse(std::string_view{"::1\0", 4}, 80).error() == errc::bad_address);
}

TEST_CASE("with a port, an IPv6 address needs brackets", "[net][endpoint]") {
    for (const char* const text : {"::1:80",
                                   "[::1]",
                                   "[::1]80",
                                   "[::1",
                                   "::1]:80",
                                   "[]:80",
                                   "[:80",
                                   "]:80",
                                   "[::1]]:80",
                                   "[[::1]]:80",
                                   "[::1] :80",
                                   "x[::1]:80",
                                   "[::1]x:80",
                                   ":80",
                                   "80",
                                   "",
                                   ":",
                                   "127.0.0.1",
                                   "127.0.0.1:",
                                   "http://127.0.0.1:80",
                                   "127.0.0.1 :80",
                                   "127.0.0.1: 80"}) {
        CAPTURE(text);
        CHECK(read_and_written(text) == "refused");
    }
}

TEST_CASE("host and port apart need no brackets", "[net][endpoint]") {
    CHECK(endpoint::parse("::1", 80).value() == endpoint::loopback_v6(80));
    CHECK(endpoint::parse("::1", "80").value() == endpoint::loopback_v6(80));
    CHECK(endpoint::parse("127.0.0.1", 80).value() == endpoint::loopback_v4(80));
    CHECK(endpoint::parse("fe80::1%lo", 80).value() == on_loopback_interface());
}

TEST_CASE("a scope is an interface's name or number", "[net][endpoint]") {
    const endpoint named = on_loopback_interface();
    REQUIRE(named.scope_id() != 0);
    CHECK(named.to_string() == "[fe80::1%lo]:80");
    const std::string number = std::to_string(named.scope_id());
    CHECK(endpoint::parse("[fe80::1%" + number + "]:80").value() == named);
    CHECK(endpoint::parse("[fe80::1]:80").value() != named);

    // No interface has the greatest number that there is; it is kept as it is.
    CHECK(read_and_written("[fe80::1%4294967295]:80") == "[fe80::1%4294967295]:80");
    for (const char* const scope : {"", "0", "4294967296", "18446744073709551617", "no-such-if",
                                    "a-name-longer-than-any", "-1", "+1", "lo ", "lo%lo", " 1"}) {
        CAPTURE(scope);
        CHECK(read_and_written("[fe80::1%" + std::string{scope} + "]:80") == "refused");
    }
}

TEST_CASE("a mapped IPv4 address is IPv6, and not equal to the plain one", "[net][endpoint]") {
    const endpoint mapped = endpoint::parse("[::ffff:127.0.0.1]:80").value();
    CHECK(mapped.is_v6());
    CHECK(mapped.is_v4_mapped());
    CHECK(mapped != endpoint::loopback_v4(80));
    CHECK_FALSE(endpoint::loopback_v6(80).is_v4_mapped());
    CHECK_FALSE(endpoint::parse("[::fffe:127.0.0.1]:80").value().is_v4_mapped());
}

TEST_CASE("endpoints are ordered by family, address, scope, port", "[net][endpoint]") {
    const char* const sorted[] = {"1.2.3.4:9",   "1.2.3.5:8",     "2.0.0.0:0",    "128.0.0.0:0",
                                  "[::1]:1",     "[::1]:2",       "[::1%1]:1",    "[::2]:0",
                                  "[fe80::1]:1", "[fe80::1%1]:0", "[fe80::1%2]:0"};
    for (const char* const* each = sorted; each != std::end(sorted); ++each) {
        for (const char* const* other = sorted; other != std::end(sorted); ++other) {
            const endpoint one = endpoint::parse(*each).value();
            const endpoint two = endpoint::parse(*other).value();
            CHECK((one < two) == (each < other));
            CHECK((one == two) == (each == other));
        }
    }
}

TEST_CASE("an endpoint survives the way to the kernel and back", "[net][endpoint]") {
    for (const endpoint& each :
         {endpoint::loopback_v4(8888), endpoint::any_v6(1), on_loopback_interface(),
          endpoint::parse("[2001:db8::1]:65535").value()}) {
        const dunlin::sys::raw_address raw = dunlin::detail::to_raw(each);
        CHECK(dunlin::detail::from_raw(raw).value() == each);
    }

    const dunlin::sys::raw_address raw = dunlin::detail::to_raw(endpoint::loopback_v4(0x1234));
    sockaddr_in kernel;
    REQUIRE(raw.size == sizeof kernel);
    std::memcpy(&kernel, raw.storage, sizeof kernel);
    CHECK(kernel.sin_family == AF_INET);
    CHECK(ntohs(kernel.sin_port) == 0x1234);
    CHECK(ntohl(kernel.sin_addr.s_addr) == 0x7f000001);
}

TEST_CASE("an address of another family is an error, as is none or half of one",
          "[net][endpoint]") {
    dunlin::sys::raw_address raw;
    CHECK(dunlin::detail::from_raw(raw).error() == std::errc::address_family_not_supported);
    const sa_family_t local = AF_UNIX;
    std::memcpy(raw.storage, &local, sizeof local);
    raw.size = sizeof(sockaddr_in6);
    CHECK(dunlin::detail::from_raw(raw).error() == std::errc::address_family_not_supported);
    raw = dunlin::detail::to_raw(endpoint::loopback_v6(1));
    raw.size = 8;
    CHECK(dunlin::detail::from_raw(raw).error() == std::errc::address_family_not_supported);
}
