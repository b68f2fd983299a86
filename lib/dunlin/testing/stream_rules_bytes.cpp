// Rules about bytes: that they arrive, in order and whole, and who may move them when.
#include <dunlin/testing/detail/stream_rules.hpp>

#include <dunlin/sys/error.hpp>

#include <algorithm>
#include <string>

namespace dunlin::detail {

namespace {

// Named, as g++ 12 knows little of temporaries that outlast an await.
constexpr std::size_t asked_for[] = {1, 3, 10};
constexpr std::size_t sizes[] = {1, 2, 3, 100, 1000, 4096, 4097, 33'000};
constexpr std::size_t pieces[] = {1, 7, 512, 4096, 33'000};

io_task<> arrive_in_order(stream_scene& s) {
    any_stream* const ends[] = {&s.here, &s.there};
    for (any_stream* const from : ends) {
        any_stream& to = from == &s.here ? s.there : s.here;
        co_await s.put(*from, "first").or_return();
        co_await s.put(*from, ", then").or_return();
        const auto came = co_await s.get(to, 11).or_return();
        co_await or_return(s.expect_bytes(came, "first, then"));
    }
}

io_task<> read_gives_what_was_asked(stream_scene& s) {
    const std::string sent = "0123456789";
    for (const std::size_t most : asked_for) {
        co_await s.put(s.there, sent).or_return();
        std::string came;
        while (came.size() < sent.size()) {
            std::string into(most + 4, '?'); // the rest is not the stream's to write to
            const auto room = std::as_writable_bytes(std::span{into}).first(most);
            const auto given = co_await s.here.read(room).timeout(s.options.patience);
            co_await or_return(s.expect(
                given && given.assume_value() > 0 && given.assume_value() <= most,
                "a read gives from 1 to " + std::to_string(most) + " bytes", in_words(given)));
            co_await or_return(s.expect(into.compare(most, 4, "????") == 0,
                                        "a read leaves alone what lies behind its span",
                                        "other bytes there"));
            came.append(into, 0, given.assume_value());
        }
        co_await or_return(s.expect_bytes(came, sent));
    }
}

io_task<> buffers_and_spans_mix(stream_scene& s) {
    const std::string sent = "0123456789";
    co_await s.put(s.there, sent).or_return();
    auto came = co_await s.get_some(s.here, 3).or_return();
    while (came.size() < sent.size()) {
        const auto given = co_await s.here.read().timeout(s.options.patience);
        co_await or_return(s.expect(given && !given.assume_value().is_end(),
                                    "a read gives a buffer with bytes in it", in_words(given)));
        came += given.assume_value().text();
    }
    co_await or_return(s.expect_bytes(came, sent));
}

io_task<> read_waits(stream_scene& s) {
    for (const read_by how : each_read) {
        running<std::string> reading{read_once(s.here, how)};
        const auto what = "a read waits as long as there is nothing";
        const bool has_ended = co_await reading.ends_within(s.options.quiet);
        co_await or_return(s.expect(!has_ended, what, in_words(reading)));
        co_await s.put(s.there, "x").or_return();
        const auto came =
            co_await s.finish(reading, "a waiting read gives what has come").or_return();
        co_await or_return(s.expect_bytes(came, "x"));
    }
}

io_task<> read_of_nothing(stream_scene& s) {
    for (int round = 0; round < 2; ++round) { // nothing is there, then something is
        const auto given = co_await s.here.read(std::span<std::byte>{}).timeout(s.options.patience);
        co_await or_return(s.expect(given && given.assume_value() == 0,
                                    "a read into no bytes gives 0 at once", in_words(given)));
        if (round == 0) co_await s.put(s.there, "abc").or_return();
    }
    const auto came = co_await s.get(s.here, 3).or_return();
    co_await or_return(s.expect_bytes(came, "abc"));
}

io_task<> write_of_nothing(stream_scene& s) {
    co_await s.put(s.there, "").or_return();
    co_await s.get_nothing(s.here).or_return();
    co_await s.put(s.there, "abc").or_return();
    const auto came = co_await s.get(s.here, 3).or_return();
    co_await or_return(s.expect_bytes(came, "abc"));
}

io_task<> write_in_pieces(stream_scene& s, any_stream& to, std::string_view all,
                          std::size_t piece) {
    for (std::size_t at = 0; at < all.size(); at += piece)
        co_await s.put(to, all.substr(at, piece)).or_return();
}

io_task<> sizes_and_pieces(stream_scene& s) {
    std::uint32_t seed = 0;
    for (const std::size_t size : sizes) {
        for (const std::size_t piece : pieces) {
            if (size / piece > 200) continue; // enough of these
            const std::string sent = pattern(size, ++seed);
            running<> writing{write_in_pieces(s, s.there, sent, piece)};
            // Not the same pieces as were written.
            const std::size_t read_piece = size <= 1000 ? 5 : 300 + 100'000 / piece;
            const auto came = co_await s.get(s.here, size, read_piece).or_return();
            co_await or_return(s.expect_bytes(came, sent));
            co_await s.finish(writing, "the writes succeed").or_return();
        }
    }
}

io_task<> both_ways_at_once(stream_scene& s) {
    // More than twice: who reads once and then waits for his own write is found, too.
    const std::string ours = pattern(2 * s.options.most_held + 1, 1);
    const std::string theirs = pattern(2 * s.options.most_held + 1, 2);
    running<> writing{write_all(s.here, ours)};
    running<> answering{write_all(s.there, theirs)};
    running<std::string> reading{s.get(s.there, ours.size())};
    const auto came_back = co_await s.get(s.here, theirs.size()).or_return();
    co_await or_return(s.expect_bytes(came_back, theirs));
    const auto came = co_await s.finish(reading, "the other side reads all of it").or_return();
    co_await or_return(s.expect_bytes(came, ours));
    co_await s.finish(writing, "a write succeeds whose bytes were read").or_return();
    co_await s.finish(answering, "a write succeeds whose bytes were read").or_return();
}

io_task<> writer_waits(stream_scene& s) {
    const std::string sent = pattern(s.options.most_held + 1, 3);
    running<> writing{write_all(s.here, sent)};
    const bool has_ended = co_await writing.ends_within(s.options.quiet);
    co_await or_return(
        s.expect(!has_ended, "a write of more than most_held bytes waits", in_words(writing)));
    const auto came = co_await s.get(s.there, sent.size()).or_return();
    co_await or_return(s.expect_bytes(came, sent));
    co_await s.finish(writing, "a write succeeds whose bytes were read").or_return();
}

io_task<> writes_count(stream_scene& s) {
    std::size_t moved = 77;
    const auto given =
        co_await s.here.write(std::string_view{"abc"}, &moved).timeout(s.options.patience);
    co_await or_return(s.expect(given && moved == 3, "a write of 3 bytes makes `moved` 3",
                                in_words(given) + ", `moved` is " + std::to_string(moved)));
}

io_task<> second_reader_is_busy(stream_scene& s) {
    for (const read_by first_way : each_read) {
        for (const read_by second_way : each_read) {
            running<std::string> first{read_once(s.here, first_way)};
            co_await s.let_wait(first, "a read waits as long as there is nothing").or_return();
            running<std::string> second{read_once(s.here, second_way)};
            const auto what = "a second reader gets the error `busy`, and does not wait";
            co_await s.finish_with(second, errc::busy, what).or_return();
            const auto undisturbed = "the first reader waits on, and gets what comes";
            co_await s.let_wait(first, undisturbed).or_return();
            co_await s.put(s.there, "x").or_return();
            const auto came = co_await s.finish(first, undisturbed).or_return();
            co_await or_return(s.expect_bytes(came, "x"));
        }
    }
}

io_task<> second_writer_is_busy(stream_scene& s) {
    const std::string sent = pattern(s.options.most_held + 1, 4);
    running<> first{write_all(s.here, sent)};
    co_await s.let_wait(first, "a write of more than most_held bytes waits").or_return();
    std::size_t moved = 77;
    running<> second{write_all(s.here, "not this", &moved)};
    const auto what = "a second writer gets the error `busy`, and does not wait";
    co_await s.finish_with(second, errc::busy, what).or_return();
    const auto came = co_await s.get(s.there, sent.size()).or_return();
    co_await or_return(s.expect_bytes(came, sent));
    co_await s.finish(first, "the first writer goes on to its end").or_return();
    co_await s.get_nothing(s.there).or_return();
}

io_task<> reader_beside_writer(stream_scene& s) {
    const std::string sent = pattern(s.options.most_held + 1, 5);
    running<std::string> reading{read_once(s.here, read_by::span)};
    co_await s.let_wait(reading, "a read waits as long as there is nothing").or_return();
    running<> writing{write_all(s.here, sent)};
    co_await s.let_wait(writing, "a writer waits beside a reader").or_return();
    co_await s.put(s.there, "x").or_return();
    const auto came =
        co_await s.finish(reading, "a reader gets what comes, though a writer waits").or_return();
    co_await or_return(s.expect_bytes(came, "x"));
    const auto rest = co_await s.get(s.there, sent.size()).or_return();
    co_await or_return(s.expect_bytes(rest, sent));
    co_await s.finish(writing, "the writer goes on to its end").or_return();
}

io_task<> stand_by() { co_return; }

io_task<> lets_others_run_too(stream_scene& s) {
    const std::string sent = pattern(1000, 12);
    const auto what = "another task has its turn meanwhile";
    running<std::string> reading{s.get(s.there, sent.size())}; // if it holds less, it takes turns
    running<> beside_writer{stand_by()};
    for (const char& each : sent)
        co_await s.put(s.here, {&each, 1}).or_return();
    co_await or_return(
        s.expect(beside_writer.has_ended(), what, "1000 writes of one byte without a pause"));
    const auto came = co_await s.finish(reading, "the other side reads all of it").or_return();
    co_await or_return(s.expect_bytes(came, sent));

    running<> writing{write_all(s.there, sent)};
    co_await let_others_run().or_return();
    running<> beside_reader{stand_by()};
    const auto came_back = co_await s.get(s.here, sent.size(), 1).or_return();
    co_await or_return(s.expect_bytes(came_back, sent));
    co_await or_return(
        s.expect(beside_reader.has_ended(), what, "1000 reads of one byte without a pause"));
    co_await s.finish(writing, "a write succeeds whose bytes were read").or_return();
}

constexpr stream_rule rules[] = {
    {"bytes arrive in order and whole, both ways", arrive_in_order},
    {"a read gives at least one byte, and at most what was asked for", read_gives_what_was_asked},
    {"reads into buffers and into spans may take turns", buffers_and_spans_mix},
    {"a read waits until something comes", read_waits},
    {"a read into no bytes gives 0 at once, and takes nothing", read_of_nothing},
    {"a write of no bytes is done at once, and the other side sees nothing of it",
     write_of_nothing},
    {"any number of bytes arrives, in whatever pieces it is written and read", sizes_and_pieces},
    {"far more than it holds goes both ways at once", both_ways_at_once, rule_needs::clogged},
    {"a writer waits while nobody reads, and goes on when the other side does", writer_waits,
     rule_needs::clogged},
    {"a write counts in `moved` what was taken", writes_count},
    {"a second reader is refused as busy, and the first one left alone", second_reader_is_busy},
    {"a second writer is refused as busy, and the first one left alone", second_writer_is_busy,
     rule_needs::clogged},
    {"one task may read while another writes", reader_beside_writer, rule_needs::clogged},
    {"who never has to wait lets others run all the same", lets_others_run_too},
};

} // namespace

std::span<const stream_rule> rules_about_bytes() noexcept { return rules; }

} // namespace dunlin::detail
