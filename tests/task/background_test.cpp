// The tasks that a scheduler owns: how they fail, and how they end with it.
#include <dunlin/task/background.hpp>
#include <dunlin/task/run.hpp>
#include <dunlin/task/sleep.hpp>

#include <support/test_loop.hpp>

#include <stdexcept>
#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

std::vector<std::string> lines;
std::vector<std::source_location> places;
void note(log_level level, std::string_view words, std::source_location where) noexcept {
    lines.push_back((level == log_level::error ? "error: " : "") + std::string{words});
    places.push_back(where);
}

std::string order;
struct marks_its_end {
    explicit marks_its_end(char which) : mark{which} {}
    marks_its_end(const marks_its_end&) = delete;
    marks_its_end& operator=(const marks_its_end&) = delete;
    ~marks_its_end() { order += mark; }
    char mark;
};

io_task<> fails() { co_await fail(std::make_error_code(std::errc::connection_refused)); }
task<> throws_out() {
    throw std::runtime_error{"out"};
    co_return;
}
task<> throws_a_number() {
    throw 5;
    co_return;
}
io_task<> sleeps(char mark) {
    const marks_its_end local{mark};
    co_await sleep_for(1h).or_return();
}
task<> sleeps_and_says_goodbye() {
    const marks_its_end local{'.'};
    const auto slept = co_await sleep_for(1h);
    if (!slept && slept.error() == errc::stopped) order += 's';
    const auto goodbye = []() -> io_task<> { co_await sleep_for(1ms).or_return(); };
    co_await shield(goodbye()).ignore();
    order += 'g';
}
task<> clings(std::chrono::nanoseconds span) {
    const marks_its_end local{'.'};
    const auto held = [](std::chrono::nanoseconds so_long) -> io_task<> {
        co_await sleep_for(so_long).or_return();
    };
    co_await shield(held(span)).ignore();
    order += '!';
}

io_task<> main_with_three() {
    background().spawn(sleeps, 'a');
    background().spawn(sleeps_and_says_goodbye);
    background().spawn(fails);
    co_await sleep_for(1us).ignore(); // they run
    order += "main ";
}
io_task<int> main_with_one_that_clings() {
    background().spawn(clings, 1h);
    co_await sleep_for(1us).ignore();
    co_return 7;
}

} // namespace

TEST_CASE("a background task that fails is a log line with the place where it was spawned",
          "[task][background]") {
    lines.clear();
    places.clear();
    scheduler_options options;
    options.log = note;
    test_loop loop{options};
    background().spawn(fails);
    background().spawn(throws_out);
    background().spawn(throws_a_number);
    background().spawn(sleeps, 'x');
    loop.run_until_idle();
    REQUIRE(lines.size() == 3);
    CHECK(lines[0].starts_with("error: a background task has failed: "));
    CHECK(lines[0].ends_with("(generic:111)"));
    CHECK(lines[1] == "error: a background task has failed: exception: out");
    CHECK(lines[2] == "error: a background task has failed: exception of a type of its own");
    for (const auto& place : places)
        CHECK(std::string{place.file_name()}.ends_with("background_test.cpp"));
    CHECK(background().failures() == 3);
    CHECK(background().size() == 1); // the others do not mind
}

TEST_CASE("background gives one group for one scheduler", "[task][background]") {
    test_loop loop;
    task_group* const first = &background();
    CHECK(&background() == first);
    scheduler other;
    {
        const scheduler::as_current there{other};
        CHECK(&background() != first);
    }
    CHECK(&background() == first);
}

TEST_CASE("a scheduler that ends destroys its background tasks while it is still there",
          "[task][background]") {
    order.clear();
    struct spawns_at_its_end {
        task_group* const group = &background();
        ~spawns_at_its_end() {
            CHECK(&background() == group);   // not a new one
            background().spawn(sleeps, 'n'); // destroyed, not run
            order += 's';
        }
    };
    const auto holds = []() -> io_task<> {
        const spawns_at_its_end local;
        co_await sleep_for(1h).or_return();
    };
    {
        test_loop loop;
        auto ends = loop.socket_pair();
        const auto reads = [](tcp_socket from) -> io_task<> {
            const marks_its_end local{'r'};
            const auto data = co_await from.read().or_return();
            order += data.text();
        };
        background().spawn(reads, std::move(ends.here)); // its socket is closed in time
        background().spawn(holds);
        loop.run_until_idle();
        CHECK(order.empty());
    }
    CHECK(order == "sr");
}

TEST_CASE("when run's main task has ended the background tasks are stopped, and may say goodbye",
          "[task][background]") {
    order.clear();
    lines.clear();
    run_options options;
    options.scheduler.log = note;
    CHECK(run(main_with_three(), options) == 0);
    CHECK(order == "main sag.");
    CHECK(lines.size() == 1); // that of the one that failed; `stopped` is none
}

TEST_CASE("background tasks that do not end within their grace are destroyed",
          "[task][background]") {
    for (const std::chrono::nanoseconds grace : {-1ns, 0ns, 5'000'000ns}) {
        order.clear();
        run_options options;
        options.background_grace = grace;
        const auto start = now();
        CHECK(run(main_with_one_that_clings(), options) == 7);
        CHECK(now() - start >= grace);
        CHECK(order == ".");
    }
}
