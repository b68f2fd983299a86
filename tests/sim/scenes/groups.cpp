// Trees of tasks that are stopped, ended, destroyed and timed out at any moment; races; drains.
#include "conversation.hpp"

#include <array>
#include <string>

namespace scenes {

using namespace dunlin;

namespace {

/// Counts the frames that are alive.
class counted {
public:
    explicit counted(std::size_t& all) noexcept : all_{all} { ++all_; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --all_; }

private:
    std::size_t& all_;
};

struct grove {
    explicit grove(stage* its_stage) noexcept : on{its_stage} {}

    stage* on;
    std::size_t alive = 0;
    std::size_t idle_clients = 0;
    std::size_t ended_clients = 0;
};

io_task<> wait_a_little(grove* in) {
    const counted one{in->alive};
    for (int i = 0; i < 3; ++i)
        co_await sleep_for(in->on->up_to(30ms)).or_return();
}

io_task<> wait_for_ever(grove* in) {
    const counted one{in->alive};
    co_await sleep_for(1h).or_return();
    in->on->require(false, "nobody has stopped a wait of an hour");
}

io_task<> read_for_ever(grove* in) {
    const counted one{in->alive};
    auto pair = co_await make_pair(in->on).or_return();
    std::array<std::byte, 4> room{};
    const auto got = co_await pair.first.read(room);
    if (!got && got.error() == errc::stopped) co_await fail(errc::stopped);
    if (!got) in->on->excuse(got.error(), false, "a read of nothing");
}

io_task<> say_goodbye(grove* in) {
    const counted one{in->alive};
    co_await sleep_for(1ms + in->on->up_to(5ms)).or_return();
}

/// A stop lets a goodbye through.
io_task<> stay_polite(grove* in) {
    const counted one{in->alive};
    const auto waited = co_await sleep_for(1h);
    in->on->require(!waited && waited.error() == errc::stopped, "a wait has ended by itself");
    const auto said = co_await shield(say_goodbye(in));
    in->on->require(said.has_value(), "a stop has come into a shield");
    const auto again = co_await sleep_for(1h);
    in->on->require(!again && again.error() == errc::stopped, "a stop is over after a shield");
    co_await fail(errc::stopped);
}

io_task<> grow(grove* in, unsigned depth);

void spawn_lasting(grove* in, task_group& children) {
    children.spawn(wait_for_ever, in);
    children.spawn(read_for_ever, in);
    children.spawn(stay_polite, in);
}

/// A group with children, which ends in one of the ways that there are.
io_task<> grow(grove* in, unsigned depth) {
    const counted one{in->alive};
    stage& on = *in->on;
    const bool carries_on = on.dice.below(2) == 0;
    task_group children{carries_on ? on_child_error::carry_on : on_child_error::stop_siblings};
    const std::uint64_t count = on.dice.below(3);
    for (std::uint64_t i = 0; i < count; ++i) {
        children.spawn(wait_a_little, in);
        if (depth > 0) children.spawn(grow, in, depth - 1);
    }
    const std::uint64_t way = on.dice.below(7);
    if (way == 0) {
        co_await children.join().or_return();
        co_return;
    }
    spawn_lasting(in, children);
    if (way == 6) { // whoever is above will have had enough one day
        const auto joined = co_await children.join();
        on.require(!joined, "children that wait for an hour are over");
        on.require(children.is_empty(), "children are left after a join");
        co_await fail(errc::stopped);
    }
    const nanoseconds span = on.up_to(60ms);
    if (way == 1) {
        const bool was_calm = on.is_calm;
        const time_point begin = now();
        const auto joined = co_await children.join().timeout(span);
        if (!joined && joined.error() == errc::stopped) co_await fail(errc::stopped);
        on.require(!joined, "children that wait for an hour are over");
        const nanoseconds patience = was_calm ? nanoseconds{200ms} : on.patience() + 10s;
        on.require(now() - begin <= span + patience, "a join has ended too late");
        co_return;
    }
    co_await sleep_for(span).or_return();
    if (way == 2) {
        children.request_stop();
        co_await children.join().ignore();
        on.require(children.is_empty(), "children are left after a join");
    } else if (way == 3) {
        children.end();
        co_await children.join().ignore();
        on.require(children.is_empty(), "children are left after an end");
    } else if (way == 4) {
        co_await children.drain(on.up_to(20ms)).ignore();
        on.require(children.is_empty(), "children are left after a drain");
    }
    // Otherwise they are destroyed with the group.
}

io_task<> grow_often(grove* in) {
    for (int i = 0; i < 6; ++i) {
        const bool was_calm = in->on->is_calm;
        const nanoseconds span = 1ms + in->on->up_to(400ms);
        const time_point begin = now();
        co_await grow(in, 3).timeout(span).ignore();
        const nanoseconds patience = was_calm ? nanoseconds{300ms} : in->on->patience() + 10s;
        in->on->require(now() - begin <= span + patience, "a tree has outlived its scope");
        const auto slept = co_await sleep_for(in->on->up_to(50ms));
        in->on->require(slept.has_value(), "a tree that is over ends what comes after it");
    }
}

// ---- races

io_task<> race_sleeps(grove* in) {
    stage& on = *in->on;
    for (int i = 0; i < 10; ++i) {
        const bool was_calm = on.is_calm;
        const nanoseconds span = on.up_to(100ms);
        const time_point deadline = now() + span;
        const std::size_t before = in->alive;
        const auto raced =
            co_await when_any(wait_for_ever(in), sleep_until(deadline), stay_polite(in));
        on.require(raced && raced.assume_value().index() == 1, "the wrong one has won a race");
        const nanoseconds most = was_calm ? nanoseconds{100ms} : on.patience() + 1s;
        on.require(now() - deadline <= most, "a race has lasted on after it was won");
        static_cast<void>(before);
    }
}

io_task<> send_singly(stage* on, tcp_socket to, std::uint32_t stream, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const auto byte = bytes_of(stream, i, 1);
        const auto written = co_await to.write(byte);
        if (!written) {
            on->excuse(written.error(), false, "a racing write");
            co_return;
        }
        if (on->dice.below(2) == 0) co_await sleep_for(on->up_to(20ms)).or_return();
    }
}

/// Two reads race, again and again: the loser takes nothing.
io_task<> race_reads(grove* in) {
    stage& on = *in->on;
    auto first = co_await make_pair(&on).or_return();
    auto second = co_await make_pair(&on).or_return();
    constexpr std::size_t count = 60;
    task_group senders;
    senders.spawn(send_singly, &on, std::move(first.second), 1U, count);
    senders.spawn(send_singly, &on, std::move(second.second), 2U, count);
    std::size_t came[2] = {};
    bool is_over[2] = {};
    while (!is_over[0] || !is_over[1]) {
        std::array<std::byte, 3> rooms[2]{};
        std::size_t index = 0;
        std::size_t size = 0;
        if (is_over[0] || is_over[1]) {
            index = is_over[0] ? 1 : 0;
            tcp_socket& left = index == 0 ? first.first : second.first;
            const auto got = co_await left.read(rooms[index]);
            if (!got) {
                on.excuse(got.error(), false, "a read after a race");
                co_return;
            }
            size = got.assume_value();
        } else {
            const auto raced =
                co_await when_any(first.first.read(rooms[0]), second.first.read(rooms[1]));
            if (!raced) {
                on.excuse(raced.error(), false, "a race of reads");
                co_return;
            }
            index = raced.assume_value().index();
            size =
                index == 0 ? std::get<0>(raced.assume_value()) : std::get<1>(raced.assume_value());
        }
        if (size == 0) {
            is_over[index] = true;
            if (came[index] != count) on.excuse_end(false, "a raced stream");
            continue;
        }
        const std::span<const std::byte> bytes{rooms[index].data(), size};
        on.require(is_part_of(static_cast<std::uint32_t>(index) + 1, came[index], bytes),
                   "the loser of a race has taken bytes");
        came[index] += size;
    }
}

// ---- drains

io_task<> echo_session(tcp_socket client) {
    while (auto data = co_await client.read().or_return())
        co_await client.write(data).or_return();
}

io_task<> serve_counted(stage* on, serve_counters* counters) {
    serve_options options;
    options.counters = counters;
    options.drain = 8s;
    co_await keep_serving(on, 31, echo_session, options).or_return();
}

/// Servers that are stopped under load, and at last one whose clients are all idle.
io_task<> drain_often(grove* in) {
    stage& on = *in->on;
    for (bool is_last = false; !is_last;) {
        is_last = on.is_calm;
        serve_counters counters;
        task_group serving;
        serving.spawn(serve_counted, &on, &counters);
        if (is_last) {
            while (in->idle_clients < 6)
                co_await sleep_for(50ms).or_return();
            co_await sleep_for(1s).or_return(); // the last acknowledgements
        } else {
            co_await sleep_for(300ms + on.up_to(500ms)).or_return();
        }
        const time_point asked = now();
        serving.request_stop();
        const auto joined = co_await serving.join();
        on.require(joined.has_value(), "a server that was asked to stop has failed");
        on.require(counters.active == 0, "sessions are active after a drain");
        on.require(now() - asked <= 8s + on.patience(), "a drain has lasted too long");
        if (!is_last) continue;
        on.require(counters.cut == 0, "an idle session was cut off");
        on.require(now() - asked <= 2s, "idle sessions were not stopped at once");
    }
}

io_task<> talk_to_drained(grove* in, std::uint32_t number) {
    stage& on = *in->on;
    while (!on.is_calm) {
        auto connected = co_await connect_to(&on, "server:31").or_return();
        conversation with{&on, std::move(connected), number, false};
        co_await converse(&with, 4, 800).or_return();
    }
    // Those that stand in the listener's queue when it closes are reset, so try until one talks.
    for (;;) {
        auto connected = co_await connect_to(&on, "server:31").or_return();
        conversation with{&on, std::move(connected), number, false};
        const auto sent = co_await send_bytes(&with, 100);
        if (!sent) continue;
        const auto came = co_await receive_bytes(&with, 100);
        if (!came) continue;
        ++in->idle_clients;
        const auto rest = co_await with.sock.read();
        on.require(rest && rest.assume_value().is_end(), "a drain has reset an idle client");
        co_return;
    }
}

} // namespace

void groups(stage& on) {
    on.breaks_always = true; // a drain does
    on.world.link_all({.latency = on.up_to(20ms), .jitter = on.up_to(5ms)});
    grove in{&on};
    sim::host& server = on.host("server");
    sim::host& client = on.host("client");
    server.run(drain_often, &in);
    for (std::uint32_t number = 0; number < 6; ++number)
        client.run(talk_to_drained, &in, number);
    for (int i = 0; i < 3; ++i) {
        on.host("forest").run(grow_often, &in);
        client.run(race_reads, &in);
    }
    server.run(race_sleeps, &in);
    on.play(3s, 150s);
    on.finish();
    on.require(in.alive == 0, "frames are alive after the end");
}

} // namespace scenes
