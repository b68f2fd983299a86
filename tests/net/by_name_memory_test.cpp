// Connecting and listening by name when memory is refused, be it on the loop's thread or on the
// one that looks the name up.
#include <support/counted_new.hpp>
#include <support/fake_resolver.hpp>
#include <support/net_support.hpp>
#include <support/refused_scene.hpp>

#include <string>
#include <utility>

using namespace dunlin;
using namespace dunlin::test;

namespace {

/// Too long to lie within a string.
const std::string long_name = "a-name-that-has-to-be-allocated.test";

io_task<> connect_scene(std::string where) {
    auto sock = co_await tcp_socket::connect(std::move(where)).or_return();
    co_await sock.write("hello").or_return();
}
io_task<> connect_apart_scene(std::string host, std::uint16_t port) {
    auto sock = co_await tcp_socket::connect(std::move(host), port).or_return();
    co_await sock.write("hello").or_return();
}
io_task<> bind_scene(std::string where) {
    auto listener = co_await tcp_listener::bind(std::move(where)).or_return();
    co_await or_return(listener.local_endpoint());
}
io_task<> bind_apart_scene(std::string host) {
    auto listener = co_await tcp_listener::bind(std::move(host), 0).or_return();
    co_await or_return(listener.local_endpoint());
}

/// Plays `start()` with each allocation refused. Gives how often that was its error.
template <class Start>
long check_refused(Start start) {
    const std::size_t before = open_descriptors();
    long errors = 0;
    const auto wait = [](scheduler& loop) { static_cast<void>(loop.poll_once(1ms)); };
    const auto check = [&](const refused_scene& seen) {
        // It may do without, if another address answers. Thrown: the copy of the text, here.
        CHECK((seen.threw || !seen.why || seen.why == std::errc::not_enough_memory));
        if (seen.why) ++errors;
        CHECK(open_descriptors() == before);
    };
    const long count = play_all_refused(start, wait, check, wait_for_resolver_to_end);
    CHECK(open_descriptors() == before);
    CHECK(count >= errors);
    return errors;
}

} // namespace

TEST_CASE("whichever allocation of a connect by name is refused, it gives that error and no leak",
          "[net][by_name][memory]") {
    tcp_listener listener = listen_somewhere();
    const std::uint16_t port = where_it_listens(listener).port();
    // Nobody listens at the first one.
    set_addresses(long_name, {endpoint::parse("127.0.0.9:0").value(), endpoint::loopback_v4(0)});
    const std::string text = long_name + ':' + std::to_string(port);
    SECTION("as one text") {
        CHECK(check_refused([&] { return connect_scene(text); }) > 8);
    }
    SECTION("with the port apart") {
        CHECK(check_refused([&] { return connect_apart_scene(long_name, port); }) > 8);
    }
}

TEST_CASE("whichever allocation of a bind by name is refused, it gives that error and no leak",
          "[net][by_name][memory]") {
    set_addresses(long_name, {endpoint::loopback_v4(0)});
    SECTION("as one text") {
        CHECK(check_refused([] { return bind_scene(long_name + ":0"); }) > 4);
    }
    SECTION("with the port apart") {
        CHECK(check_refused([] { return bind_apart_scene(long_name); }) > 4);
    }
}
