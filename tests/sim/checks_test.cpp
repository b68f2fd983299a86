// What a world finds by itself, and how it is run.
#include <support/catch.hpp>

#include <sim/scenes.hpp>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace dunlin;
using namespace dunlin::sim_test;

namespace {

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

io_task<> waits_for_right(event& left, event& right) {
    co_await right.wait().or_return();
    left.set();
}
io_task<> waits_for_left(event& left, event& right) {
    co_await left.wait().or_return();
    right.set();
}

io_task<> yields_for_ever() {
    for (;;)
        co_await yield().or_return();
}

io_task<> sleeps_for_no_time() {
    for (;;)
        co_await sleep_for(0ns).or_return();
}

io_task<> forgets_a_descriptor(std::vector<epoll>& where) {
    auto made = co_await or_return(epoll::create());
    where.push_back(std::move(made));
}

task<> never_awaited() { co_return; }

task<> keeps_a_task(std::vector<task<>>& where) {
    where.push_back(never_awaited());
    co_return;
}

/// Makes several hundred system calls in one turn, then waits.
io_task<> calls_for_a_while(bool& is_in_turn) {
    is_in_turn = true;
    for (int i = 0; i < 100; ++i) {
        auto listener = tcp_listener::bind(endpoint::loopback_v4(0));
        if (!listener) co_await fail(listener.error());
    }
    is_in_turn = false;
    co_await sleep_for(1h).or_return();
}

io_task<> throws_after(std::chrono::nanoseconds span) {
    co_await sleep_for(span).or_return();
    throw std::logic_error{"a bug of the program"};
}

io_task<> naps(std::chrono::nanoseconds span, int& done) {
    co_await sleep_for(span).or_return();
    ++done;
}

} // namespace

TEST_CASE("a deadlock is found at once, and the dump names both tasks", "[sim][checks]") {
    event left;
    event right;
    sim::world w{1, sim::faults::none()};
    w.host("a").run(waits_for_right, std::ref(left), std::ref(right));
    w.host("a").run(waits_for_left, std::ref(left), std::ref(right));
    CHECK_FALSE(w.run_to_end(1h));
    const std::string words = w.problems();
    INFO(words);
    CHECK(w.has_problems());
    CHECK(contains(words, "deadlock"));
    CHECK(contains(words, "waits_for_right"));
    CHECK(contains(words, "waits_for_left"));
    CHECK(w.elapsed() == 0ns);
    CHECK(contains(words, "checks_test.cpp")); // where they were spawned, and what they await
    CHECK_FALSE(contains(words, "host.hpp"));
    CHECK(contains(words, "DUNLIN_SIM_SEED=1 repeats this run"));
}

TEST_CASE("a run that is not over in time is a problem, with a dump", "[sim][checks]") {
    int done = 0;
    sim::world w{1, sim::faults::none()};
    w.host("a").run(naps, 10min, std::ref(done));
    CHECK_FALSE(w.run_to_end(5s));
    CHECK(w.elapsed() == 5s);
    CHECK(contains(w.problems(), "not over after 5 s"));
    CHECK(contains(w.problems(), "naps"));
}

TEST_CASE("a task that yields for ever spins, which ends the run", "[sim][checks]") {
    sim::world w{1, sim::faults::none()};
    w.host("busy").run(yields_for_ever);
    CHECK_FALSE(w.run_to_end(1h));
    CHECK(w.elapsed() == 0ns);
    CHECK(contains(w.problems(), "busy: it spins"));
    CHECK(contains(w.problems(), "yields_for_ever"));
}

TEST_CASE("a loop of sleeps of no time is found as well", "[sim][checks]") {
    sim::world w{1, sim::faults::none()};
    w.host("busy").run_service(sleeps_for_no_time);
    w.run_for(1h);
    CHECK(contains(w.problems(), "busy: it spins"));
}

TEST_CASE("a descriptor that outlives its task is reported", "[sim][checks]") {
    std::vector<epoll> kept;
    {
        sim::world w{1, sim::faults::none()};
        w.host("a").run(forgets_a_descriptor, std::ref(kept));
        CHECK(w.run_to_end(1s));
        CHECK_FALSE(w.has_problems());
        w.finish();
        CHECK(contains(w.problems(), "a: 1 descriptors are left"));
    }
    kept.clear(); // of a kernel that is gone: nothing happens
}

