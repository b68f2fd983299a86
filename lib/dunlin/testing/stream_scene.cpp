#include <dunlin/testing/detail/stream_scene.hpp>

#include <dunlin/sys/error.hpp>
#include <dunlin/task/yield.hpp>

#include <algorithm>
#include <utility>

namespace dunlin::detail {

io_task<> stream_scene::renew() {
    auto made = co_await source.make().timeout(options.patience);
    std::string instead;
    if (!made) instead = in_words(made.error());
    co_await dunlin::or_return(
        expect(made.has_value(), "make_pair gives two connected streams", instead));
    here = std::move(made.assume_value().here);
    there = std::move(made.assume_value().there);
}

result<void> stream_scene::expect(bool is_so, std::string_view what, std::string_view instead) {
    if (is_so) return success();
    if (expected.empty()) {
        expected = what;
        seen = instead;
    }
    return make_error_code(std::errc::protocol_error);
}

result<void> stream_scene::expect_bytes(std::string_view came, std::string_view sent) {
    const auto differ = std::mismatch(came.begin(), came.end(), sent.begin(), sent.end());
    std::string instead = std::to_string(came.size()) + " bytes";
    if (differ.first != came.end() && differ.second != sent.end())
        instead += ", of which number " + std::to_string(differ.first - came.begin()) +
                   " is another than was sent";
    return expect(came == sent, std::to_string(sent.size()) + " bytes as they were sent", instead);
}

io_task<> stream_scene::put(any_stream& to, std::string_view bytes) {
    const auto given = co_await to.write(bytes).timeout(options.patience);
    co_await dunlin::or_return(
        expect(given.has_value(), "a write of " + std::to_string(bytes.size()) + " bytes succeeds",
               in_words(given)));
}

io_task<std::string> stream_scene::get_some(any_stream& from, std::size_t most) {
    std::string into(most, '\0');
    const auto given =
        co_await from.read(std::as_writable_bytes(std::span{into})).timeout(options.patience);
    co_await dunlin::or_return(
        expect(given && given.assume_value() > 0 && given.assume_value() <= most,
               "a read gives from 1 to " + std::to_string(most) + " bytes", in_words(given)));
    into.resize(given.assume_value());
    co_return into;
}

io_task<std::string> stream_scene::get(any_stream& from, std::size_t size, std::size_t piece) {
    std::string all;
    while (all.size() < size) {
        const std::size_t most = std::min(piece, size - all.size());
        const auto came = co_await get_some(from, most).or_return();
        all += came;
    }
    co_return all;
}

io_task<std::string> stream_scene::get_to_end(any_stream& from, std::size_t piece) {
    std::string all;
    std::string into(piece, '\0');
    for (;;) {
        const auto given =
            co_await from.read(std::as_writable_bytes(std::span{into})).timeout(options.patience);
        co_await dunlin::or_return(
            expect(given && given.assume_value() <= piece,
                   "reads that give what was sent and then the end of the stream",
                   in_words(given) + " after " + std::to_string(all.size()) + " bytes"));
        if (given.assume_value() == 0) break;
        all.append(into, 0, given.assume_value());
    }
    co_return all;
}

io_task<> stream_scene::get_end(any_stream& from) {
    std::byte into[1];
    const auto by_span = co_await from.read(into).timeout(options.patience);
    co_await dunlin::or_return(expect(by_span && by_span.assume_value() == 0,
                                      "read(span) gives 0 at the end, each time",
                                      in_words(by_span)));
    const auto by_buffer = co_await from.read().timeout(options.patience);
    co_await dunlin::or_return(expect(by_buffer && by_buffer.assume_value().is_end(),
                                      "read() gives an empty buffer at the end, each time",
                                      in_words(by_buffer)));
}

io_task<> stream_scene::get_nothing(any_stream& from) {
    std::byte into[1];
    const auto given = co_await from.read(into).timeout(options.quiet);
    co_await dunlin::or_return(
        expect_error(given, errc::timeout, "nothing (more) to read at the other side"));
}

io_task<> let_others_run() {
    // One turn to begin, and more for streams that are made of tasks which hand on to each other.
    for (int turn = 0; turn < 8; ++turn)
        co_await yield().or_return();
}

std::string pattern(std::size_t size, std::uint32_t seed) {
    std::string all(size, '\0');
    std::uint32_t state = seed * 2654435761U + 1;
    for (char& each : all) {
        state = state * 1664525U + 1013904223U; // Numerical Recipes' generator; its low bits repeat
        each = static_cast<char>(static_cast<unsigned char>(state >> 24));
    }
    return all;
}

std::span<const std::byte> as_bytes(std::string_view text) noexcept {
    return std::as_bytes(std::span{text.data(), text.size()});
}

io_task<std::string> read_once(any_stream& from, read_by how) {
    if (how == read_by::buffer) {
        const auto data = co_await from.read().or_return();
        co_return std::string{data.text()};
    }
    std::string into(64, '\0');
    const std::size_t count =
        co_await from.read(std::as_writable_bytes(std::span{into})).or_return();
    into.resize(std::min(count, into.size()));
    co_return into;
}

io_task<> write_all(any_stream& to, std::string_view bytes, std::size_t* moved) {
    co_await to.write(bytes, moved).or_return();
}

std::string in_words(std::error_code why) { return "the error \"" + why.message() + "\""; }

std::string in_words(const result<void>& given) {
    return given ? "success" : in_words(given.error());
}

std::string in_words(const result<std::size_t>& given) {
    return given ? std::to_string(given.assume_value()) + " bytes" : in_words(given.error());
}

std::string in_words(const result<std::string>& given) {
    return given ? std::to_string(given.assume_value().size()) + " bytes" : in_words(given.error());
}

std::string in_words(const result<buffer>& given) {
    return given ? std::to_string(given.assume_value().text().size()) + " bytes"
                 : in_words(given.error());
}

} // namespace dunlin::detail
