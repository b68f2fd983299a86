// What a dump says of tasks in every state, and that it disturbs nothing.
#include <dunlin/loop/descriptor.hpp>
#include <dunlin/task/dump_tasks.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task_group.hpp>
#include <dunlin/task/when.hpp>

#include <support/counted_new.hpp>
#include <support/fake_clock.hpp>
#include <support/net_support.hpp>
#include <support/pipe.hpp>
#include <support/test_loop.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

/// The dump of a scheduler, and its lines without what stands in front of them.
struct dumped {
    explicit dumped(const scheduler& of) {
        dump_tasks(of, [this](std::string_view piece) { text += piece; });
    }
    [[nodiscard]] bool says(const std::string& words) const {
        return text.find(words) != std::string::npos;
    }
    [[nodiscard]] std::size_t count(const std::string& words) const {
        std::size_t n = 0;
        for (std::size_t at = 0; (at = text.find(words, at)) != std::string::npos; ++at)
            ++n;
        return n;
    }
    std::string text;
};

// Where the awaits stand, so that the lines can be compared.
constexpr unsigned here(std::source_location at = std::source_location::current()) {
    return at.line();
}
std::string place(unsigned line) { return std::string{__FILE__} + ":" + std::to_string(line); }

constexpr unsigned innermost_line = here() + 1;
io_task<> innermost_nap(std::chrono::nanoseconds span) { co_await sleep_for(span).or_return(); }

constexpr unsigned outer_line = here() + 1;
io_task<> outer_nap(std::chrono::nanoseconds span) { co_await innermost_nap(span).or_return(); }

constexpr unsigned beginning_line = here() + 1;
io_task<> never_begun() { co_return; }

io_task<> reading(tcp_socket from) {
    const auto data = co_await from.read().timeout(30s);
    co_await or_return(data ? result<void>{success()} : result<void>{data.error()});
}

io_task<> parent_of(int children) {
    task_group group;
    for (int i = 0; i < children; ++i)
        group.spawn(outer_nap, 5s);
    co_await group.join().or_return();
}

io_task<> racing(tcp_socket& from) {
    const auto first = co_await when_any(from.read(), sleep_for(7s)).or_return();
    static_cast<void>(first);
}

task<> dumps_itself(std::string& into) {
    co_await sleep_for(1ms).ignore();
    dump_tasks([&into](std::string_view piece) { into += piece; });
}

} // namespace

TEST_CASE("a waiting task is shown with its name, its wait and its stack, innermost first",
          "[task][dump_tasks]") {
    test_loop loop;
    task_group group;
    constexpr unsigned spawned_line = here() + 1;
    group.spawn(outer_nap, 5s);
    loop.run_until_idle();
    fake_clock::advance(1500ms);
    const dumped dump{loop.sched()};
    CHECK(dump.text.starts_with("tasks: 1\n#1 "));
    CHECK(dump.says("::outer_nap: waits: sleep, for 1.500 s, until in 3.500 s\n"));
    const auto inner = dump.text.find("::innermost_nap " + place(innermost_line) + "\n");
    const auto outer = dump.text.find("::outer_nap " + place(outer_line) + "\n");
    REQUIRE(inner != std::string::npos);
    REQUIRE(outer != std::string::npos);
    CHECK(inner < outer);
    CHECK(dump.says("    spawned at " + place(spawned_line) + "\n"));
    CHECK(dump.count("    at ") == 2);
}

TEST_CASE("a task that has not begun is shown with its function's place", "[task][dump_tasks]") {
    test_loop loop;
    task_group group;
    group.spawn(never_begun);
    const dumped before{loop.sched()};
    CHECK(before.says("::never_begun: not started\n"));
    CHECK(before.says("::never_begun " + place(beginning_line) + "\n"));
    loop.run_until_idle();
    CHECK(dumped{loop.sched()}.text == "tasks: 0\n");
}

TEST_CASE("a wait for a socket is shown with its two ends and the time left",
          "[task][dump_tasks]") {
    test_loop loop;
    auto pair = connected_sockets(loop);
    const auto local = pair.first.local_endpoint().value().to_string();
    const auto peer = pair.first.peer_endpoint().value().to_string();
    const auto number = std::to_string(pair.first.fd().get());
    task_group group{on_child_error::carry_on};
    group.spawn(reading, std::move(pair.first));
    loop.run_until_idle();
    fake_clock::advance(250ms);
    const dumped dump{loop.sched()};
    CHECK(dump.says("::reading: waits: read, fd " + number + ", " + local + " - " + peer +
                    ", for 0.250 s, 29.750 s left\n"));
}