TEST_CASE("a coroutine frame that outlives its world is reported", "[sim][checks]") {
    std::vector<task<>> kept;
    sim::world w{1, sim::faults::none()};
    w.host("a").run(keeps_a_task, std::ref(kept));
    CHECK(w.run_to_end(1s));
    w.finish();
    CHECK(contains(w.problems(), "1 coroutine frames are left"));
}

TEST_CASE("an exception out of a task is a problem, and names where it was spawned",
          "[sim][checks]") {
    sim::world w{1, sim::faults::none()};
    w.host("a").run(throws_after, 1s);
    CHECK(w.run_to_end(1min));
    CHECK(contains(w.problems(), "a: an exception: a bug of the program"));
    CHECK(contains(w.problems(), "checks_test.cpp"));
    CHECK(w.host("a").errors().empty());
}

TEST_CASE("require states what must hold", "[sim][checks]") {
    sim::world w{7, sim::faults::none()};
    w.require(true, "one is one");
    CHECK_FALSE(w.has_problems());
    w.require(false, "one is two");
    w.require(false, "one is three");
    CHECK(w.problems() == "one is two\none is three\nDUNLIN_SIM_SEED=7 repeats this run\n");
}

TEST_CASE("run_until asks whenever something has happened", "[sim][checks]") {
    int done = 0;
    sim::world w{1, sim::faults::none()};
    for (int i = 1; i <= 5; ++i)
        w.host("a").run(naps, 1s * i, std::ref(done));
    CHECK(w.run_until([&] { return done == 3; }, 1min));
    CHECK(w.elapsed() == 3s);
    CHECK_FALSE(w.run_until([&] { return done == 5; }, 1s));
    CHECK(w.elapsed() == 4s);
    CHECK(done == 4);
    CHECK(w.run_until([&] { return done == 4; }, 0s));
    CHECK_FALSE(w.has_problems());
    w.finish();
}

TEST_CASE("run_for runs what is due at its very end, and not what is due later", "[sim][checks]") {
    int done = 0;
    sim::world w{1, sim::faults::none()};
    w.host("a").run(naps, 1s, std::ref(done));
    w.run_for(1s - 1ns);
    CHECK(done == 0);
    w.run_for(1ns);
    CHECK(done == 1);
    w.run_for(10s); // with nothing planned time passes all the same
    CHECK(w.elapsed() == 11s);
}

TEST_CASE("after calls what it is given, at its time", "[sim][checks]") {
    std::string order;
    sim::world w{1, sim::faults::none()};
    w.after(2s, [&] { order += "c"; });
    w.after(1s, [&] {
        order += "a";
        w.after(500ms, [&] { order += "b"; });
    });
    w.after(1h, [&] { order += "never"; }); // it is dropped with the world
    w.run_for(1s);
    CHECK(order == "a");
    w.run_for(4s);
    CHECK(order == "abc");
}

TEST_CASE("what comes due within a system call waits for the end of the turn", "[sim][checks]") {
    sim::faults slow_calls = sim::faults::none();
    slow_calls.passing_time = 1;
    sim::world w{1, slow_calls};
    sim::host& one = w.host("one");
    bool is_in_turn = false;
    int crashes = 0;
    one.run_service(calls_for_a_while, std::ref(is_in_turn));
    w.after(200us, [&] { // the turn takes about a millisecond
        CHECK_FALSE(is_in_turn);
        CHECK(w.elapsed() > 200us);
        one.crash();
        ++crashes;
    });
    w.run_for(1s);
    CHECK(crashes == 1);
    w.finish();
    CHECK(w.problems() == "");
}

TEST_CASE("a world of one host that does nothing ends well", "[sim][checks]") {
    sim::world w{1};
    static_cast<void>(w.host("idle"));
    CHECK(w.run_to_end(1h));
    CHECK(w.elapsed() == 0ns);
    w.finish();
    CHECK(w.problems() == "");
}

TEST_CASE("dump shows every host's tasks", "[sim][checks]") {
    int done = 0;
    sim::world w{1, sim::faults::none()};
    w.host("a").run(naps, 1s, std::ref(done));
    w.host("b").run_service(serve_echo);
    w.host("c").crash();
    w.run_for(1ms);
    std::string words;
    w.dump([&words](std::string_view piece) { words += piece; });
    CHECK(contains(words, "a:\n"));
    CHECK(contains(words, "naps"));
    CHECK(contains(words, "serve_on"));
    CHECK(contains(words, "c: it is down"));
}
