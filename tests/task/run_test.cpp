// `run`: what a program of coroutines gives back, prints and does about signals.
#include <dunlin/task/run.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task_group.hpp>

#include <support/forked.hpp>

#include <chrono>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <string>
#include <sys/resource.h>

using namespace dunlin;
using namespace dunlin::test;
using namespace std::chrono_literals;

namespace prog {

io_task<int> innermost() {
    co_await sleep_for(1us).or_return();
    co_return std::make_error_code(std::errc::connection_refused);
}
template <class T>
io_task<T> middle(T) {
    const T got = co_await innermost().or_return(); // MIDDLE
    co_return got;
}
struct server {
    io_task<> start() const {
        const int got = co_await middle(1).or_return(); // START
        if (got != 0) co_await fail(errc::busy);
    }
};
io_task<> main() {
    const server made;
    co_await made.start().or_return(); // MAIN
}
io_task<> fails() { co_await fail(errc::busy); }
io_task<> group_fails() {
    task_group group;
    group.spawn(fails);
    co_await group.join().or_return();
}
io_task<> waits_for_stop() { co_await sleep_for(10s).or_return(); }
io_task<int> waits_and_gives() {
    co_await sleep_for(10s).or_return();
    co_return 5;
}
io_task<> waits_and_fails() {
    co_await sleep_for(10s).ignore();
    co_await fail(errc::busy);
}
task<> ignores_the_stop() {
    co_await sleep_for(10s).ignore();
    std::raise(SIGTERM); // the second one
    for (;;) {
    }
}
io_task<> raises_and_waits(int signal_number) {
    std::raise(signal_number);
    co_await sleep_for(10s).or_return();
}

} // namespace prog

namespace {

volatile std::sig_atomic_t handled = 0;
void handle(int) { handled = handled + 1; }

/// The line of this file that ends with `// mark`.
int line_with(const std::string& mark) {
    std::FILE* const file = std::fopen(__FILE__, "r");
    if (file == nullptr) return -1;
    char line[512];
    int number = 0;
    int found = -1;
    while (std::fgets(line, sizeof line, file) != nullptr) {
        ++number;
        if (std::string{line}.find("// " + mark + "\n") != std::string::npos) found = number;
    }
    std::fclose(file);
    return found;
}

} // namespace

TEST_CASE("run gives 0 for success, 1 for an error, or what the task gives", "[task][run]") {
    CHECK(run([]() -> io_task<> { co_return; }()) == 0);
    CHECK(run([]() -> task<> { co_return; }()) == 0);
    CHECK(run([]() -> task<int> { co_return 7; }()) == 7);
    CHECK(run([]() -> io_task<int> {
              co_await sleep_for(1us).or_return();
              co_return 8;
          }()) == 8);
    const auto child = run_forked([] { return run(prog::fails()); });
    CHECK(child.exit_code == 1);
    CHECK(child.said("error: "));
    const auto no_value = run_forked([] { return run(prog::innermost()); });
    CHECK(no_value.exit_code == 1);
}

TEST_CASE("an error is printed with every co_await it came up through", "[task][run]") {
    const auto child = run_forked([] { return run(prog::main()); });
    CHECK(child.exit_code == 1);
    CHECK(child.said(std::make_error_code(std::errc::connection_refused).message()));
    CHECK(child.said("system:111") + child.said("generic:111") == 1);
    const int middle = line_with("MIDDLE");
    std::size_t before = 0;
    for (const auto& [name, mark] :
         {std::pair{"prog::middle ", "MIDDLE"}, std::pair{"prog::server::start ", "START"},
          std::pair{"prog::main ", "MAIN"}}) {
        const std::size_t at = child.errors.find(std::string{"    at "} + name);
        INFO(name);
        REQUIRE(at != std::string::npos);
        CHECK(at > before);
        before = at;
        const std::string line = child.errors.substr(at, child.errors.find('\n', at) - at);
        // Where the file can be read at its compile-time path, its lines can be compared.
        if (middle > 0)
            CHECK(line.ends_with("run_test.cpp:" + std::to_string(line_with(mark))));
        else
            CHECK(line.find("run_test.cpp:") != std::string::npos);
    }
}

