// Running a scenario over seeds: the first that fails, the fewest faults, the same run again.
#include <support/catch.hpp>

#include <sim/scenes.hpp>

#include <dunlin/sim/seeds.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

using namespace dunlin;
using namespace dunlin::sim_test;

namespace {

/// Sets a variable of the environment for as long as it lives.
class variable {
public:
    variable(const char* name, const std::string& value) : name_{name} {
        ::setenv(name, value.c_str(), 1);
    }
    ~variable() { ::unsetenv(name_); }
    variable(const variable&) = delete;
    variable& operator=(const variable&) = delete;

private:
    const char* name_;
};

void echo_scene(sim::world& w) {
    w.host("server").run_service(serve_echo);
    w.host("client").run(talk, "server:7", 5000, 5);
    w.link_all({.latency = 10ms, .jitter = 2ms});
    w.run_for(10s);
    w.calm();
    w.run_to_end(10min);
}

/// The client demands that its connection is never reset, which is no error of its own.
void unbroken_scene(sim::world& w) {
    w.host("server").run_service(serve_echo);
    w.host("server").spare_from_faults();
    w.host("client").run(talk, "server:7", 5000, 20);
    w.link_all({.latency = 10ms});
    w.run_to_end(10min);
    w.require(w.host("client").errors().empty(), "the client was disturbed");
}

io_task<> nap(std::chrono::nanoseconds span) { co_await sleep_for(span).or_return(); }

/// All kinds, so that there is much to take away.
sim::faults many_kinds(std::uint64_t) {
    sim::faults made;
    made.short_transfers = 0.3;
    made.interrupted = 0.1;
    made.spurious_wakes = 0.1;
    made.shuffled = 0.2;
    made.resets = 0.01;
    made.small_portions = true;
    return made;
}

/// What a child process prints on standard error before it ends, and how it ends.
struct last_output {
    std::string text;
    int status = 0;
};
template <class Function>
last_output in_child(Function&& function) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(ends[1], STDERR_FILENO);
        ::signal(SIGABRT, SIG_DFL); // Catch2's own handler would run the reporters
        ::signal(SIGSEGV, SIG_DFL);
        function();
        ::_exit(0);
    }
    ::close(ends[1]);
    last_output out;
    char room[4096];
    for (ssize_t n = 0; (n = ::read(ends[0], room, sizeof room)) > 0;)
        out.text.append(room, static_cast<std::size_t>(n));
    ::close(ends[0]);
    ::waitpid(child, &out.status, 0);
    return out;
}

} // namespace

TEST_CASE("a scenario without a bug passes with every seed", "[sim][seeds]") {
    const auto report = sim::run_seeds(20, echo_scene);
    INFO(report.words());
    CHECK(report.has_passed());
    CHECK(report.seeds() == 20);
    CHECK(report.words().empty());
}

TEST_CASE("the first seed that fails is reported, with the one fault that does it",
          "[sim][seeds]") {
    const auto report = sim::run_seeds(100, unbroken_scene, {.first = 15, .with = many_kinds});
    const std::string words = report.words();
    INFO(words);
    REQUIRE_FALSE(report.has_passed());
    CHECK(report.seed() == 15 + report.seeds() - 1);
    CHECK(report.is_reproducible());
    CHECK(report.is_smallest());
    CHECK_FALSE(report.needs_small_portions());
    REQUIRE(report.faults().size() == 1);
    CHECK(report.faults()[0].kind == "reset");
    CHECK(report.faults()[0].host == "client");
    CHECK(report.faults()[0].when > 0ns);
    CHECK(words.find("the client was disturbed") != std::string::npos);
    CHECK(words.find("DUNLIN_SIM_SEED=" + std::to_string(report.seed())) != std::string::npos);
    CHECK(words.find("DUNLIN_SIM_ONLY=" + std::to_string(report.faults()[0].number)) !=
          std::string::npos);
    CHECK(words.find("DUNLIN_SIM_TRACE=1") != std::string::npos);

    // All before it pass.
    for (std::uint64_t seed = 15; seed < report.seed(); ++seed) {
        sim::world w{seed, many_kinds};
        unbroken_scene(w);
        w.finish();
        CHECK(w.problems().empty());
    }
}