TEST_CASE("a wait for what is no internet socket is shown as far as it has a name",
          "[task][dump_tasks]") {
    test_loop loop;
    const pipe_ends pipe = make_pipe();
    descriptor reader{pipe.reader.borrow()};
    auto [here_end, there] = loop.socket_pair();
    task_group group{on_child_error::carry_on};
    group.spawn([](descriptor& on) -> io_task<> { co_await on.readable().or_return(); },
                std::ref(reader));
    group.spawn([](tcp_socket& on) -> io_task<> { co_await on.readable().or_return(); },
                std::ref(here_end));
    loop.run_until_idle();
    const dumped dump{loop.sched()};
    CHECK(dump.says("readable, fd " + std::to_string(pipe.reader.borrow().get()) + ", for "));
    CHECK(
        dump.says("readable, fd " + std::to_string(here_end.fd().get()) + ", unix: - unix:, for "));
    CHECK_FALSE(dump.says("detail::held")); // ours, around the lambda
    CHECK_FALSE(dump.says("(unnamed)"));
}

TEST_CASE("a connect that hangs is shown with where it wants to go", "[task][dump_tasks]") {
    test_loop loop;
    full_listener full;
    auto hanging = loop.start(connect_to, full.where());
    loop.run_until_idle();
    const dumped dump{loop.sched()};
    CHECK(dump.says("waits: connect, fd "));
    CHECK(dump.says(", to " + full.where().to_string() + ", for "));
}

TEST_CASE("an accept is shown with the address that it listens on", "[task][dump_tasks]") {
    test_loop loop;
    auto listener = listen_somewhere();
    auto waiting = loop.start(accept_one, listener);
    loop.run_until_idle();
    const dumped dump{loop.sched()};
    CHECK(dump.says("waits: accept, fd " + std::to_string(listener.fd().get()) + ", " +
                    where_it_listens(listener).to_string() + ", for "));
}

TEST_CASE("children stand under the task that made their group, oldest first",
          "[task][dump_tasks]") {
    test_loop loop;
    task_group group;
    group.spawn(parent_of, 2); // children 3 and 4
    group.spawn(parent_of, 1); // child 5
    loop.run_until_idle();
    const dumped dump{loop.sched()};
    const auto at = [&](const std::string& words) {
        INFO(words);
        const auto found = dump.text.find("\n" + words);
        REQUIRE(found != std::string::npos);
        return found;
    };
    CHECK(dump.says("tasks: 5\n"));
    CHECK(at("#1 ") < at("  #3 "));
    CHECK(at("  #3 ") < at("  #4 "));
    CHECK(at("  #4 ") < at("#2 "));
    CHECK(at("#2 ") < at("  #5 "));
    CHECK(dump.count("waits: join, for ") == 2);
}

TEST_CASE("the branches of when_any stand under who waits for them", "[task][dump_tasks]") {
    test_loop loop;
    auto pair = connected_sockets(loop);
    task_group group;
    group.spawn_as("race", racing, std::ref(pair.first));
    loop.run_until_idle();
    const dumped dump{loop.sched()};
    CHECK(dump.says("#1 race: waits: when_any, for "));
    CHECK(dump.says("\n  #2 (unnamed): waits: read, fd "));
    CHECK(dump.says("\n  #3 (unnamed): waits: sleep, for "));
    fake_clock::advance(7s);
    loop.run_until_idle();
    CHECK(dumped{loop.sched()}.text == "tasks: 0\n");
}

TEST_CASE("a group that outlives the task that made it is shown at the top", "[task][dump_tasks]") {
    test_loop loop;
    std::unique_ptr<task_group> left;
    {
        task_group group;
        group.spawn(
            [](std::unique_ptr<task_group>& into) -> task<> {
                into = std::make_unique<task_group>();
                into->spawn(parent_of, 1);
                co_return;
            },
            std::ref(left));
        loop.run_until_idle();
        REQUIRE(group.is_empty());
    }
    const dumped dump{loop.sched()};
    CHECK(dump.says("tasks: 2\n#2 "));
    CHECK(dump.says("\n  #3 "));
}

TEST_CASE("a named child is called by its name", "[task][dump_tasks]") {
    test_loop loop;
    task_group group;
    constexpr unsigned spawned_line = here() + 1;
    group.spawn_as("first nap", outer_nap, 5s);
    group.spawn_as("second nap", outer_nap(6s));
    const auto lambda = [](int) -> task<> { co_return; };
    group.spawn_as("third", lambda, 1);
    const dumped dump{loop.sched()};
    CHECK(dump.says("#1 first nap: not started\n"));
    CHECK(dump.says("#2 second nap: not started\n"));
    CHECK(dump.says("#3 third: not started\n"));
    CHECK(dump.says("    spawned at " + place(spawned_line) + "\n"));
    CHECK(dump.says("    spawned at " + place(spawned_line + 1) + "\n"));
}

