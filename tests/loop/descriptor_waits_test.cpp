// The four operations of `descriptor`, each in the six situations that every awaiter meets.
#include <dunlin/loop/descriptor.hpp>
#include <dunlin/loop/remote.hpp>

#include <support/pipe.hpp>
#include <support/test_loop.hpp>

using namespace dunlin;
using namespace dunlin::test;

namespace {

io_task<> readable(descriptor& on) { co_await on.readable().or_return(); }
io_task<> writable(descriptor& on) { co_await on.writable().or_return(); }
io_task<> read_one(descriptor& on) {
    std::byte byte{};
    const std::size_t n = co_await on.read_some({&byte, 1}).or_return();
    if (n != 1) co_await fail(errc::end_of_stream);
}
io_task<> put_one(descriptor& on) {
    const std::byte byte{};
    const std::size_t n = co_await on.write_some({&byte, 1}).or_return();
    if (n != 1) co_await fail(errc::end_of_stream);
}
using waits = io_task<>(descriptor&);

/// One end of a pipe that is not ready, and what makes it ready and unready again by hand.
class unready_end {
public:
    explicit unready_end(bool is_input) : is_input_{is_input} {
        if (!is_input) room_ = fill(pipe_.writer);
    }
    /// The operation's end, borrowed.
    descriptor end() const {
        return descriptor{is_input_ ? pipe_.reader.borrow() : pipe_.writer.borrow()};
    }
    void make_ready() {
        if (is_input_)
            put(pipe_.writer, "x");
        else
            REQUIRE(empty_out(pipe_.reader) > 0);
    }
    /// Another process was quicker.
    void take_away() {
        if (is_input_)
            REQUIRE(take(pipe_.reader) == "x");
        else
            REQUIRE(fill(pipe_.writer) > 0);
    }
    /// Whether the pipe holds as much as before the operation: it has moved nothing.
    bool is_untouched(bool is_ready) {
        const std::size_t held = empty_out(pipe_.reader);
        if (is_input_) return held == (is_ready ? 1 : 0);
        return held == (is_ready ? 0 : room_);
    }

private:
    bool is_input_;
    pipe_ends pipe_ = make_pipe();
    std::size_t room_ = 0;
};

struct setting {
    explicit setting(bool is_input) : end{is_input}, on{end.end()} {}
    /// Calls `function` in the coming turn after epoll has spoken, before a task runs.
    template <class Function>
    void between_event_and_resumption(Function function) {
        REQUIRE(loop.sched().get_remote().post(std::move(function)));
    }
    test_loop loop;
    unready_end end;
    descriptor on;
};

void completes_at_once(waits& wait, bool is_input) {
    setting s{is_input};
    s.end.make_ready();
    auto pending = s.loop.start(wait, s.on);
    CHECK_FALSE(pending.is_done());
    s.loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result());
    CHECK(s.loop.counters().resumptions == 1);
}

void completes_later(waits& wait, bool is_input) {
    setting s{is_input};
    auto pending = s.loop.start(wait, s.on);
    s.loop.run_until_idle();
    REQUIRE_FALSE(pending.is_done());
    s.end.make_ready();
    s.loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result());
    CHECK(s.loop.counters().registrations == 1);
}

void goes_on_waiting_after_a_spurious_wake_up(waits& wait, bool is_input) {
    setting s{is_input};
    auto pending = s.loop.start(wait, s.on);
    s.loop.run_until_idle();
    for (int i = 0; i < 3; ++i) {
        s.end.make_ready();
        s.between_event_and_resumption([&s] { s.end.take_away(); });
        CHECK(s.loop.turn() == 1); // it was woken, in vain
        s.loop.run_until_idle();
        REQUIRE_FALSE(pending.is_done());
    }
    s.end.make_ready();
    s.loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result());
}

void is_stopped_while_it_waits(waits& wait, bool is_input) {
    setting s{is_input};
    auto pending = s.loop.start(wait, s.on);
    s.loop.run_until_idle();
    REQUIRE_FALSE(pending.is_done());
    pending.stop();
    CHECK_FALSE(pending.is_done());
    s.loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result().error() == errc::stopped);
    CHECK(s.end.is_untouched(false));
}

void is_destroyed_while_it_waits(waits& wait, bool is_input) {
    setting s{is_input};
    auto pending = s.loop.start(wait, s.on);
    s.loop.run_until_idle();
    pending.destroy();
    s.end.make_ready();
    s.loop.run_until_idle();
    CHECK_FALSE(pending.is_done());
    CHECK(s.end.is_untouched(true));
}

void is_destroyed_in_the_turn_it_became_ready(waits& wait, bool is_input) {
    setting s{is_input};
    auto pending = s.loop.start(wait, s.on);
    s.loop.run_until_idle();
    s.end.make_ready();
    s.between_event_and_resumption([&pending] { pending.destroy(); });
    CHECK(s.loop.turn() == 0);
    CHECK_FALSE(pending.is_done());
    CHECK(s.end.is_untouched(true));
}

} // namespace

