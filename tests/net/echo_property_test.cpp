// Whatever is sent, in whatever pieces, both ways at once, comes out whole and in order.
#include <support/net_support.hpp>

#include <random>

using namespace dunlin;
using namespace dunlin::test;

namespace {

using dice = std::mt19937;

std::size_t roll(dice& with, std::size_t least, std::size_t most) {
    return std::uniform_int_distribution<std::size_t>{least, most}(with);
}

/// Mostly small, now and then large: one byte to 200,000.
std::size_t roll_size(dice& with) {
    const std::size_t digits = roll(with, 0, 5);
    std::size_t most = 2;
    for (std::size_t i = 0; i < digits; ++i)
        most *= 10;
    return roll(with, 1, most);
}

io_task<> send_in_pieces(tcp_writer to, std::string all, std::uint32_t seed) {
    dice with{seed};
    std::string_view left = all;
    while (!left.empty()) {
        const auto piece = left.substr(0, roll_size(with));
        switch (roll(with, 0, 3)) {
        case 0: {
            const std::size_t sent = co_await to.write_some(piece).or_return();
            left.remove_prefix(sent);
            continue;
        }
        case 1: {
            const std::size_t cut = roll(with, 0, piece.size());
            co_await to.write(piece.substr(0, cut), piece.substr(cut)).or_return();
            break;
        }
        case 2:
            co_await to.writable().or_return();
            [[fallthrough]];
        default:
            co_await to.write(piece).or_return();
        }
        left.remove_prefix(piece.size());
    }
}

io_task<std::string> receive_in_pieces(tcp_reader from, std::size_t size, std::uint32_t seed) {
    dice with{seed};
    std::string all;
    std::string into;
    while (all.size() < size) {
        switch (roll(with, 0, 3)) {
        case 0: {
            into.resize(std::min(size - all.size(), roll_size(with)));
            co_await from.read_exactly(bytes_of(into)).or_return();
            all += into;
            break;
        }
        case 1: {
            into.resize(roll_size(with));
            const std::size_t count = co_await from.read(bytes_of(into)).or_return();
            all += std::string_view{into}.substr(0, count);
            break;
        }
        case 2:
            co_await from.readable().or_return();
            [[fallthrough]];
        default: {
            const auto data = co_await from.read().or_return();
            all += data.text();
        }
        }
    }
    const auto end = co_await from.read().or_return();
    CHECK(end.is_end());
    co_return all;
}

io_task<> echo_in_pieces(tcp_socket sock, std::uint32_t seed) {
    dice with{seed};
    std::string into;
    for (;;) {
        into.resize(roll_size(with));
        const std::size_t count = co_await sock.read(bytes_of(into)).or_return();
        if (count == 0) break;
        co_await sock.write(std::string_view{into}.substr(0, count)).or_return();
    }
}

} // namespace

TEST_CASE("200 rounds of echo in random pieces lose nothing", "[net][property]") {
    const std::uint32_t seed = std::random_device{}(); // tidy: not the library's dice
    CAPTURE(seed);
    for (std::uint32_t round = 0; round < 200; ++round) {
        CAPTURE(round);
        dice with{seed + round};
        test_loop loop;
        auto [client, server] = connected_sockets(loop);
        if (round % 3 == 0) shrink_send_buffer(client.fd());
        if (round % 5 == 0) shrink_send_buffer(server.fd());
        const std::string sent = pattern(roll_size(with), seed + round);
        auto echoing = loop.start(echo_in_pieces(std::move(server), seed + round));
        auto [reader, writer] = std::move(client).split();
        auto reading =
            loop.start(receive_in_pieces(std::move(reader), sent.size(), seed + round + 1));
        auto writing = loop.start(send_in_pieces(std::move(writer), sent, seed + round + 2));
        loop.run_until([&] { return reading.is_done() && writing.is_done() && echoing.is_done(); });
        REQUIRE(writing.result());
        REQUIRE(echoing.result());
        const auto came = reading.result();
        REQUIRE(came);
        REQUIRE(came.value().size() == sent.size());
        REQUIRE((came.value() == sent)); // without printing it
    }
}
