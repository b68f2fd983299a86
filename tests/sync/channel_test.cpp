#include <dunlin/sync/channel.hpp>
#include <dunlin/task/sleep.hpp>

#include <support/forked.hpp>
#include <support/test_loop.hpp>

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

using boxed = std::unique_ptr<int>;

boxed box(int number) { return std::make_unique<int>(number); }

io_task<> send_one(channel<boxed>& to, boxed& value) {
    co_await to.send(std::move(value)).or_return();
}
io_task<int> receive_one(channel<boxed>& from) {
    const auto got = co_await from.receive().or_return();
    co_return *got;
}
/// Receives until the channel ends.
io_task<> receive_all(channel<boxed>& from, std::vector<int>& into) {
    for (;;) {
        auto got = co_await from.receive();
        if (!got) {
            if (got.error() == errc::closed) break;
            co_await fail(got.error());
        }
        into.push_back(*got.assume_value());
    }
}

constexpr auto try_again = std::errc::resource_unavailable_try_again;

} // namespace

TEST_CASE("items come out in the order in which they went in, as many as there is room for",
          "[sync][channel]") {
    channel<boxed> items{3};
    CHECK(items.capacity() == 3);
    CHECK(items.try_receive().error() == try_again);
    for (int round = 0; round < 5; ++round) { // the places are used again and again
        for (int i = 0; i < 3; ++i)
            REQUIRE(items.try_send(box(i)));
        auto one_more = box(3);
        CHECK(items.try_send(std::move(one_more)).error() == try_again);
        CHECK(one_more != nullptr);
        CHECK(items.size() == 3);
        CHECK(*items.try_receive().value() == 0);
        REQUIRE(items.try_send(std::move(one_more)));
        for (int i = 1; i < 4; ++i)
            CHECK(*items.try_receive().value() == i);
        CHECK(items.is_empty());
    }
}

TEST_CASE("a send waits while the channel is full; its value goes in when there is room",
          "[sync][channel]") {
    test_loop loop;
    channel<boxed> items{1};
    auto value = box(2);
    REQUIRE(items.try_send(box(1)));
    auto sends = loop.start(send_one(items, value));
    loop.run_until_idle();
    REQUIRE_FALSE(sends.is_done());
    CHECK(value != nullptr); // not moved from before it is sent
    CHECK(*items.try_receive().value() == 1);
    CHECK(items.try_send(box(3)).error() == try_again); // that room is for the one who waited
    loop.turn();
    CHECK(sends.is_done());
    CHECK(value == nullptr);
    CHECK(*items.try_receive().value() == 2);
}

TEST_CASE("what can be copied without failing may stay with who sends it", "[sync][channel]") {
    test_loop loop;
    channel<int> numbers{2};
    const int five = 5;
    CHECK(loop.run(numbers.send(five)));
    CHECK(numbers.try_send(five));
    CHECK(numbers.try_send(five).error() == try_again);
    CHECK(loop.run(numbers.receive()).value() == 5);
    channel<std::string> words{1};
    const std::string word = "a word";
    CHECK(words.try_send(word));
    CHECK(words.try_receive().value() == word);
}

TEST_CASE("closing: senders are told so, receivers get what is left first", "[sync][channel]") {
    test_loop loop;
    channel<boxed> items{2};
    REQUIRE(items.try_send(box(1)));
    REQUIRE(items.try_send(box(2)));
    auto value = box(3);
    auto waits = loop.start(send_one(items, value));
    loop.run_until_idle();
    items.close();
    items.close();
    CHECK(items.is_closed());
    loop.turn();
    REQUIRE(waits.is_done());
    CHECK(waits.result().error() == errc::closed);
    CHECK(value != nullptr);
    CHECK(loop.run(send_one(items, value)).error() == errc::closed);
    CHECK(items.try_send(std::move(value)).error() == errc::closed);
    CHECK(value != nullptr);
    CHECK(loop.run(receive_one(items)).value() == 1);
    CHECK(*items.try_receive().value() == 2);
    CHECK(loop.run(receive_one(items)).error() == errc::closed);
    CHECK(items.try_receive().error() == errc::closed);
}

TEST_CASE("a sender for whom there was room, but who had no turn before the close, has not sent",
          "[sync][channel]") {
    test_loop loop;
    channel<boxed> items{1};
    REQUIRE(items.try_send(box(1)));
    auto value = box(2);
    auto sends = loop.start(send_one(items, value));
    loop.run_until_idle();
    REQUIRE(items.try_receive());
    items.close();
    loop.run_until_idle();
    CHECK(sends.result().error() == errc::closed);
    CHECK(value != nullptr);
    CHECK(items.try_receive().error() == errc::closed);
}