TEST_CASE("a child's error is printed with its way through the group", "[task][run]") {
    const auto child = run_forked([] { return run(prog::group_fails()); });
    CHECK(child.exit_code == 1);
    CHECK(child.errors.find("at prog::fails ") < child.errors.find("at prog::group_fails "));
    CHECK(child.said("at prog::group_fails "));
}

TEST_CASE("an exception comes out of run", "[task][run]") {
    CHECK_THROWS_WITH(run([]() -> io_task<> {
                          co_await sleep_for(1us).or_return();
                          throw std::runtime_error{"out"};
                      }()),
                      "out");
    CHECK_THROWS_WITH(run([]() -> task<int> {
                          throw std::runtime_error{"out"};
                          co_return 1;
                      }()),
                      "out");
}

TEST_CASE("SIGINT and SIGTERM stop the task politely, and that is success", "[task][run]") {
    for (const int signal_number : {SIGINT, SIGTERM}) {
        CHECK(run_forked([&] { return run(prog::raises_and_waits(signal_number)); }).exit_code ==
              0);
    }
    CHECK(run_forked([] {
              ::alarm(0);
              std::signal(SIGALRM, [](int) { std::raise(SIGTERM); });
              ::ualarm(20'000, 0); // from outside of any task, while epoll waits
              return run(prog::waits_and_gives());
          }).exit_code == 0);
    const auto fails = run_forked([] {
        std::signal(SIGALRM, [](int) { std::raise(SIGTERM); });
        ::ualarm(20'000, 0);
        return run(prog::waits_and_fails());
    });
    CHECK(fails.exit_code == 1);
    CHECK(fails.said("error: "));
}

TEST_CASE("a second signal ends the process by the signal's default", "[task][run]") {
    const auto child = run_forked([] {
        std::signal(SIGALRM, [](int) { std::raise(SIGINT); });
        ::ualarm(20'000, 0);
        return run(prog::ignores_the_stop());
    });
    CHECK(child.signal == SIGTERM);
}

TEST_CASE("run puts the old signal handlers back", "[task][run]") {
    const auto old_interrupt = std::signal(SIGINT, handle);
    const auto old_terminate = std::signal(SIGTERM, SIG_IGN);
    const auto nap = []() -> io_task<> { co_await sleep_for(1us).or_return(); };
    CHECK(run(nap()) == 0);
    handled = 0;
    std::raise(SIGINT);
    CHECK(handled == 1);
    CHECK(std::signal(SIGTERM, old_terminate) == SIG_IGN);
    std::signal(SIGINT, old_interrupt);
}

TEST_CASE("with signals = false they are the program's own business", "[task][run]") {
    const auto old = std::signal(SIGTERM, handle);
    handled = 0;
    CHECK(run(
              []() -> io_task<> {
                  std::raise(SIGTERM);
                  co_await sleep_for(1us).or_return();
              }(),
              {.signals = false}) == 0);
    CHECK(handled == 1);
    std::signal(SIGTERM, old);
    CHECK(run_forked([] {
              return run(prog::raises_and_waits(SIGTERM), {.signals = false});
          }).signal == SIGTERM);
}

TEST_CASE("a `stopped` that nobody asked for is an error", "[task][run]") {
    const auto child =
        run_forked([] { return run([]() -> io_task<> { co_await fail(errc::stopped); }()); });
    CHECK(child.exit_code == 1);
}

TEST_CASE("run without descriptors is an error, printed", "[task][run]") {
    const auto child = run_forked([] {
        const rlimit few{3, 3};
        ::setrlimit(RLIMIT_NOFILE, &few);
        return run(prog::waits_for_stop());
    });
    CHECK(child.exit_code == 1);
    CHECK(child.said("error: "));
}

TEST_CASE("runs may follow one another, and one may stand inside another's task", "[task][run]") {
    for (int i = 0; i < 3; ++i)
        CHECK(run([]() -> task<int> {
                  const int inner = run([]() -> task<int> {
                      co_await sleep_for(1us).ignore();
                      co_return 3;
                  }());
                  co_await sleep_for(1us).ignore(); // the outer scheduler is current again
                  co_return inner + 1;
              }()) == 4);
}
