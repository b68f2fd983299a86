// Programs that many of these tests let their hosts run.
#pragma once

#include <dunlin/dunlin.hpp>
#include <dunlin/sim/world.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace dunlin::sim_test {

using namespace std::chrono_literals;

inline io_task<> echo(tcp_socket client) {
    while (auto data = co_await client.read().or_return())
        co_await client.write(data).or_return();
}

/// Echoes there until it is stopped.
inline io_task<> serve_on(std::string where) {
    auto listener = co_await tcp_listener::bind(where).or_return();
    co_await serve(std::move(listener), echo, serve_options{}).or_return();
}
inline io_task<> serve_echo() { return serve_on("0.0.0.0:7"); }

/// Accepts, and never reads.
inline io_task<> hold(tcp_socket client) {
    static_cast<void>(client);
    co_await sleep_for(24h).or_return();
}
inline io_task<> serve_silence() {
    auto listener = co_await tcp_listener::bind("0.0.0.0:7").or_return();
    co_await serve(std::move(listener), hold, serve_options{}).or_return();
}

/// Sends `size` bytes that tell their place to `where`, and compares what comes back.
inline io_task<> talk(std::string where, int size, int rounds) {
    auto socket = co_await tcp_socket::connect(where).or_return();
    std::string text;
    for (int i = 0; i < size; ++i)
        text += static_cast<char>('a' + i % 26);
    std::string back = text;
    for (int i = 0; i < rounds; ++i) {
        co_await socket.write(text).or_return();
        back.assign(back.size(), ' ');
        const auto room = std::as_writable_bytes(std::span{back});
        co_await socket.read_exactly(room).or_return();
        if (back != text) co_await fail(std::make_error_code(std::errc::bad_message));
    }
}

/// What a step came to, and when (since the world's beginning).
struct noted {
    bool is_there = false;
    std::error_code error;
    std::chrono::nanoseconds when{0};
};

inline io_task<> note_connect(std::string where, sim::world& in, noted& into) {
    const auto socket = co_await tcp_socket::connect(where);
    into = {true, socket ? std::error_code{} : socket.error(), in.elapsed()};
}

} // namespace dunlin::sim_test