TEST_CASE("the smallest run can be had again by the environment, in a world of one's own",
          "[sim][seeds]") {
    const auto report = sim::run_seeds(100, unbroken_scene, {.with = many_kinds});
    REQUIRE_FALSE(report.faults().empty());
    std::string numbers = report.needs_small_portions() ? "small_portions" : "";
    std::vector<std::uint64_t> sorted;
    for (const auto& each : report.faults())
        sorted.push_back(each.number);
    std::sort(sorted.begin(), sorted.end());
    for (const std::uint64_t each : sorted)
        numbers += (numbers.empty() ? "" : ",") + std::to_string(each);
    const variable seed{"DUNLIN_SIM_SEED", std::to_string(report.seed())};
    const variable only{"DUNLIN_SIM_ONLY", numbers};
    sim::world w{12345, many_kinds};
    CHECK(w.seed() == report.seed());
    unbroken_scene(w);
    w.finish();
    CHECK(w.strikes() == report.faults().size());
    CHECK(w.problems().find("the client was disturbed") != std::string::npos);
    CHECK(w.problems().find("DUNLIN_SIM_ONLY=" + numbers + " repeats") != std::string::npos);
}

TEST_CASE("DUNLIN_SIM_ONLY=none lets no fault strike", "[sim][seeds]") {
    const variable only{"DUNLIN_SIM_ONLY", "none"};
    sim::world w{1, many_kinds};
    unbroken_scene(w);
    w.finish();
    CHECK(w.strikes() == 0);
    CHECK(w.problems().empty());
}

TEST_CASE("DUNLIN_SIM_SEED runs one seed alone", "[sim][seeds]") {
    const variable seed{"DUNLIN_SIM_SEED", "77"};
    std::vector<std::uint64_t> seen;
    const auto scene = [&seen](sim::world& w) { seen.push_back(w.seed()); };
    CHECK(sim::run_seeds(50, scene).has_passed());
    CHECK(seen == std::vector<std::uint64_t>{77});
}

TEST_CASE("what fails without any fault is shrunk to none", "[sim][seeds]") {
    const auto wrong = [](sim::world& w) {
        echo_scene(w);
        w.require(w.system_calls() == 0, "no system calls");
    };
    const auto report = sim::run_seeds(3, wrong);
    INFO(report.words());
    CHECK(report.seeds() == 1);
    CHECK(report.faults().empty());
    CHECK(report.is_smallest());
    CHECK(report.words().find("DUNLIN_SIM_ONLY=none repeats it without them") != std::string::npos);
}

TEST_CASE("small portions are named where it takes them", "[sim][seeds]") {
    const auto wrong = [](sim::world& w) {
        auto& server = w.host("server");
        server.run_service(serve_echo);
        for (int i = 0; i < 10; ++i)
            w.host("client" + std::to_string(i)).run(talk, "server:7", 100, 10);
        w.run_to_end(1min);
        w.require(server.calls("epoll_wait") < 60, "the server waited often");
    };
    sim::faults small = sim::faults::none();
    small.small_portions = true;
    const auto report = sim::run_seeds(30, wrong, {.with = small});
    INFO(report.words());
    REQUIRE_FALSE(report.has_passed());
    CHECK(report.faults().empty());
    CHECK(report.needs_small_portions());
    CHECK(report.words().find("DUNLIN_SIM_ONLY=small_portions\n") == std::string::npos);
    CHECK(report.words().find("DUNLIN_SIM_ONLY=small_portions") != std::string::npos);
}

