#include <dunlin/sync/one_shot.hpp>

#include <support/test_loop.hpp>

#include <memory>
#include <optional>
#include <utility>

using namespace dunlin;
using namespace dunlin::test;

namespace {

using boxed = std::unique_ptr<int>;

io_task<int> wait_for(one_shot<boxed>& answer) {
    const auto got = co_await answer.wait().or_return();
    co_return *got;
}

} // namespace

TEST_CASE("a value is set once, and taken once", "[sync][one_shot]") {
    test_loop loop;
    one_shot<boxed> answer;
    auto setter = answer.make_setter();
    auto waits = loop.start(wait_for(answer));
    loop.run_until_idle();
    REQUIRE_FALSE(waits.is_done());
    CHECK(setter.is_wanted());
    CHECK(setter.set(std::make_unique<int>(7)));
    CHECK_FALSE(setter.is_wanted());
    auto late = std::make_unique<int>(8);
    CHECK_FALSE(setter.set(std::move(late)));
    CHECK(late != nullptr); // untouched
    CHECK_FALSE(answer.set(std::move(late)));
    CHECK_FALSE(answer.fail(std::make_error_code(std::errc::io_error)));
    loop.turn();
    CHECK(waits.result().value() == 7);
    CHECK(loop.run(wait_for(answer)).error() == errc::closed);
}

TEST_CASE("who waits is told closed when the setter is dropped, and an error when there is one",
          "[sync][one_shot]") {
    test_loop loop;
    one_shot<boxed> answer;
    std::optional setter{answer.make_setter()};
    auto waits = loop.start(wait_for(answer));
    loop.run_until_idle();
    std::error_code expected = errc::closed;
    SECTION("dropped") { setter.reset(); }
    SECTION("closed") { setter->close(); }
    SECTION("closed at the other end") { answer.close(); }
    SECTION("assigned over") { *setter = one_shot_setter<boxed>{}; }
    SECTION("failed") {
        expected = std::make_error_code(std::errc::host_unreachable);
        CHECK(setter->fail(expected));
        setter.reset(); // says nothing more
    }
    CHECK(answer.is_decided());
    loop.turn();
    REQUIRE(waits.is_done());
    CHECK(waits.result().error() == expected);
    CHECK(loop.run(wait_for(answer)).error() == expected);
}

TEST_CASE("a setter may be moved, and may outlive what it sets", "[sync][one_shot]") {
    std::optional<one_shot<boxed>> answer{std::in_place};
    auto first = answer->make_setter();
    one_shot_setter<boxed> second{std::move(first)};
    CHECK_FALSE(first.set(std::make_unique<int>(1)));
    first = std::move(second);
    CHECK(first.is_wanted());
    CHECK_FALSE(second.is_wanted());
    answer.reset();
    CHECK_FALSE(first.is_wanted());
    CHECK_FALSE(first.set(std::make_unique<int>(1)));
    CHECK_FALSE(first.fail(std::make_error_code(std::errc::io_error)));
}

TEST_CASE("of several who wait one gets the value, and the others are told closed",
          "[sync][one_shot]") {
    test_loop loop;
    one_shot<boxed> answer;
    auto first = loop.start(wait_for(answer));
    auto second = loop.start(wait_for(answer));
    auto third = loop.start(wait_for(answer));
    loop.run_until_idle();
    CHECK(answer.set(std::make_unique<int>(7)));
    SECTION("the first") {
        loop.run_until_idle();
        CHECK(first.result().value() == 7);
        CHECK(second.result().error() == errc::closed);
    }
    SECTION("the next, if that one is destroyed before its turn") {
        first.destroy();
        loop.run_until_idle();
        CHECK(second.result().value() == 7);
    }
    CHECK(third.result().error() == errc::closed);
}
