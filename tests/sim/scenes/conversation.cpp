#include "conversation.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace scenes {

using namespace dunlin;

namespace {

void check(conversation& with, std::span<const std::byte> came) {
    with.on->require(is_part_of(with.stream, with.received, came), "other bytes came back");
    with.received += came.size();
    with.on->require(with.received <= with.offered, "more came back than was sent");
}

io_task<> converse_or_fail(conversation* with, std::size_t rounds, std::size_t most) {
    stage& on = *with->on;
    for (std::size_t round = 0; round < rounds; ++round) {
        const std::size_t count = on.size_up_to(most);
        const std::size_t target = with->offered + count;
        if (on.dice.below(3) == 0) {
            auto sending = send_bytes(with, count);
            auto receiving = receive_bytes(with, target);
            co_await when_all(std::move(sending), std::move(receiving)).or_return();
        } else {
            co_await send_bytes(with, count).or_return();
            co_await receive_bytes(with, target).or_return();
        }
        if (on.dice.below(4) == 0) co_await sleep_for(on.up_to(200ms)).or_return();
    }
    co_await or_return(with->sock.shutdown_write());
    const auto rest = co_await with->sock.read().or_return();
    on.require(rest.is_end(), "bytes that nobody sent");
}

} // namespace

io_task<> send_bytes(conversation* with, std::size_t count) {
    const std::vector<std::byte> bytes = bytes_of(with->stream, with->offered, count);
    with->offered += count;
    co_await with->sock.write(bytes).or_return();
}

io_task<> receive_bytes(conversation* with, std::size_t target) {
    stage& on = *with->on;
    std::array<std::byte, 512> room{};
    while (with->received < target) {
        const std::size_t left = target - with->received;
        const std::span<std::byte> part{room.data(), std::min(left, on.size_up_to(room.size()))};
        const std::uint64_t way = on.dice.below(3);
        if (way == 0) {
            const auto came = co_await with->sock.read().or_return();
            if (came.is_end()) co_await fail(errc::end_of_stream);
            check(*with, came);
        } else if (way == 1) {
            const std::size_t count = co_await with->sock.read(part).or_return();
            if (count == 0) co_await fail(errc::end_of_stream);
            check(*with, part.first(count));
        } else {
            co_await with->sock.read_exactly(part).or_return();
            check(*with, part);
        }
    }
}

io_task<> converse(conversation* with, std::size_t rounds, std::size_t most) {
    const auto done = co_await converse_or_fail(with, rounds, most);
    if (!done && done.error() == errc::stopped) co_await fail(errc::stopped);
    if (!done) excuse(*with, done.error());
}

void excuse(const conversation& with, std::error_code why) {
    if (why == errc::end_of_stream)
        with.on->excuse_end(with.was_born_calm,
                            "the conversation of stream " + std::to_string(with.stream));
    else
        with.on->excuse(why, with.was_born_calm,
                        "the conversation of stream " + std::to_string(with.stream));
}

} // namespace scenes
