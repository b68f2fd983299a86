// The check for Catch2 over many seeds: it passes, and it fails.
#include <dunlin/sim/catch2.hpp>

#include <sim/scenes.hpp>

using namespace dunlin;
using namespace dunlin::sim_test;

namespace {

void echoes(sim::world& w) {
    w.host("server").run_service(serve_echo);
    w.host("client").run(talk, "server:7", 1000, 3);
    w.link_all({.latency = 1ms});
    w.run_for(1min);
    w.calm();
    w.run_to_end(1h);
}

} // namespace

TEST_CASE("check_seeds passes if all seeds do", "[sim][check_seeds]") {
    int seeds = 0;
    const auto counted = [&seeds](sim::world& w) {
        ++seeds;
        echoes(w);
    };
    sim::check_seeds(25, counted);
    CHECK(seeds == 25);
}

TEST_CASE("check_seeds fails if one seed does", "[sim][check_seeds][!shouldfail]") {
    const auto wrong = [](sim::world& w) {
        echoes(w);
        w.require(w.seed() != 3, "it is the third");
    };
    sim::check_seeds(25, wrong);
}
