// Twenty clients of an echo server: what comes back is what was sent, all of it where nothing
// broke.
#include "conversation.hpp"

#include <array>
#include <string>

namespace scenes {

using namespace dunlin;

namespace {

io_task<> echo_buffers(tcp_socket client) {
    while (auto data = co_await client.read().or_return())
        co_await client.write(data).or_return();
}

io_task<> echo_pieces(tcp_socket client, std::size_t most) {
    std::array<std::byte, 700> room{};
    const std::span<std::byte> part{room.data(), most};
    while (const std::size_t count = co_await client.read(part).or_return()) {
        const std::span<const std::byte> came{room.data(), count};
        co_await client.write(came).or_return();
    }
}

io_task<> serve_echo(stage* on) {
    const auto session = [on](tcp_socket client) {
        return on->dice.below(2) == 0 ? echo_buffers(std::move(client))
                                      : echo_pieces(std::move(client), on->size_up_to(700));
    };
    co_await keep_serving(on, 7, session).or_return();
}

/// One conversation after the other until the storm is over, then one that must be perfect.
io_task<> talk(stage* on, std::uint32_t number) {
    for (bool is_last = false; !is_last;) {
        is_last = on->is_calm;
        auto connected = co_await connect_to(on, "server:7").or_return();
        conversation with{on, std::move(connected), number, is_last};
        co_await converse(&with, 1 + on->dice.below(6), 2000).or_return();
        if (!is_last) co_await sleep_for(on->up_to(1500ms)).or_return();
    }
}

} // namespace

void echo(stage& on) {
    on.world.link_all({.latency = on.up_to(20ms), .jitter = on.up_to(5ms)});
    on.host("server").run_service(serve_echo, &on);
    for (std::uint32_t number = 0; number < 20; ++number)
        on.host("client" + std::to_string(number % 5)).run(talk, &on, number);
    on.play(5s, 120s);
}

} // namespace scenes
