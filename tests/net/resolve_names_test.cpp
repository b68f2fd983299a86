// Names: what is looked up at all, how a text is taken apart, and errors.
#include <dunlin/net/resolve.hpp>

#include <support/fake_resolver.hpp>
#include <support/net_support.hpp>

#include <netdb.h>

#include <string>
#include <tuple>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<std::vector<endpoint>> look_up(std::string host, std::string service) {
    auto found = co_await resolve(host, service).or_return();
    co_return found;
}

std::error_code error_of(test_loop& loop, std::string host, std::string service = "80") {
    auto found = loop.run(look_up(std::move(host), std::move(service)));
    return found ? std::error_code{} : found.error();
}

} // namespace

TEST_CASE("localhost has an address, by its name and by that of a service", "[net][resolve]") {
    resolving_loop loop;
    const std::vector<endpoint> found = loop.run(look_up("localhost", "8888")).value();
    REQUIRE_FALSE(found.empty());
    for (const endpoint& each : found) {
        CHECK(each.port() == 8888);
        CHECK((each == endpoint::loopback_v4(8888) || each == endpoint::loopback_v6(8888)));
    }
    if (const servent* const http = ::getservbyname("http", "tcp"); http != nullptr) {
        const std::vector<endpoint> by_service = loop.run(look_up("localhost", "http")).value();
        REQUIRE_FALSE(by_service.empty());
        CHECK(by_service[0].port() == 80);
        const std::vector<endpoint> of_address = loop.run(look_up("127.0.0.9", "http")).value();
        REQUIRE(of_address.size() == 1);
        CHECK(of_address[0] == endpoint::parse("127.0.0.9:80").value());
    }
}

TEST_CASE("what is nearly a port or an address is refused, and nobody is asked", "[net][resolve]") {
    resolving_loop loop;
    const int before = lookups_begun();
    for (const char* const service : {"", "65536", "-1", "+80", " 80", "80 ", "0000080", " http",
                                      "-http", "99999999999999999999", "8_0"}) {
        INFO(service);
        CHECK(error_of(loop, "localhost", service) == errc::bad_address);
        CHECK(error_of(loop, "127.0.0.1", service) == errc::bad_address);
    }
    for (const char* const host : {"", "127.1", "256.0.0.1", "127.0.0", "1.2.3.4.5", "0x7f.0.0.1",
                                   "0x7f000001", "0x", "2130706433", "010.0.0.1", "127.0.0.1.",
                                   "::1::", "[::1", "[::1]", "127.0.0.1:80", "example.0xAf"}) {
        INFO(host);
        CHECK(error_of(loop, host) == errc::bad_address);
        CHECK(error_of(loop, host, "http") == errc::bad_address);
    }
    using namespace std::string_literals;
    CHECK(error_of(loop, "local\0host"s) == errc::bad_address);
    CHECK(error_of(loop, "localhost", "ht\0tp"s) == errc::bad_address);
    CHECK(lookups_begun() == before);
}

TEST_CASE("host:port is taken apart at the last colon, IPv6 addresses in brackets only",
          "[net][resolve]") {
    using detail::split_host_and_service;
    for (const auto& [text, host, service] :
         {std::tuple{"example.org:80", "example.org", "80"},
          std::tuple{"[::1]:http", "::1", "http"}, std::tuple{"127.0.0.1:0", "127.0.0.1", "0"}}) {
        const auto parts = split_host_and_service(text);
        REQUIRE(parts);
        CHECK(parts.value().host == host);
        CHECK(parts.value().service == service);
    }
    for (const char* const text : {"", ":", "example.org", ":80", "example.org:", "::1:80", "[]:80",
                                   "[example.org]:80", "[::1]", "[::1:80", "a:b:80"}) {
        INFO(text);
        const auto parts = split_host_and_service(text);
        REQUIRE_FALSE(parts);
        CHECK(parts.error() == errc::bad_address);
    }
}

TEST_CASE("getaddrinfo's errors are told as they are", "[net][resolve]") {
    resolving_loop loop;
    set_failure("none.test", EAI_NONAME);
    set_failure("again.test", EAI_AGAIN);
    set_failure("broken.test", EAI_FAIL);
    set_failure("empty.test", EAI_NODATA);
    set_failure("memory.test", EAI_MEMORY);
    set_failure("system.test", EAI_SYSTEM, EMFILE);
    set_failure("odd.test", EAI_FAMILY);
    set_addresses("nothing.test", {});
    CHECK(error_of(loop, "none.test") == resolver_errc::no_such_name);
    CHECK(error_of(loop, "again.test") == resolver_errc::try_again);
    CHECK(error_of(loop, "again.test") == std::errc::resource_unavailable_try_again);
    CHECK(error_of(loop, "broken.test") == resolver_errc::failed);
    CHECK(error_of(loop, "empty.test") == resolver_errc::no_address);
    CHECK(error_of(loop, "nothing.test") == resolver_errc::no_address);
    CHECK(error_of(loop, "memory.test") == std::errc::not_enough_memory);
    CHECK(error_of(loop, "system.test") == std::error_code{EMFILE, std::system_category()});
    CHECK(error_of(loop, "odd.test") == std::error_code{EAI_FAMILY, resolver_category()});
    CHECK(std::string{resolver_category().name()} == "resolver");
    const std::error_code none = resolver_errc::no_such_name;
    CHECK(none.message() == ::gai_strerror(EAI_NONAME));
    CHECK_FALSE(none == std::errc::resource_unavailable_try_again);
    CHECK_FALSE(none == errc::bad_address);
}

TEST_CASE("libc refuses impossible names and unknown services without asking a server",
          "[net][resolve]") {
    resolving_loop loop;
    CHECK(error_of(loop, "no such host") == resolver_errc::no_such_name);
    CHECK(error_of(loop, std::string(64, 'a') + ".test") == resolver_errc::no_such_name);
    CHECK(error_of(loop, "localhost", "no-such-service") == resolver_errc::no_such_service);
}
