#include <dunlin/net/take_turn.hpp>

#include <support/net_support.hpp>

#include <dunlin/task/when.hpp>

using namespace dunlin;
using namespace dunlin::test;
using detail::take_turn;

namespace {

/// Takes as many turns as an entry's budget has, then one more.
io_task<> spend_all(std::size_t& taken, std::size_t more = 1) {
    for (taken = 0; taken < 64 + more; ++taken)
        co_await take_turn{}.or_return();
}

struct scene {
    test_loop loop;
    std::size_t taken = 0;
    task_context* who = nullptr;
    pending<result<void>> spending = loop.start(observe(spend_all(taken), who));

    void use_budget_up() {
        loop.turn();
        REQUIRE(taken == 64);
        REQUIRE_FALSE(spending.is_done());
    }
};

} // namespace

TEST_CASE("a turn that the budget has costs no wait", "[net][take_turn][six:take_turn:ready]") {
    test_loop loop;
    std::size_t taken = 0;
    auto spending = loop.start(spend_all(taken, 0));
    loop.turn();
    REQUIRE(spending.is_done());
    CHECK(spending.result());
}

TEST_CASE("who has spent the budget goes on in the next turn, after the others",
          "[net][take_turn][six:take_turn:later]") {
    scene s;
    std::size_t of_other = 0;
    auto other = s.loop.start(spend_all(of_other, 0));
    s.use_budget_up();
    CHECK(other.is_done());
    s.loop.turn();
    REQUIRE(s.spending.is_done());
    CHECK(s.taken == 65);
}

TEST_CASE("woken for nothing it still has one turn only",
          "[net][take_turn][six:take_turn:spurious]") {
    scene s;
    s.use_budget_up();
    s.loop.sched().schedule(*s.who); // it is in line already
    CHECK(s.loop.turn() == 1);
    REQUIRE(s.spending.is_done());
    CHECK(s.spending.result());
}

TEST_CASE("under a stop a spent budget is the end", "[net][take_turn][six:take_turn:stopped]") {
    scene s;
    s.spending.stop();
    s.loop.turn();
    REQUIRE(s.spending.is_done()); // without a wait
    CHECK(s.taken == 64);
    CHECK(s.spending.result().error() == errc::stopped);
}

TEST_CASE("destroyed while it waits for its turn it is in no queue",
          "[net][take_turn][six:take_turn:destroyed]") {
    scene s;
    s.use_budget_up();
    s.spending.destroy();
    CHECK(s.loop.turn() == 0);
    CHECK(s.taken == 64);
}

TEST_CASE("destroyed in the turn it would go on in it does not",
          "[net][take_turn][six:take_turn:destroyed-ready]") {
    test_loop loop;
    std::size_t taken = 0;
    pending<result<void>> spending;
    auto killer = loop.start([&]() -> io_task<> {
        std::size_t own = 0;
        co_await spend_all(own).or_return();
        spending.destroy();
    });
    spending = loop.start(spend_all(taken));
    loop.turn();
    REQUIRE(taken == 64);
    CHECK(loop.turn() == 1); // both were in line, the first destroyed the second
    CHECK(killer.is_done());
    CHECK(taken == 64);
}

TEST_CASE("the loser of a race is not let go on", "[net][take_turn]") {
    test_loop loop;
    std::size_t first = 0;
    std::size_t second = 0;
    auto racing = loop.start(
        [&]() -> io_task<> { co_await when_any(spend_all(first), spend_all(second)).or_return(); });
    loop.run_until_idle();
    REQUIRE(racing.is_done());
    CHECK(racing.result());
    CHECK(first == 65);
    CHECK(second == 64);
}
