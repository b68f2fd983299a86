// One seed, one run.
#include <support/catch.hpp>

#include <sim/scenes.hpp>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::sim_test;

namespace {

/// Three clients with one server, for ten seconds with faults and then without.
void run_scene(sim::world& w) {
    sim::host& server = w.host("server");
    server.run_service(serve_echo);
    w.link_all({.latency = 15ms, .jitter = 5ms, .bandwidth = 1'000'000});
    for (int i = 0; i < 3; ++i)
        w.host("client" + std::to_string(i)).run(talk, "server:7", 3000 + i, 20);
    w.run_for(10s);
    w.calm();
    w.run_to_end(1h);
    w.finish();
}

struct record {
    std::string trace;
    std::uint64_t hash = 0;
    std::uint64_t calls = 0;
    std::size_t strikes = 0;
    std::chrono::nanoseconds elapsed{0};

    bool operator==(const record&) const = default;
};

record run_and_record(std::uint64_t seed, const sim::faults& with) {
    record made;
    const auto listener = [&made](std::string_view line) {
        made.trace += line;
        made.trace += '\n';
    };
    sim::world w{seed, with};
    w.trace_to(listener);
    run_scene(w);
    made.hash = w.transcript_hash();
    made.calls = w.system_calls();
    made.strikes = w.strikes();
    made.elapsed = w.elapsed();
    INFO(w.problems());
    CHECK_FALSE(w.has_problems());
    return made;
}

io_task<int> answer() {
    co_await sleep_for(1ms).or_return();
    co_return 42;
}
io_task<> ask_for(int& into) { into = co_await answer().or_return(); }

} // namespace

TEST_CASE("the same seed gives the same run, byte for byte", "[sim][reproducible]") {
    const record first = run_and_record(17, {});
    const record second = run_and_record(17, {});
    CHECK(first.trace.size() > 10'000);
    CHECK((first == second)); // without parentheses it would print a megabyte
}

TEST_CASE("another seed gives another run", "[sim][reproducible]") {
    std::set<std::uint64_t> hashes;
    for (std::uint64_t seed = 1; seed <= 20; ++seed)
        hashes.insert(run_and_record(seed, {}).hash);
    CHECK(hashes.size() == 20);
}

TEST_CASE("a storm can be repeated as well, whatever ran in between", "[sim][reproducible]") {
    std::size_t strikes = 0;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        const record first = run_and_record(seed, sim::faults::storm(seed));
        static_cast<void>(run_and_record(seed + 1000, sim::faults::storm(seed)));
        const record second = run_and_record(seed, sim::faults::storm(seed));
        INFO("seed " << seed);
        CHECK((first == second));
        strikes += first.strikes;
    }
    CHECK(strikes > 1'000);
}

TEST_CASE("storms differ in their kinds", "[sim][reproducible]") {
    int with_resets = 0;
    int with_partitions = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        const auto storm = sim::faults::storm(seed);
        with_resets += storm.resets > 0 ? 1 : 0;
        with_partitions += storm.partitions > 0 ? 1 : 0;
    }
    CHECK(with_resets > 60);
    CHECK(with_resets < 140);
    CHECK(with_partitions > 60);
    CHECK(with_partitions < 140);
}

TEST_CASE("without faults nothing strikes, by default short transfers do", "[sim][reproducible]") {
    CHECK(run_and_record(5, sim::faults::none()).strikes == 0);
    CHECK(run_and_record(5, {}).strikes > 0);
}

TEST_CASE("the trace names time, host, call and result", "[sim][reproducible]") {
    const record made = run_and_record(3, sim::faults::none());
    CHECK(made.trace.find("0.000000000 server: socket(") ==
          0 + made.trace.find("0.000000000 server: socket("));
    CHECK(made.trace.find(" client0: connect(") != std::string::npos);
    CHECK(made.trace.find(" server: accept4(") != std::string::npos);
    CHECK(made.trace.find("= EAGAIN") != std::string::npos);
    CHECK(static_cast<std::uint64_t>(std::count(made.trace.begin(), made.trace.end(), '\n')) <=
          made.calls);
}

TEST_CASE("a world after other uses of the simulated kernel is as if it were alone",
          "[sim][reproducible]") {
    const record alone = run_and_record(9, {});
    // The kernel that programs have which make none of their own.
    int got = 0;
    CHECK(run(ask_for(got)) == 0);
    CHECK(got == 42);
    CHECK((run_and_record(9, {}) == alone));
}

TEST_CASE("of two worlds at a time the inner one is the kernel, then the outer again",
          "[sim][reproducible]") {
    const record alone = run_and_record(9, {});
    sim::world outer{9};
    {
        sim::world inner{10};
        run_scene(inner);
        CHECK_FALSE(inner.has_problems());
    }
    run_scene(outer);
    CHECK(outer.transcript_hash() == alone.hash);
}

TEST_CASE("dice and clock of dunlin are those of the world", "[sim][reproducible]") {
    struct seen {
        std::vector<std::uint64_t> dice;
        time_point when;
    };
    const auto look = [](std::uint64_t seed) {
        seen made;
        sim::world w{seed, sim::faults::none()};
        w.host("a").run(
            [](seen& into) -> io_task<> {
                co_await sleep_for(1s).or_return();
                for (int i = 0; i < 5; ++i)
                    into.dice.push_back(random_bits());
                into.when = now();
            },
            std::ref(made));
        CHECK(w.run_to_end(1min));
        return made;
    };
    const seen first = look(1);
    const seen again = look(1);
    const seen other = look(2);
    CHECK(first.dice == again.dice);
    CHECK(first.when == again.when);
    CHECK(first.dice != other.dice);
}