TEST_CASE("without shrinking all faults are listed", "[sim][seeds]") {
    int runs = 0;
    const auto counted = [&runs](sim::world& w) {
        ++runs;
        unbroken_scene(w);
    };
    const auto report = sim::run_seeds(100, counted, {.with = many_kinds, .shrink = false});
    REQUIRE_FALSE(report.has_passed());
    CHECK(static_cast<std::size_t>(runs) == report.seeds());
    CHECK(report.faults().size() > 10);
    CHECK_FALSE(report.is_smallest());
}

TEST_CASE("shrinking stops at its limits", "[sim][seeds]") {
    int runs = 0;
    const auto counted = [&runs](sim::world& w) {
        ++runs;
        unbroken_scene(w);
    };
    const auto report = sim::run_seeds(100, counted, {.with = many_kinds, .most_runs = 3});
    CHECK(static_cast<std::size_t>(runs) == report.seeds() + 1 + 3); // one sees whether it repeats
    CHECK_FALSE(report.is_smallest());

    runs = 0;
    const auto other = sim::run_seeds(100, counted, {.with = many_kinds, .most_calls = 1});
    CHECK(static_cast<std::size_t>(runs) == other.seeds() + 1 + 1);
}

TEST_CASE("a scenario that is not reproducible is called so", "[sim][seeds]") {
    int runs = 0;
    const auto other_each_time = [&runs](sim::world& w) {
        w.host("client").run(nap, 1ms * ++runs);
        w.run_to_end(1min);
        w.require(false, "always");
    };
    const auto report = sim::run_seeds(1, other_each_time);
    CHECK_FALSE(report.is_reproducible());
    CHECK(report.words().find("not reproducible") != std::string::npos);
    CHECK(runs == 2);
}

TEST_CASE("an exception of the scenario is its problem, and its hosts go no further",
          "[sim][seeds]") {
    int after = 0;
    const auto throwing = [&after](sim::world& w) {
        w.host("client").run(
            [](int& count) -> io_task<> {
                co_await sleep_for(1s).or_return();
                ++count;
            },
            std::ref(after));
        w.run_for(1ms);
        throw std::runtime_error{"the test itself is wrong"};
    };
    const auto report = sim::run_seeds(5, throwing);
    CHECK(report.problems().find("the test itself is wrong") != std::string::npos);
    CHECK(report.seeds() == 1);
    CHECK(after == 0);
}

TEST_CASE("an exception that is no std::exception goes on its way", "[sim][seeds]") {
    const auto throwing = [](sim::world&) { throw 7; };
    const auto out = in_child([&] {
        try {
            static_cast<void>(sim::run_seeds(5, throwing, {.first = 31}));
        } catch (int number) {
            ::_exit(number);
        }
    });
    CHECK(WEXITSTATUS(out.status) == 7);
    CHECK(out.text == "DUNLIN_SIM_SEED=31 repeats this run\n");
}

TEST_CASE("a process that dies in a seed says which", "[sim][seeds]") {
    const auto aborting = [](sim::world& w) {
        if (w.seed() == 4) DUNLIN_ASSERT(w.seed() != 4);
    };
    const auto out = in_child([&] { static_cast<void>(sim::run_seeds(9, aborting)); });
    CHECK(WIFSIGNALED(out.status));
    CHECK(WTERMSIG(out.status) == SIGABRT);
    CHECK(out.text.find("DUNLIN_SIM_SEED=4\n") != std::string::npos);

    const auto faulting = [](sim::world& w) {
        if (w.seed() == 3) ::raise(SIGSEGV);
    };
    const auto other = in_child([&] { static_cast<void>(sim::run_seeds(9, faulting)); });
    CHECK(WTERMSIG(other.status) == SIGSEGV);
    CHECK(other.text.find("DUNLIN_SIM_SEED=3\n") != std::string::npos);

    // When no seed runs any more, nothing is said.
    const auto later = in_child([&] {
        static_cast<void>(sim::run_seeds(2, echo_scene));
        std::abort();
    });
    CHECK(WTERMSIG(later.status) == SIGABRT);
    CHECK(later.text.empty());
}
