// Simulated sockets keep the rules of a stream (testing/check_stream.hpp), at a distance and in
// storms.
#include <support/catch.hpp>

#include <sim/scenes.hpp>

#include <dunlin/testing/check_stream.hpp>

#include <optional>
#include <string>
#include <utility>

using namespace dunlin;
using namespace dunlin::sim_test;

namespace {

using two_ends = std::pair<tcp_socket, tcp_socket>;

/// Both ends on one host, connected through its link to itself.
io_task<two_ends> connected_pair() {
    auto listener = co_await or_return(tcp_listener::bind(endpoint::loopback_v4(0)));
    const auto where = co_await or_return(listener.local_endpoint());
    // Storms refuse now and then; what is checked is the stream and not the way to it.
    std::optional<tcp_socket> first;
    for (int tries = 0; !first && tries < 50; ++tries) {
        auto made = co_await tcp_socket::connect(where);
        if (made) first = std::move(made.value());
    }
    if (!first) co_await fail(make_error_code(errc::closed));
    auto second = co_await listener.accept().or_return();
    co_await or_return(first->set_send_buffer(1));
    co_await or_return(first->set_receive_buffer(65'536));
    co_await or_return(second.set_send_buffer(1));
    co_await or_return(second.set_receive_buffer(65'536));
    two_ends both{std::move(*first), std::move(second)};
    co_return std::move(both);
}

io_task<> check(check_stream_options options, std::string& words, std::size_t& rules) {
    const auto report = co_await check_stream(connected_pair, options);
    rules = report.outcomes().size();
    if (!report.is_conforming()) words = report.words();
}

std::string run_rules(std::uint64_t seed, const sim::faults& with, sim::link_options link) {
    std::string words;
    std::size_t rules = 0;
    sim::world w{seed, with};
    sim::host& here = w.host("here");
    w.link(here, here, link);
    // Virtual time costs nothing, and a late segment takes up to fifty times as long as others.
    const check_stream_options options{.most_held = 1'000'000, .patience = 10min, .quiet = 10s};
    here.run(check, options, std::ref(words), std::ref(rules));
    w.run_to_end(10 * 24h);
    w.finish();
    CHECK(rules > 30);
    CHECK(here.errors().empty());
    return words + w.problems();
}

} // namespace

TEST_CASE("simulated sockets keep every rule of a stream without a distance", "[sim][streams]") {
    CHECK(run_rules(1, sim::faults::none(), {}) == "");
    CHECK(run_rules(1, {}, {}) == "");
}

TEST_CASE("simulated sockets keep every rule of a stream over a slow link", "[sim][streams]") {
    CHECK(run_rules(1, sim::faults::none(), {.latency = 20ms}) == "");
    CHECK(run_rules(2, {}, {.latency = 20ms, .jitter = 10ms, .bandwidth = 1'000'000}) == "");
}

TEST_CASE("simulated sockets keep every rule of a stream in storms that break none",
          "[sim][streams]") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        sim::faults storm = sim::faults::storm(seed);
        storm.resets = 0;         // these are what a stream may report
        storm.refused_memory = 0; //
        storm.no_descriptor = 0;  //
        INFO("seed " << seed);
        CHECK(run_rules(seed, storm, {.latency = 2ms, .jitter = 1ms}) == "");
    }
}
