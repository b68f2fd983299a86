// Closing, resetting, moving and half-closing sockets while others wait for them.
#include "conversation.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

namespace scenes {

using namespace dunlin;

namespace {

/// Answers once the client has finished: everything, from the beginning.
io_task<> answer_at_the_end(tcp_socket client) {
    std::vector<std::byte> all;
    while (auto data = co_await client.read().or_return()) {
        const std::span<const std::byte> came = data;
        all.insert(all.end(), came.begin(), came.end());
    }
    co_await client.write(all).or_return();
}

constexpr std::size_t head_size = 100;
constexpr std::size_t long_answer = 200'000; // more than is under way at once
constexpr std::uint32_t long_answer_stream = 9;

/// Answers the first bytes, with input unread, and is done: the answer must arrive all the same.
io_task<> answer_early(stage* on, tcp_socket client) {
    // Until all has come: what comes to a socket that is closed already does reset it.
    co_await sleep_for(on->is_calm ? nanoseconds{500ms} : on->up_to(50ms)).or_return();
    std::array<std::byte, head_size> head{};
    co_await client.read_exactly(head).or_return();
    const auto answer = bytes_of(long_answer_stream, 0, long_answer);
    co_await client.write(answer).or_return();
}

/// Closes its client and goes on for a while: its descriptor, and all that belonged to it, are
/// another one's by then.
io_task<> close_and_stay(stage* on, tcp_socket client) {
    std::array<std::byte, head_size> head{};
    co_await client.read_exactly(head).or_return();
    co_await client.write(std::string_view{"I close"}).or_return();
    client.close();
    co_await sleep_for(on->up_to(400ms)).or_return();
}

/// One of those that the former must not harm: it answers late, so input lies unread.
io_task<> stay_open(stage* on, tcp_socket client) {
    std::array<std::byte, head_size> head{};
    co_await client.read_exactly(head).or_return();
    co_await client.write(std::string_view{"I stay."}).or_return();
    co_await client.write(head).or_return();
    while (auto data = co_await client.read().or_return()) {
        co_await sleep_for(on->up_to(100ms)).or_return();
        co_await client.write(data).or_return();
    }
}

io_task<> echo_session(tcp_socket client) {
    while (auto data = co_await client.read().or_return())
        co_await client.write(data).or_return();
}

/// Answers a little late, so that what comes meanwhile lies unread.
io_task<> echo_slowly(stage* on, tcp_socket client) {
    while (auto data = co_await client.read().or_return()) {
        co_await sleep_for(on->up_to(60ms)).or_return();
        co_await client.write(data).or_return();
    }
}

io_task<> serve_at_the_end(stage* on) {
    co_await keep_serving(on, 21, answer_at_the_end).or_return();
}
io_task<> serve_mixed(stage* on) {
    const auto session = [on](tcp_socket client) {
        return on->dice.below(2) == 0 ? echo_slowly(on, std::move(client))
                                      : echo_session(std::move(client));
    };
    co_await keep_serving(on, 22, session).or_return();
}
io_task<> serve_early(stage* on) {
    const auto session = [on](tcp_socket client) { return answer_early(on, std::move(client)); };
    co_await keep_serving(on, 23, session).or_return();
}
/// Both kinds of sessions in one server: those that close early, and those that they may hurt.
io_task<> serve_both_kinds(stage* on) {
    const auto session = [on](tcp_socket client) {
        return on->dice.below(2) == 0 ? close_and_stay(on, std::move(client))
                                      : stay_open(on, std::move(client));
    };
    co_await keep_serving(on, 25, session).or_return();
}

/// Half-closes, then gets everything back.
io_task<> finish_first(stage* on, std::uint32_t number) {
    for (bool is_last = false; !is_last;) {
        is_last = on->is_calm;
        auto connected = co_await connect_to(on, "server:21").or_return();
        conversation with{on, std::move(connected), number, is_last};
        const auto sent = co_await send_bytes(&with, on->size_up_to(20'000));
        const bool is_shut = sent && with.sock.shutdown_write();
        if (is_shut) {
            const auto came = co_await receive_bytes(&with, with.offered);
            if (!came) excuse(with, came.error());
        } else if (!sent) {
            excuse(with, sent.error());
        }
        if (!is_last) co_await sleep_for(on->up_to(200ms)).or_return();
    }
}

io_task<> talk(stage* on, std::uint32_t number) {
    for (bool is_last = false; !is_last;) {
        is_last = on->is_calm;
        auto connected = co_await connect_to(on, "server:22").or_return();
        // A socket is where it was moved to, its readiness too.
        tcp_socket moved{std::move(connected)};
        conversation with{on, std::move(moved), number, is_last};
        co_await converse(&with, 1 + on->dice.below(6), 2000).or_return();
    }
}

io_task<> receive_answer(stage* on, tcp_socket* from) {
    std::array<std::byte, 5000> room{};
    for (std::size_t came = 0; came < long_answer;) {
        const std::size_t count = co_await from->read(room).or_return();
        if (count == 0) co_await fail(errc::end_of_stream);
        const std::span<const std::byte> bytes{room.data(), count};
        on->require(is_part_of(long_answer_stream, came, bytes), "another answer");
        came += count;
    }
}

/// The answer comes although we have not finished, and never will.
io_task<> be_answered_early(stage* on, std::uint32_t number) {
    for (bool is_last = false; !is_last;) {
        is_last = on->is_calm;
        auto connected = co_await connect_to(on, "server:23").or_return();
        static_cast<void>(connected.set_receive_buffer(16'384));
        conversation with{on, std::move(connected), number, is_last};
        const auto sent = co_await send_bytes(&with, head_size + on->size_up_to(3000));
        if (sent) {
            const auto came = co_await receive_answer(on, &with.sock);
            if (!came && is_last) excuse(with, came.error());
        } else {
            excuse(with, sent.error());
        }
        co_await sleep_for(on->up_to(100ms)).or_return();
    }
}

io_task<> meet_both_kinds(stage* on, std::uint32_t number) {
    for (bool is_last = false; !is_last;) {
        is_last = on->is_calm;
        auto connected = co_await connect_to(on, "server:25").or_return();
        conversation with{on, std::move(connected), number, is_last};
        std::array<std::byte, 7> answer{};
        const auto sent = co_await send_bytes(&with, head_size);
        if (!sent) {
            excuse(with, sent.error());
            continue;
        }
        const auto answered = co_await with.sock.read_exactly(answer);
        if (!answered) {
            excuse(with, answered.error());
            continue;
        }
        if (answer[2] == std::byte{'c'}) continue;
        const auto talked = co_await receive_bytes(&with, head_size);
        if (talked)
            co_await converse(&with, 1 + on->dice.below(4), 2000).or_return();
        else
            excuse(with, talked.error());
    }
}

// ---- closing while others wait

struct shared_socket {
    tcp_socket sock;
    std::optional<time_point> closed_at;
    bool is_reader_back = false;
    bool is_writer_back = false;
};

void check_back(stage& on, shared_socket& with, std::error_code why, std::string_view what) {
    if (!with.closed_at) { // the peer's or the network's doing
        on.excuse(why, false, what);
        return;
    }
    on.require(why == errc::closed,
               std::string{what} + " on a closed socket says " + why.message());
    const bool may_pause = on.odds.pauses > 0 && !on.is_calm;
    on.require(may_pause || now() - *with.closed_at <= 20ms,
               std::string{what} + " heard of the close too late");
}

io_task<> wait_to_read(stage* on, shared_socket* with) {
    std::array<std::byte, 64> room{};
    for (;;) {
        const auto got = co_await with->sock.read(room);
        if (got && got.assume_value() != 0) continue;
        with->is_reader_back = true;
        if (got) // the silent peer has gone: a fault
            on->excuse_end(false, "a silent peer");
        else
            check_back(*on, *with, got.error(), "a read");
        co_return;
    }
}

io_task<> wait_to_write(stage* on, shared_socket* with) {
    const std::vector<std::byte> bytes(20'000);
    for (;;) {
        const auto done = co_await with->sock.write(bytes);
        if (done) continue;
        with->is_writer_back = true;
        check_back(*on, *with, done.error(), "a write");
        co_return;
    }
}

/// Accepts, and neither reads nor writes, for longer than pauses and partitions hold the client up.
io_task<> hold(stage* on, tcp_socket client) {
    co_await sleep_for(on->up_to(800ms) + 10s).or_return();
    static_cast<void>(client.set_reset_on_close(on->dice.below(2) == 0));
}
io_task<> keep_silent(stage* on) {
    const auto session = [on](tcp_socket client) { return hold(on, std::move(client)); };
    co_await keep_serving(on, 24, session).or_return();
}

io_task<> close_under_waiters(stage* on) {
    for (int i = 0; i < 8; ++i) {
        auto connected = co_await connect_to(on, "server:24").or_return();
        shared_socket with{std::move(connected), {}, false, false};
        static_cast<void>(with.sock.set_send_buffer(4096));
        {
            task_group waiters;
            waiters.spawn(wait_to_read, on, &with);
            waiters.spawn(wait_to_write, on, &with);
            co_await sleep_for(on->up_to(250ms)).or_return();
            if (!with.is_reader_back) {
                std::array<std::byte, 4> room{};
                const auto second = co_await with.sock.read(room);
                const bool is_refused = !second && second.error() == errc::busy;
                on->require(is_refused || with.is_reader_back || with.closed_at,
                            "a second reader was not refused");
            }
            with.closed_at = now();
            with.sock.close();
            // The number is somebody else's at once.
            auto next = co_await connect_to(on, "server:22").timeout(20s);
            if (next) {
                conversation fresh{on, std::move(next).assume_value(), 7, false};
                co_await converse(&fresh, 1, 500).or_return();
            }
            const auto joined = co_await waiters.join().timeout(30s);
            on->require(joined.has_value(), "somebody waits for a closed socket");
        }
    }
}

/// Resets its connection: the peer is told so, and nothing else befalls it.
io_task<> reset_pairs(stage* on) {
    for (int i = 0; i < 5; ++i) {
        auto pair = co_await make_pair(on).or_return();
        shared_socket with{std::move(pair.first), {}, false, false};
        task_group waiters;
        waiters.spawn(wait_to_read, on, &with);
        co_await sleep_for(on->up_to(50ms)).or_return();
        with.closed_at = now();
        with.sock = std::move(pair.second); // assigning closes what was there
        const auto joined = co_await waiters.join().timeout(30s);
        on->require(joined.has_value(), "somebody waits for a socket that was assigned to");
    }
}

/// Refused at once where nobody listens, and not after a while.
io_task<> knock_at_closed_doors(stage* on, endpoint nobody) {
    for (int i = 0; i < 5; ++i) {
        const bool was_calm = on->is_calm;
        const auto connected = co_await tcp_socket::connect(nobody).timeout(60s);
        on->require(!connected, "somebody listens where nobody does");
        if (!connected && connected.error() != std::errc::connection_refused)
            on->excuse(connected.error(), was_calm, "knocking");
        co_await sleep_for(on->up_to(600ms)).or_return();
    }
}

} // namespace

void closing(stage& on) {
    on.world.link_all({.latency = on.up_to(20ms), .jitter = on.up_to(5ms)});
    sim::host& server = on.host("server");
    server.run_service(serve_at_the_end, &on);
    server.run_service(serve_mixed, &on);
    server.run_service(serve_early, &on);
    server.run_service(serve_both_kinds, &on);
    server.run_service(keep_silent, &on);
    for (std::uint32_t number = 0; number < 4; ++number) {
        sim::host& client = on.host("client" + std::to_string(number % 2));
        client.run(finish_first, &on, number);
        client.run(talk, &on, 40 + number);
        client.run(be_answered_early, &on, 80 + number);
        client.run(meet_both_kinds, &on, 120 + number);
        client.run(meet_both_kinds, &on, 160 + number);
    }
    on.host("client0").run(close_under_waiters, &on);
    on.host("client1").run(reset_pairs, &on);
    on.host("client1").run(knock_at_closed_doors, &on, server.address(4000));
    on.play(4s, 200s);
}

} // namespace scenes