TEST_CASE("receivers that wait are told closed; the channel may be gone by their turn",
          "[sync][channel]") {
    test_loop loop;
    std::optional<channel<boxed>> items{std::in_place, std::size_t{1}};
    auto first = loop.start(receive_one(*items));
    auto second = loop.start(receive_one(*items));
    loop.run_until_idle();
    items->close();
    items.reset();
    loop.turn();
    CHECK(first.result().error() == errc::closed);
    CHECK(second.result().error() == errc::closed);
}

TEST_CASE("an item that comes back after the close still goes to who waits", "[sync][channel]") {
    test_loop loop;
    channel<boxed> items{1};
    auto first = loop.start(receive_one(items));
    loop.run_until_idle();
    auto second = loop.start(receive_one(items));
    auto third = loop.start(receive_one(items));
    loop.run_until_idle();
    REQUIRE(items.try_send(box(1))); // meant for the first
    items.close();
    first.destroy();
    loop.run_until_idle();
    REQUIRE(second.is_done());
    CHECK(second.result().value() == 1);
    REQUIRE(third.is_done());
    CHECK(third.result().error() == errc::closed);
}

TEST_CASE("also to who came after the close, while it was put aside for another",
          "[sync][channel]") {
    test_loop loop;
    channel<boxed> items{1};
    auto first = loop.start(receive_one(items));
    loop.run_until_idle();
    auto late = loop.start(receive_one(items));
    auto killer = loop.start([&]() -> task<> {
        first.destroy();
        co_return;
    });
    REQUIRE(items.try_send(box(1))); // queues the first, behind those two
    items.close();
    loop.run_until_idle();
    CHECK(killer.is_done());
    REQUIRE(late.is_done());
    CHECK(late.result().value() == 1);
}

TEST_CASE("a newcomer does not get the item that who waits is to have", "[sync][channel]") {
    test_loop loop;
    channel<boxed> items{2};
    auto waits = loop.start(receive_one(items));
    loop.run_until_idle();
    int got = 0;
    auto newcomer = loop.start([&]() -> io_task<> {
        co_await items.send(box(1)).or_return();
        co_await items.send(box(2)).or_return();
        const auto mine = co_await items.receive().or_return();
        got = *mine;
    });
    loop.run_until_idle();
    CHECK(waits.result().value() == 1);
    CHECK(newcomer.is_done());
    CHECK(got == 2);
}

TEST_CASE("many senders and receivers: every item is received once, each sender's in order",
          "[sync][channel]") {
    test_loop loop;
    channel<boxed> items{4};
    constexpr int senders = 5;
    constexpr int each = 200;
    int left = senders;
    std::vector<int> got[3];
    task_group group;
    const auto send_many = [&](int base) -> io_task<> {
        for (int i = 0; i < each; ++i) {
            auto next = box(base * 1000 + i);
            co_await items.send(std::move(next)).or_return();
            if (i % 7 == 0) co_await sleep_for(0ns).ignore();
        }
        if (--left == 0) items.close();
    };
    for (auto& into : got)
        group.spawn(receive_all, std::ref(items), std::ref(into));
    for (int i = 0; i < senders; ++i)
        group.spawn(send_many, i);
    loop.run_until([&] { return group.is_empty(); });
    CHECK(group.failures() == 0);
    std::vector<int> seen(senders * 1000);
    for (const auto& of_one : got) {
        CHECK(of_one.size() > 100); // they take turns
        int last[senders] = {-1, -1, -1, -1, -1};
        for (const int number : of_one) {
            ++seen[static_cast<std::size_t>(number)];
            CHECK(number % 1000 > last[number / 1000]);
            last[number / 1000] = number % 1000;
        }
    }
    int sum = 0;
    for (const int times : seen) {
        CHECK(times <= 1);
        sum += times;
    }
    CHECK(sum == senders * each);
}

TEST_CASE("what is left in a channel is destroyed with it", "[sync][channel]") {
    const auto shared = std::make_shared<int>(1);
    {
        channel<std::shared_ptr<int>> items{4};
        for (int i = 0; i < 4; ++i)
            REQUIRE(items.try_send(shared));
        REQUIRE(items.try_receive());
        REQUIRE(items.try_send(shared)); // the ring has gone round
        CHECK(shared.use_count() == 5);
    }
    CHECK(shared.use_count() == 1);
}

TEST_CASE("a channel without room, or destroyed while somebody waits, is a bug that is caught",
          "[sync][channel]") {
    const auto no_room = run_forked([] {
        const channel<int> none{0};
        return static_cast<int>(none.capacity());
    });
    CHECK(no_room.signal == SIGABRT);
    const auto waited_for = run_forked([] {
        scheduler loop;
        std::optional<channel<boxed>> items{std::in_place, std::size_t{1}};
        task_group group;
        group.spawn([&]() -> io_task<> { co_await items->receive().ignore(); });
        static_cast<void>(loop.poll_once(0ns));
        items.reset();
        return 0;
    });
    CHECK(waited_for.signal == SIGABRT);
}
