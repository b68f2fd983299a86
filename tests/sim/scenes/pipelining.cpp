// Much at once in both directions, through small buffers; lines that come in pieces; slow readers.
#include "conversation.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace scenes {

using namespace dunlin;

namespace {

void shrink_buffers(stage& on, tcp_socket& sock) {
    if (on.dice.below(2) == 0) static_cast<void>(sock.set_send_buffer(4096));
    if (on.dice.below(2) == 0) static_cast<void>(sock.set_receive_buffer(4096));
}

/// Sends back in two or three pieces, of which some may be empty.
io_task<> echo_gathered(stage* on, tcp_socket client) {
    shrink_buffers(*on, client);
    while (auto data = co_await client.read().or_return()) {
        const std::span<const std::byte> all = data;
        const std::size_t cut = on->dice.below(all.size() + 1);
        const std::span<const std::byte> head = all.first(cut);
        const std::span<const std::byte> rest = all.subspan(cut);
        if (on->dice.below(2) == 0) {
            co_await client.write(head, rest).or_return();
        } else {
            const std::size_t second = on->dice.below(rest.size() + 1);
            const std::array<std::span<const std::byte>, 3> pieces{head, rest.first(second),
                                                                   rest.subspan(second)};
            const std::span<const std::span<const std::byte>> list{pieces};
            co_await client.write(list).or_return();
        }
    }
}

/// Reads on while it writes: a queue of a few buffers lies between.
io_task<> write_queued(channel<buffer>* queue, tcp_writer* to) {
    for (;;) {
        const auto next = co_await queue->receive();
        if (!next) break; // closed and empty
        co_await to->write(next.assume_value()).or_return();
    }
    static_cast<void>(to->shutdown_write());
}
io_task<> read_queued(channel<buffer>* queue, tcp_reader* from) {
    while (auto data = co_await from->read().or_return())
        co_await queue->send(std::move(data)).or_return();
    queue->close();
}
io_task<> echo_split(stage* on, tcp_socket client) {
    shrink_buffers(*on, client);
    auto halves = std::move(client).split();
    channel<buffer> queue{2};
    co_await when_all(read_queued(&queue, &halves.first), write_queued(&queue, &halves.second))
        .or_return();
}

io_task<> serve_bytes(stage* on) {
    const auto session = [on](tcp_socket client) {
        return on->dice.below(2) == 0 ? echo_gathered(on, std::move(client))
                                      : echo_split(on, std::move(client));
    };
    co_await keep_serving(on, 71, session).or_return();
}

/// Answers each line with itself; its reads give up all the time and go on.
io_task<> answer_lines(stage* on, tcp_socket client) {
    buffered_reader reader{std::move(client)};
    for (;;) {
        const nanoseconds span = on->dice.below(2) == 0 ? on->up_to(10ms) : nanoseconds{20s};
        const auto line = co_await reader.read_line(10'000).timeout(span);
        if (!line && line.error() == errc::timeout) continue;
        if (!line) co_await fail(line.error());
        const auto& text = line.assume_value();
        if (!text) co_return;
        co_await reader.stream().write(*text, std::string_view{"\n"}).or_return();
    }
}

io_task<> serve_lines(stage* on) {
    const auto session = [on](tcp_socket client) { return answer_lines(on, std::move(client)); };
    co_await keep_serving(on, 72, session).or_return();
}

std::string line_of(std::uint32_t stream, std::size_t number) {
    std::string text = std::to_string(number) + " ";
    text.append((number * 37 + stream * 11) % 300, static_cast<char>('a' + number % 26));
    return text;
}

io_task<> send_lines(conversation* with, std::size_t count) {
    for (std::size_t number = 0; number < count; ++number) {
        const std::string text = line_of(with->stream, number) + "\n";
        co_await with->sock.write(text).or_return();
        if (with->on->dice.below(8) == 0) co_await sleep_for(with->on->up_to(30ms)).or_return();
    }
    co_await or_return(with->sock.shutdown_write());
}

/// Whole lines come back, and in their order.
io_task<> take_lines(conversation* with, std::size_t count) {
    stage& on = *with->on;
    std::string came;
    std::size_t number = 0;
    while (auto data = co_await with->sock.read().or_return()) {
        const std::span<const std::byte> bytes = data;
        came.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        for (std::size_t end = came.find('\n'); end != std::string::npos; end = came.find('\n')) {
            on.require(came.substr(0, end) == line_of(with->stream, number), "another line");
            came.erase(0, end + 1);
            ++number;
        }
        // A slow reader: what is not read stands in the kernels' buffers, then in the writer.
        if (on.dice.below(10) == 0) co_await sleep_for(on.up_to(60ms)).or_return();
    }
    if (number < count || !came.empty()) co_await fail(errc::end_of_stream);
}

io_task<> talk_in_lines(stage* on, std::uint32_t number) {
    for (bool is_last = false; !is_last;) {
        is_last = on->is_calm;
        auto connected = co_await connect_to(on, "server:72").or_return();
        shrink_buffers(*on, connected);
        conversation with{on, std::move(connected), number, is_last};
        const std::size_t count = on->size_up_to(60);
        auto sending = send_lines(&with, count);
        auto taking = take_lines(&with, count);
        const auto both = co_await when_all(std::move(sending), std::move(taking));
        if (!both) excuse(with, both.error());
    }
}

io_task<> send_and_finish(conversation* with, std::size_t count) {
    while (with->offered < count) {
        const std::size_t left = count - with->offered;
        co_await send_bytes(with, std::min(left, with->on->size_up_to(50'000))).or_return();
    }
    co_await or_return(with->sock.shutdown_write());
}
io_task<> receive_slowly(conversation* with, std::size_t count) {
    stage& on = *with->on;
    while (with->received < count) {
        const std::size_t next = std::min(count, with->received + on.size_up_to(20'000));
        co_await receive_bytes(with, next).or_return();
        if (on.dice.below(6) == 0) co_await sleep_for(on.up_to(100ms)).or_return();
    }
}

io_task<> talk_at_length(stage* on, std::uint32_t number) {
    for (bool is_last = false; !is_last;) {
        is_last = on->is_calm;
        auto connected = co_await connect_to(on, "server:71").or_return();
        shrink_buffers(*on, connected);
        conversation with{on, std::move(connected), number, is_last};
        const std::size_t count = 20'000 + on->size_up_to(150'000);
        auto sending = send_and_finish(&with, count);
        auto receiving = receive_slowly(&with, count);
        const auto both = co_await when_all(std::move(sending), std::move(receiving));
        if (!both) excuse(with, both.error());
        if (!is_last) co_await sleep_for(on->up_to(400ms)).or_return();
    }
}

} // namespace

void pipelining(stage& on) {
    on.world.link_all({.latency = on.up_to(10ms), .jitter = on.up_to(3ms)});
    sim::host& server = on.host("server");
    server.run_service(serve_bytes, &on);
    server.run_service(serve_lines, &on);
    for (std::uint32_t number = 0; number < 3; ++number) {
        on.host("client").run(talk_in_lines, &on, number);
        on.host("client").run(talk_at_length, &on, 10 + number);
    }
    if (on.dice.below(3) == 0) server.slow_down(on.up_to(200us));
    on.play(3s, 200s);
}

} // namespace scenes
