// Hosts have names and addresses, and names lead to them.
#include <support/catch.hpp>

#include <sim/scenes.hpp>

#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::sim_test;

namespace {

io_task<> note_lookup(std::string name, std::vector<endpoint>& into) {
    into = co_await resolve(name, "80").or_return();
}

/// Connects within a second, and notes what came of it.
io_task<> note_connect_in_a_second(std::string where, sim::world& in, noted& into) {
    const auto socket = co_await tcp_socket::connect(where).timeout(1s);
    into = {true, socket ? std::error_code{} : socket.error(), in.elapsed()};
}

io_task<> note_peer(std::string where, sim::world& in, endpoint& peer,
                    std::chrono::nanoseconds& when) {
    const auto socket = co_await tcp_socket::connect(where).or_return();
    when = in.elapsed();
    peer = co_await or_return(socket.peer_endpoint());
}

} // namespace

TEST_CASE("hosts are numbered in the order in which they are first named", "[sim][hosts]") {
    sim::world w{1, sim::faults::none()};
    sim::host& first = w.host("first");
    sim::host& second = w.host("second");
    CHECK(&w.host("first") == &first);
    CHECK(first.name() == "first");
    CHECK(first.address(80) == endpoint::parse("10.0.0.1:80").value());
    CHECK(second.address(80) == endpoint::parse("10.0.0.2:80").value());
    CHECK(second.address_v6(80) == endpoint::parse("[fd00::2]:80").value());
}

TEST_CASE("the name of a host is looked up as its addresses", "[sim][hosts]") {
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    std::vector<endpoint> found;
    w.host("client").run(note_lookup, "server", std::ref(found));
    CHECK(w.run_to_end(1s));
    std::sort(found.begin(), found.end(),
              [](const endpoint& a, const endpoint& b) { return a.is_v4() && !b.is_v4(); });
    CHECK(found == std::vector{server.address(80), server.address_v6(80)});
}

TEST_CASE("a server is reached by its name, its IPv4 and its IPv6 address", "[sim][hosts]") {
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    sim::host& client = w.host("client");
    server.run_service(serve_on, "0.0.0.0:7");
    server.run_service(serve_on, "[::]:8");
    for (const char* const where : {"server:7", "server:8", "10.0.0.1:7", "[fd00::1]:8"})
        client.run(talk, where, 1000, 3);
    server.run(talk, "127.0.0.1:7", 1000, 3);
    server.run(talk, "localhost:8", 1000, 3);
    CHECK(w.run_to_end(1min));
    w.finish();
    CHECK(client.errors() == std::vector<std::string>{});
    CHECK(server.errors() == std::vector<std::string>{});
    CHECK(w.problems() == "");
}

TEST_CASE("an address that no host has cannot be reached, nor a name that nobody has",
          "[sim][hosts]") {
    sim::world w{1, sim::faults::none()};
    noted by_address;
    noted by_name;
    w.host("client").run(note_connect, "10.0.0.99:7", std::ref(w), std::ref(by_address));
    w.host("client").run(note_connect, "nobody:7", std::ref(w), std::ref(by_name));
    CHECK(w.run_to_end(10min));
    CHECK(by_address.error);
    CHECK(by_name.error == resolver_errc::no_such_name);
}

TEST_CASE("one host's loopback addresses are not another's", "[sim][hosts]") {
    sim::world w{1, sim::faults::none()};
    w.host("server").run_service(serve_on, "127.0.0.1:7");
    noted elsewhere;
    noted from_afar;
    w.host("client").run(note_connect, "127.0.0.1:7", std::ref(w), std::ref(elsewhere));
    w.host("client").run(note_connect, "10.0.0.1:7", std::ref(w), std::ref(from_afar));
    CHECK(w.run_to_end(1min));
    CHECK(elsewhere.error == std::errc::connection_refused);
    CHECK(from_afar.error == std::errc::connection_refused);
}

TEST_CASE("a name can be given other addresses and take its time", "[sim][hosts]") {
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    sim::host& client = w.host("client");
    w.link(server, client, {.latency = 10ms});
    server.run_service(serve_echo);
    w.set_name("alias.example", {server.address()}, 3s);
    noted patient;
    noted hasty;
    client.run(note_connect, "alias.example:7", std::ref(w), std::ref(patient));
    client.run(note_connect_in_a_second, "alias.example:7", std::ref(w), std::ref(hasty));
    w.run_for(3019ms);
    CHECK_FALSE(patient.is_there);
    CHECK(hasty.error == errc::timeout);
    CHECK(hasty.when == 1s);
    CHECK(w.run_to_end(1min));
    CHECK_FALSE(patient.error);
    CHECK(patient.when == 3020ms);
}

TEST_CASE("a lookup can fail, after a while", "[sim][hosts]") {
    sim::world w{1, sim::faults::none()};
    w.fail_name("broken.example", resolver_errc::try_again, 5s);
    noted later;
    noted hasty;
    w.host("client").run(note_connect, "broken.example:7", std::ref(w), std::ref(later));
    w.host("client").run(note_connect_in_a_second, "broken.example:7", std::ref(w),
                         std::ref(hasty));
    CHECK(w.run_to_end(1min));
    CHECK(later.error == resolver_errc::try_again);
    CHECK(later.when == 5s);
    CHECK(hasty.error == errc::timeout);
    CHECK(hasty.when == 1s);
    w.finish();
    CHECK(w.problems() == "");
}

TEST_CASE("connect goes on to the next address after 250 ms (RFC 8305)", "[sim][hosts]") {
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    sim::host& dead = w.host("dead");
    sim::host& client = w.host("client");
    w.link_all({.latency = 20ms});
    server.run_service(serve_echo);
    dead.crash();
    w.set_name("both.example", {dead.address_v6(), server.address()});
    endpoint peer;
    std::chrono::nanoseconds when{};
    client.run(note_peer, "both.example:7", std::ref(w), std::ref(peer), std::ref(when));
    CHECK(w.run_to_end(1min));
    CHECK(peer == server.address(7));
    CHECK(when == 290ms);
}

TEST_CASE("connect goes on at once when an address refuses", "[sim][hosts]") {
    sim::world w{1, sim::faults::none()};
    sim::host& server = w.host("server");
    sim::host& empty = w.host("empty");
    sim::host& client = w.host("client");
    w.link_all({.latency = 20ms});
    server.run_service(serve_echo);
    w.set_name("both.example", {empty.address_v6(), server.address()});
    endpoint peer;
    std::chrono::nanoseconds when{};
    client.run(note_peer, "both.example:7", std::ref(w), std::ref(peer), std::ref(when));
    CHECK(w.run_to_end(1min));
    CHECK(peer == server.address(7));
    CHECK(when == 80ms);
}
