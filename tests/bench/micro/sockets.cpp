// What a message of 64 bytes costs through a pair of Unix sockets: less in the kernel than TCP, so
// more of it is ours.
#include "driver.hpp"

#include <dunlin/net/tcp_socket.hpp>
#include <dunlin/task/task.hpp>

#include <support/catch.hpp>

#include <array>
#include <cstddef>
#include <functional>

using namespace dunlin;
using namespace dunlin::bench;

namespace {

struct pair {
    tcp_socket here;
    tcp_socket there;
};

/// One task: what it has written is there when it reads, so that nothing ever waits.
task<> write_and_read(pair& sockets) {
    std::array<std::byte, 64> message{};
    for (int i = 0; i < times; ++i) {
        co_await sockets.here.write(message).or_throw();
        co_await sockets.there.read_exactly(message).or_throw();
    }
}

task<> echo(tcp_socket& socket) {
    std::array<std::byte, 64> message{};
    for (int i = 0; i < times; ++i) {
        co_await socket.read_exactly(message).or_throw();
        co_await socket.write(message).or_throw();
    }
}

/// Two tasks, of which one waits always.
task<> ping_pong(pair& sockets) {
    std::array<std::byte, 64> message{};
    task_group group;
    group.spawn(echo, std::ref(sockets.there));
    for (int i = 0; i < times; ++i) {
        co_await sockets.here.write(message).or_throw();
        co_await sockets.here.read_exactly(message).or_throw();
    }
    co_await group.join().or_throw();
}

} // namespace

TEST_CASE("sockets", "[sockets]") {
    driver loop;
    auto made = socket_pair().value();
    pair sockets{std::move(made.first), std::move(made.second)};

    BENCHMARK("1,000 messages written and read at once: send, recv") {
        loop.run(write_and_read, std::ref(sockets));
    };
    BENCHMARK("1,000 messages there and back between two tasks: 2 sends, 2 recvs, the waiting") {
        loop.run(ping_pong, std::ref(sockets));
    };
}