TEST_CASE("what is woken is ready, what dumps is running", "[task][dump_tasks]") {
    test_loop loop;
    auto pair = connected_sockets(loop);
    task_group group{on_child_error::carry_on};
    group.spawn(outer_nap, 5s);
    loop.run_until_idle();
    group.request_stop();
    CHECK(dumped{loop.sched()}.says("::outer_nap: ready: sleep, for 0.000 s, until in 5.000 s, "
                                    "stopping\n"));
    loop.run_until_idle();

    std::string text;
    task_group another;
    another.spawn(dumps_itself, std::ref(text));
    loop.run_until_idle();
    fake_clock::advance(1ms);
    loop.run_until_idle();
    CHECK(text.find("::dumps_itself: running\n") != std::string::npos);
}

TEST_CASE("a stop that is in force, or kept off by a shield, is shown", "[task][dump_tasks]") {
    test_loop loop;
    auto pair = connected_sockets(loop);
    task_group draining{on_child_error::carry_on};
    draining.spawn(outer_nap, 5s);
    task_group shielded{on_child_error::carry_on};
    shielded.spawn([]() -> io_task<> { co_await shield(outer_nap(5s)).or_return(); });
    loop.run_until_idle();
    draining.request_drain();
    shielded.request_stop();
    loop.run_until_idle();
    const dumped dump{loop.sched()};
    CHECK(dump.says("until in 5.000 s, draining\n"));
    CHECK(dump.says("until in 5.000 s, shielded from a stop\n"));
}

TEST_CASE("the time left is that of the scopes around, too", "[task][dump_tasks]") {
    test_loop loop;
    task_group group{on_child_error::carry_on};
    group.spawn([]() -> io_task<> { co_await outer_nap(5s).timeout(2s).or_return(); });
    loop.run_until_idle();
    fake_clock::advance(500ms);
    CHECK(dumped{loop.sched()}.says("until in 4.500 s, 1.500 s left\n"));
}

TEST_CASE("a dump allocates nothing and leaves everything as it was", "[task][dump_tasks]") {
    test_loop loop;
    auto pair = connected_sockets(loop);
    task_group group{on_child_error::carry_on};
    for (int i = 0; i < 50; ++i)
        group.spawn(parent_of, 3);
    group.spawn(racing, std::ref(pair.first));
    group.spawn(reading, std::move(pair.second));
    loop.run_until_idle();
    const auto before = loop.counters();
    std::size_t bytes = 0;
    const auto count = [&bytes](std::string_view piece) { bytes += piece.size(); };
    const long allocated = allocations();
    dump_tasks(loop.sched(), count);
    const long dumped_by = allocations();
    CHECK(dumped_by == allocated);
    CHECK(bytes > 10'000);
    const std::size_t once = bytes;
    dump_tasks(count);
    CHECK(bytes == 2 * once);
    CHECK(loop.run_until_idle() <= 1);
    CHECK(loop.counters().resumptions == before.resumptions);
    fake_clock::advance(31s);
    loop.run_until_idle();
    CHECK(group.is_empty());
    CHECK(group.failures() == 1); // the one that reads
}

TEST_CASE("ten thousand tasks with a group each are dumped in a moment", "[task][dump_tasks]") {
    test_loop loop;
    task_group group{on_child_error::carry_on};
    for (int i = 0; i < 10'000; ++i)
        group.spawn(parent_of, 1);
    loop.run_until_idle();
    std::size_t lines = 0;
    const auto begin = std::chrono::steady_clock::now();
    dump_tasks(loop.sched(), [&lines](std::string_view piece) {
        lines += static_cast<std::size_t>(std::count(piece.begin(), piece.end(), '\n'));
    });
    CHECK(std::chrono::steady_clock::now() - begin < 3s);
    CHECK(lines == 1 + 10'000 * (3 + 4));
}

TEST_CASE("groups nested deep are dumped on a constant stack", "[task][dump_tasks]") {
    struct nested {
        static io_task<> go(int levels) {
            task_group inner;
            if (levels > 1) inner.spawn(go, levels - 1);
            if (levels == 1) inner.spawn(outer_nap, 5s);
            co_await inner.join().or_return();
        }
    };
    test_loop loop;
    task_group group;
    group.spawn(nested::go, 2000);
    loop.run_until_idle();
    const dumped dump{loop.sched()};
    CHECK(dump.says("tasks: 2001\n"));
    CHECK(dump.says("\n" + std::string(4000, ' ') + "#2001 "));
    fake_clock::advance(5s);
    loop.run_until_idle();
    CHECK(group.is_empty());
}

TEST_CASE("without a scheduler a dump says nothing", "[task][dump_tasks]") {
    std::string text;
    dump_tasks([&text](std::string_view piece) { text += piece; });
    CHECK(text.empty());
}