TEST_CASE("readable completes at once when bytes are there", "[six:readable_operation:ready]") {
    completes_at_once(readable, true);
}
TEST_CASE("readable completes when bytes come", "[six:readable_operation:later]") {
    completes_later(readable, true);
}
TEST_CASE("readable goes on waiting when another reader was quicker",
          "[six:readable_operation:spurious]") {
    goes_on_waiting_after_a_spurious_wake_up(readable, true);
}
TEST_CASE("readable that is stopped says so", "[six:readable_operation:stopped]") {
    is_stopped_while_it_waits(readable, true);
}
TEST_CASE("readable destroyed while waiting is forgotten", "[six:readable_operation:destroyed]") {
    is_destroyed_while_it_waits(readable, true);
}
TEST_CASE("readable destroyed in the turn the bytes came is forgotten",
          "[six:readable_operation:destroyed-ready]") {
    is_destroyed_in_the_turn_it_became_ready(readable, true);
}

TEST_CASE("writable completes at once when there is room", "[six:writable_operation:ready]") {
    completes_at_once(writable, false);
}
TEST_CASE("writable completes when there is room again", "[six:writable_operation:later]") {
    completes_later(writable, false);
}
TEST_CASE("writable goes on waiting when another writer was quicker",
          "[six:writable_operation:spurious]") {
    goes_on_waiting_after_a_spurious_wake_up(writable, false);
}
TEST_CASE("writable that is stopped says so", "[six:writable_operation:stopped]") {
    is_stopped_while_it_waits(writable, false);
}
TEST_CASE("writable destroyed while waiting is forgotten", "[six:writable_operation:destroyed]") {
    is_destroyed_while_it_waits(writable, false);
}
TEST_CASE("writable destroyed in the turn room came is forgotten",
          "[six:writable_operation:destroyed-ready]") {
    is_destroyed_in_the_turn_it_became_ready(writable, false);
}

TEST_CASE("read_some takes at once what is there", "[six:read_some_operation:ready]") {
    completes_at_once(read_one, true);
}
TEST_CASE("read_some takes what comes", "[six:read_some_operation:later]") {
    completes_later(read_one, true);
}
TEST_CASE("read_some goes on waiting when another reader was quicker",
          "[six:read_some_operation:spurious]") {
    goes_on_waiting_after_a_spurious_wake_up(read_one, true);
}
TEST_CASE("read_some that is stopped has taken nothing", "[six:read_some_operation:stopped]") {
    is_stopped_while_it_waits(read_one, true);
}
TEST_CASE("read_some destroyed while waiting takes nothing",
          "[six:read_some_operation:destroyed]") {
    is_destroyed_while_it_waits(read_one, true);
}
TEST_CASE("read_some destroyed in the turn the bytes came takes nothing",
          "[six:read_some_operation:destroyed-ready]") {
    is_destroyed_in_the_turn_it_became_ready(read_one, true);
}

TEST_CASE("write_some writes at once when there is room", "[six:put_some_operation:ready]") {
    completes_at_once(put_one, false);
}
TEST_CASE("write_some writes when there is room again", "[six:put_some_operation:later]") {
    completes_later(put_one, false);
}
TEST_CASE("write_some goes on waiting when another writer was quicker",
          "[six:put_some_operation:spurious]") {
    goes_on_waiting_after_a_spurious_wake_up(put_one, false);
}
TEST_CASE("write_some that is stopped has written nothing", "[six:put_some_operation:stopped]") {
    is_stopped_while_it_waits(put_one, false);
}
TEST_CASE("write_some destroyed while waiting writes nothing",
          "[six:put_some_operation:destroyed]") {
    is_destroyed_while_it_waits(put_one, false);
}
TEST_CASE("write_some destroyed in the turn room came writes nothing",
          "[six:put_some_operation:destroyed-ready]") {
    is_destroyed_in_the_turn_it_became_ready(put_one, false);
}

TEST_CASE("what is ready succeeds even under a stop, what is not is stopped at once",
          "[loop][descriptor]") {
    for (waits* const wait : {readable, read_one}) {
        setting s{true};
        s.end.make_ready();
        auto lucky = s.loop.start(*wait, s.on);
        lucky.stop();
        s.loop.turn();
        REQUIRE(lucky.is_done());
        CHECK(lucky.result());
        empty_out(s.on.fd());
        auto late = s.loop.start(*wait, s.on);
        late.stop();
        s.loop.turn();
        REQUIRE(late.is_done());
        CHECK(late.result().error() == errc::stopped);
    }
}

TEST_CASE("bytes that came in the turn of the stop are still delivered", "[loop][descriptor]") {
    setting s{true};
    auto pending = s.loop.start(read_one, s.on);
    s.loop.run_until_idle();
    pending.stop();
    s.end.make_ready();
    s.loop.turn();
    REQUIRE(pending.is_done());
    CHECK(pending.result());
}

TEST_CASE("a drain ends waits for input and lets waits for output go on", "[loop][descriptor]") {
    setting input{true};
    auto reads = input.loop.start(read_one, input.on);
    input.loop.run_until_idle();
    reads.drain();
    input.loop.turn();
    REQUIRE(reads.is_done());
    CHECK(reads.result().error() == errc::stopped);

    unready_end end{false};
    descriptor on = end.end();
    auto writes = input.loop.start(put_one, on);
    input.loop.run_until_idle();
    writes.drain();
    input.loop.run_until_idle();
    REQUIRE_FALSE(writes.is_done());
    end.make_ready();
    input.loop.run_until_idle();
    REQUIRE(writes.is_done());
    CHECK(writes.result());
}
