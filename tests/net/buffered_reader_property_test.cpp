// Whatever is sent, in whatever pieces, and however often reading it is given up: no byte is lost,
// none comes twice, and frames are cut at the same places.
#include <support/fake_clock.hpp>
#include <support/streams.hpp>

#include <dunlin/net/buffered_reader.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>

#include <random>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

using dice = std::mt19937;

std::size_t roll(dice& with, std::size_t least, std::size_t most) {
    return std::uniform_int_distribution<std::size_t>{least, most}(with);
}

/// Mostly short, and full of what could be the beginning of an end.
std::string random_text(dice& with) {
    const std::size_t size = roll(with, 0, 3) == 0 ? roll(with, 0, 100'000) : roll(with, 0, 2000);
    const std::size_t rare = roll(with, 0, 1) == 0 ? 6 : roll(with, 3, 1000);
    std::string made;
    while (made.size() < size) {
        constexpr std::string_view some = "\n\r\n\r\r\n;;\n\r\n";
        if (roll(with, 0, rare) < 3)
            made += some.substr(roll(with, 0, some.size()), roll(with, 0, 4));
        else
            made += 'a';
    }
    return made;
}

template <class Stream>
io_task<> send_in_pieces(Stream& to, const std::string& all, std::uint32_t seed) {
    dice with{seed};
    std::size_t sent = 0;
    while (sent < all.size()) {
        const std::size_t most = roll(with, 0, 2) == 0 ? 20'000 : roll(with, 1, 5);
        const std::size_t size = std::min(roll(with, 1, most), all.size() - sent);
        co_await write_all(to, all.substr(sent, size)).or_return();
        sent += size;
        if (roll(with, 0, 1) == 0) co_await sleep_for(1ms).or_return();
    }
    co_await or_return(to.shutdown_write());
}

/// What has come out, by `all` it must be; compared as it comes, and counted only once it is.
struct account {
    const std::string& all;
    std::size_t taken = 0;
    bool is_over = false;

    void take(std::string_view next, std::size_t with_end) {
        REQUIRE((all.compare(taken, next.size(), next) == 0));
        taken += with_end;
        REQUIRE(taken <= all.size());
    }
    [[nodiscard]] std::string_view left() const { return std::string_view{all}.substr(taken); }
};

/// Any, and often one that the next frame just keeps or just misses.
std::size_t roll_limit(dice& with, std::string_view left) {
    switch (roll(with, 0, 5)) {
    case 0:
        return roll(with, 1, 120'000);
    case 1:
        return roll(with, 1, 400);
    default: {
        constexpr std::string_view ends = "\n;";
        const std::size_t at = left.find(ends[roll(with, 0, 1)]);
        const std::size_t near = std::min(at, left.size()) + roll(with, 0, 8);
        return near < 3 ? 1 : near - 2;
    }
    }
}

/// One operation, chosen by the dice, and judged by what a look at the whole input says.
template <class Reader>
io_task<> read_one(Reader& from, account& of, dice& with) {
    const std::string_view left = of.left();
    const std::size_t limit = roll_limit(with, left);
    // Seldom one that takes all there is, as then nothing is left to cut frames from.
    const std::size_t kind = roll(with, 0, 4) == 0 ? roll(with, 3, 7) : roll(with, 0, 2);
    switch (kind) {
    case 0: {
        const auto given = co_await from.read_line(limit);
        if (!given && given.error() != errc::too_long) co_await fail(given.error());
        const std::size_t end = left.find('\n');
        const bool has_end = end != left.npos;
        std::size_t length = has_end ? end : left.size();
        if (has_end && length != 0 && left[length - 1] == '\r') --length;
        REQUIRE(given.has_value() == (length <= limit));
        if (!given) break;
        const auto& line = given.value();
        REQUIRE(line.has_value() == !left.empty());
        if (line) {
            REQUIRE(line->size() == length);
            of.take(*line, has_end ? end + 1 : length);
        }
        break;
    }
    case 1:
    case 2: {
        static constexpr std::string_view ends[] = {";", "\r\n", "\n\r\n", "\r\n\r\n"};
        const std::string_view delimiter = ends[roll(with, 0, 3)];
        const auto given = co_await from.read_until(delimiter, limit);
        const bool is_told =
            !given && (given.error() == errc::too_long || given.error() == errc::end_of_stream);
        if (!given && !is_told) co_await fail(given.error());
        const std::size_t at = left.find(delimiter);
        const bool fits = at != left.npos && at + delimiter.size() <= limit;
        REQUIRE(given.has_value() == fits);
        if (given) {
            REQUIRE(given.value().size() == at + delimiter.size());
            of.take(given.value(), given.value().size());
        } else {
            REQUIRE((given.error() == errc::too_long) == (left.size() >= limit));
        }
        break;
    }
    case 3: {
        const auto given = co_await from.read_exactly(limit);
        if (!given && given.error() != errc::end_of_stream) co_await fail(given.error());
        REQUIRE(given.has_value() == (left.size() >= limit));
        if (given) of.take(text_of(given.value()), limit);
        break;
    }
    case 4: {
        std::string into(limit, '?');
        const auto given = co_await from.read_exactly(bytes_of(into));
        if (!given && given.error() != errc::end_of_stream) co_await fail(given.error());
        REQUIRE(given.has_value() == (left.size() >= limit));
        if (given) of.take(into, limit);
        break;
    }
    case 5: {
        const auto view = co_await from.peek().or_return();
        REQUIRE(view.empty() == left.empty());
        of.take(text_of(view), 0);
        break;
    }
    case 6: {
        const auto data = co_await from.read().or_return();
        REQUIRE(data.is_end() == left.empty());
        of.take(data.text(), data.size());
        of.is_over = data.is_end();
        break;
    }
    default: {
        std::string into(limit, '?');
        const std::size_t count = co_await from.read(bytes_of(into)).or_return();
        REQUIRE((count == 0) == left.empty());
        of.take(std::string_view{into}.substr(0, count), count);
    }
    }
}

template <class Reader>
io_task<> read_all(Reader& from, account& of, dice& with) {
    while (!of.is_over)
        co_await read_one(from, of, with).or_return();
}

/// The same, each operation perhaps given up after a moment.
template <class Reader>
io_task<> read_impatiently(Reader& from, account& of, dice& with) {
    while (!of.is_over) {
        const auto span = std::chrono::microseconds{roll(with, 0, 3000)};
        const auto given = co_await read_one(from, of, with).timeout(span);
        if (!given && given.error() != errc::timeout) co_await fail(given.error());
    }
}

/// Gives how often reading was given up.
template <class Kind>
std::size_t run_round(std::uint32_t seed) {
    dice with{seed};
    test_loop loop;
    auto ends = Kind::pair();
    const std::string all = random_text(with);
    account of{all};
    buffered_reader reader{std::move(ends.first)};
    auto writing = loop.start(send_in_pieces(ends.second, all, seed + 1));
    const std::size_t manner = roll(with, 0, 2);
    std::size_t given_up = 0;
    for (std::size_t turns = 0; !of.is_over; ++turns) {
        REQUIRE(turns < 1'000'000);
        auto reading = manner == 0 ? loop.start(read_impatiently(reader, of, with))
                                   : loop.start(read_all(reader, of, with));
        // Left alone for some turns, then given up wherever it stands.
        const std::size_t patience = manner == 0 ? 1'000'000 : roll(with, 0, 12);
        for (std::size_t i = 0; i < patience && !reading.is_done(); ++i) {
            loop.turn();
            fake_clock::advance(200us);
        }
        if (reading.is_done()) {
            REQUIRE(reading.result());
            break;
        }
        ++given_up;
        if (manner == 1) {
            reading.destroy();
        } else {
            reading.stop();
            loop.run_until([&] { return reading.is_done(); });
            const auto ended = reading.result();
            REQUIRE((ended || ended.error() == errc::stopped));
        }
    }
    REQUIRE(of.taken == all.size());
    loop.run_until_idle();
    REQUIRE(writing.is_done());
    REQUIRE(writing.result());
    return given_up;
}

} // namespace

TEMPLATE_TEST_CASE("300 rounds of frames in random pieces, given up at random, lose nothing",
                   "[net][property]", over_sockets, in_memory, by_tasks<over_sockets>,
                   erased<over_sockets>, erased<in_memory>) {
    const std::uint32_t seed = std::random_device{}(); // tidy: not the library's dice
    CAPTURE(seed);
    std::size_t given_up = 0;
    for (std::uint32_t round = 0; round < 300; ++round) {
        CAPTURE(round);
        given_up += run_round<TestType>(seed + round);
    }
    CHECK(given_up > 300);
}
