// Deadlines against virtual time: never early, and late only by what pauses and work explain.
#include "stage.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <string>

namespace scenes {

using namespace dunlin;

namespace {

/// Whether `deadline` was kept.
void check_kept(stage& on, bool was_calm, time_point deadline, std::string_view what) {
    const auto late = now() - deadline;
    on.require(late >= 0ns, std::string{what} + " ended before its deadline");
    // A pause may have begun while it waited.
    const nanoseconds most = was_calm || on.odds.pauses <= 0 ? nanoseconds{60ms} : nanoseconds{6s};
    on.require(late <= most, std::string{what} + " ended " + std::to_string(late.count() / 1000) +
                                 " us after its deadline");
}

io_task<> sleep_often(stage* on, int times) {
    for (int i = 0; i < times; ++i) {
        const bool was_calm = on->is_calm;
        // From far below a millisecond to seconds.
        const nanoseconds span = on->up_to(nanoseconds{std::int64_t{1} << on->dice.below(32)});
        const time_point deadline = now() + span;
        co_await sleep_until(deadline).or_return();
        check_kept(*on, was_calm, deadline, "a sleep");
    }
}

struct in_order {
    std::size_t armed = 0;
    std::size_t next = 0;
};

io_task<> sleep_as_one_of(stage* on, std::shared_ptr<in_order> all, time_point deadline) {
    const std::size_t number = all->armed++;
    co_await sleep_until(deadline).or_return();
    on->require(all->next == number, "equal deadlines have changed their order");
    all->next = number + 1;
}

/// As many with one deadline as start before it.
io_task<> sleep_together(stage* on) {
    for (int i = 0; i < 4; ++i) {
        const auto all = std::make_shared<in_order>();
        const time_point deadline = now() + 700ms + on->up_to(1s);
        task_group group;
        for (int number = 0; number < 40; ++number)
            group.spawn(sleep_as_one_of, on, all, deadline);
        co_await group.join().or_return();
    }
}

io_task<> follow_interval(stage* on) {
    const nanoseconds period = 1ms + on->up_to(200ms);
    const time_point first = now() + on->up_to(100ms);
    interval ticks{first, period};
    for (int i = 0; i < 20; ++i) {
        const time_point due = co_await ticks.tick().or_return();
        on->require(due == first + i * period, "a tick of another time");
        on->require(now() >= due, "a tick came early");
    }
}

/// Many short waits in one scope, which ends them; then the task goes on as if nothing had been.
io_task<> nap(stage* on) {
    for (;;)
        co_await sleep_for(on->up_to(20ms)).or_return();
}
io_task<> nap_in_scopes(stage* on) {
    for (int i = 0; i < 12; ++i) {
        const bool was_calm = on->is_calm;
        const nanoseconds span = on->up_to(300ms);
        const time_point deadline = now() + span;
        const auto napped = co_await nap(on).timeout(span);
        on->require(!napped && napped.error() == errc::timeout, "a scope has not timed out");
        check_kept(*on, was_calm, deadline, "a scope");
        const auto slept = co_await sleep_for(on->up_to(10ms));
        on->require(slept.has_value(), "a scope that is over ends what comes after it");
        // A scope that is left in time leaves nothing behind, either.
        const auto quick = co_await sleep_often(on, 1).timeout(100s);
        on->require(quick.has_value(), "a scope has ended what was done in time");
    }
}

constexpr std::size_t streamed = 60'000;

/// Sends a stream in pieces, some of them just when the reader's timeouts are over.
io_task<> stream_out(stage* on, tcp_socket to, std::uint32_t stream) {
    std::size_t sent = 0;
    while (sent < streamed) {
        const auto bytes = bytes_of(stream, sent, std::min(on->size_up_to(3000), streamed - sent));
        std::size_t moved = 0;
        const auto written = co_await to.write(bytes, &moved).timeout(on->up_to(5ms));
        sent += moved;
        if (!written && written.error() != errc::timeout) {
            on->excuse(written.error(), false, "a write");
            co_return;
        }
        if (on->dice.below(3) == 0) co_await sleep_for(1ms * on->dice.below(40)).or_return();
    }
}

/// Reads it with timeouts that are over all the time: no byte may get lost.
io_task<> stream_in(stage* on, tcp_socket from, std::uint32_t stream) {
    std::array<std::byte, 1000> room{};
    std::size_t came = 0;
    const bool was_born_calm = on->is_calm;
    for (;;) {
        const bool was_calm = on->is_calm;
        const std::span<std::byte> part{room.data(), on->size_up_to(room.size())};
        const nanoseconds span = 1ms * on->dice.below(40);
        // An operation's timeout counts from the turn.
        const time_point turn{nanoseconds{scheduler::current()->turn_time()}};
        const time_point deadline = turn + span;
        const auto got = co_await from.read(part).timeout(span);
        if (got) {
            if (got.assume_value() == 0) break;
            on->require(is_part_of(stream, came, part.first(got.assume_value())),
                        "bytes were lost between two reads");
            came += got.assume_value();
        } else if (got.error() == errc::timeout) {
            check_kept(*on, was_calm, deadline, "a read");
            if (on->dice.below(4) != 0) continue;
            // What is there already is taken, whatever its deadline.
            const auto ready = co_await from.readable();
            if (!ready) continue; // the next read says why
            const auto at_once = co_await from.read(part).until(turn);
            if (!at_once) {
                on->require(at_once.error() != errc::timeout, "what was there was not taken");
                continue;
            }
            if (at_once.assume_value() == 0) break;
            on->require(is_part_of(stream, came, part.first(at_once.assume_value())),
                        "bytes were lost before a read without time");
            came += at_once.assume_value();
        } else {
            on->excuse(got.error(), was_born_calm, "a read");
            co_return;
        }
    }
    if (came != streamed) on->excuse_end(was_born_calm, "a stream");
}

io_task<> serve_streams(stage* on) {
    const auto session = [on](tcp_socket client) { return stream_out(on, std::move(client), 0); };
    co_await keep_serving(on, 9, session).or_return();
}

io_task<> take_streams(stage* on) {
    for (bool is_last = false; !is_last;) {
        is_last = on->is_calm;
        auto connected = co_await connect_to(on, "server:9").or_return();
        co_await stream_in(on, std::move(connected), 0).or_return();
    }
}

/// Nobody is behind this address, or nobody can be reached.
io_task<> connect_in_vain(stage* on, endpoint where) {
    for (int i = 0; i < 5; ++i) {
        const bool was_calm = on->is_calm;
        const nanoseconds span = 1ms + on->up_to(900ms);
        const time_point turn{nanoseconds{scheduler::current()->turn_time()}};
        const auto connected = co_await tcp_socket::connect(where).timeout(span);
        if (!connected && connected.error() == errc::timeout)
            check_kept(*on, was_calm, turn + span, "a connect");
    }
}

io_task<> write_later(tcp_socket* to, nanoseconds span) {
    co_await sleep_for(span).or_return();
    const auto written = co_await to->write(std::string_view{"x"});
    if (!written) to->close(); // so that nobody waits for it
}

/// Timeouts by the hundred that never come about, the timer wheel's usual work.
io_task<> arm_and_disarm(stage* on, tcp_socket a, tcp_socket b) {
    for (int i = 0; i < 100; ++i) {
        const std::array<std::byte, 1> one{std::byte{1}};
        std::array<std::byte, 1> room{};
        const nanoseconds read_span = 20s + on->up_to(100s);
        const nanoseconds write_span = 10s + on->up_to(50s);
        const auto both = co_await when_all(a.read_exactly(room).timeout(read_span),
                                            b.write(one).timeout(write_span));
        if (!both) {
            on->require(both.error() != errc::timeout, "a timeout came though nothing was late");
            on->excuse(both.error(), false, "a pair");
            co_return;
        }
        if (on->dice.below(10) == 0) co_await sleep_for(on->up_to(30ms)).or_return();
    }
    // One that comes, and then in vain: a deadline after one that was later, and is past now.
    std::array<std::byte, 1> room{};
    task_group writers;
    writers.spawn(write_later, &b, on->up_to(20ms));
    const auto came = co_await a.read_exactly(room).timeout(20s + on->up_to(100s));
    co_await writers.join().or_return();
    if (!came) {
        on->require(came.error() != errc::timeout, "a timeout came though nothing was late");
        if (came.error() == errc::end_of_stream)
            on->excuse_end(false, "a pair");
        else
            on->excuse(came.error(), false, "a pair");
        co_return;
    }
    const bool was_calm = on->is_calm;
    const nanoseconds span = on->up_to(200ms);
    const time_point turn{nanoseconds{scheduler::current()->turn_time()}};
    const auto in_vain = co_await a.read(room).timeout(span);
    if (in_vain || in_vain.error() != errc::timeout)
        on->excuse(in_vain ? std::error_code{} : in_vain.error(), false, "a read in vain");
    else
        check_kept(*on, was_calm, turn + span, "a read in vain");
}

io_task<> use_pairs(stage* on) {
    for (int i = 0; i < 3; ++i) {
        auto pair = co_await make_pair(on).or_return();
        co_await arm_and_disarm(on, std::move(pair.first), std::move(pair.second)).or_return();
    }
}

} // namespace

void timeouts(stage& on) {
    on.world.link_all({.latency = on.up_to(10ms), .jitter = on.up_to(10ms)});
    sim::host& server = on.host("server");
    sim::host& client = on.host("client");
    sim::host& hidden = on.host("hidden");
    on.world.partition(client, hidden);
    server.run_service(serve_streams, &on);
    for (int i = 0; i < 4; ++i)
        client.run(take_streams, &on);
    client.run(connect_in_vain, &on, hidden.address(7));
    client.run(follow_interval, &on);
    client.run(sleep_together, &on);
    client.run(nap_in_scopes, &on);
    client.run(use_pairs, &on);
    for (int i = 0; i < 30; ++i)
        on.host(i % 2 == 0 ? "client" : "sleeper").run(sleep_often, &on, 8);
    on.play(4s, 150s);
}

} // namespace scenes
