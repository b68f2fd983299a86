// Streams with one defect each, to see that check_stream finds it: memory streams in a thin coat,
// whose operations are tasks.
#pragma once

#include <dunlin/loop/clock.hpp>
#include <dunlin/net/buffer.hpp>
#include <dunlin/sys/error.hpp>
#include <dunlin/task/scoped_task.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/task/yield.hpp>
#include <dunlin/testing/memory_stream.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

namespace dunlin::test {

enum class defect {
    none,
    swaps_bytes,         ///< The last two of a write.
    writes_behind_span,  ///< A zero, behind three bytes.
    reads_ahead_by_span, ///< And a read() does not know.
    misses_late_bytes,   ///< A reader that has waited for a millisecond is not woken.
    waits_to_read_nothing,
    ends_by_empty_write,
    loses_one_beyond_block, ///< Of 4097 bytes in one write.
    reads_only_between_writes,
    misses_late_room, ///< A writer that has waited for a millisecond is not woken.
    forgets_count,    ///< Of a write that succeeds.
    queues_readers,
    queues_writers,
    refuses_write_beside_read,
    hoards,    ///< A read of one byte takes all there is; the next ones do not pay for a turn.
    ends_once, ///< After a close, then it is an error.
    deaf_after_shutdown,
    shutdown_wakes_nobody,
    swallows_after_shutdown,
    ends_when_closed_unread, ///< Reading after the own close gives the end, if bytes were unread.
    writes_after_close,
    close_wakes_no_reader,
    close_wakes_no_writer,
    peer_wakes_no_reader,
    peer_wakes_no_writer,
    writes_to_closed_peer,
    ends_when_closed_twice, ///< Reading then gives the end.
    drop_loses_unread,      ///< The other side is told of a reset.
    stays_open_while_used,  ///< Though it was dropped.
    moved_from_shares,
    assignment_swaps,
    late_read_loses,   ///< A byte, when it is over after a millisecond.
    lets_others_first, ///< A reader does, and gives up if its time is over then.
    end_for_stopped,
    stopped_read_loses,    ///< A byte.
    destroyed_read_loses,  ///< A byte.
    late_write_forgets,    ///< `moved`, when it is over after a millisecond.
    stopped_write_forgets, ///< `moved`.
    counts_at_the_end,     ///< `moved` is not told before.
    cannot_be_stopped,     ///< A read that waits.
    throws_when_read,
};

/// What one end is.
struct defective_end {
    memory_stream inside;
    defect what = defect::none;
    defective_end* peer = nullptr;

    std::string ahead; ///< Bytes that were taken and not given.
    std::size_t written = 0;
    std::size_t read = 0;
    int owners = 0;
    int readers = 0;
    int writers = 0;
    int closes = 0;
    int ends_read = 0;
    bool was_shut = false;
    bool was_dropped = false;
    bool was_closed_unread = false;
    bool was_dropped_unread = false;
    bool loses_next = false;

    [[nodiscard]] bool has(defect asked) const noexcept { return what == asked; }
    [[nodiscard]] bool is_closed() const noexcept { return closes > 0 || was_dropped; }
    /// Whether a read has to wait.
    [[nodiscard]] bool has_nothing() const noexcept {
        return !is_closed() && !peer->is_closed() && !peer->was_shut && peer->written == read;
    }
};

/// Counts who is in an operation, and sees whether it was destroyed there.
class in_operation {
public:
    explicit in_operation(int& count) : count_{count} { ++count_; }
    in_operation(const in_operation&) = delete;
    in_operation& operator=(const in_operation&) = delete;
    ~in_operation() {
        --count_;
        if (!has_ended && destroyed != nullptr) *destroyed = true;
    }
    bool has_ended = false;
    bool* destroyed = nullptr; ///< To be told.

private:
    int& count_;
};

class defective_stream {
    using end = std::shared_ptr<defective_end>; // tasks that use it keep it alive

public:
    explicit defective_stream(end mine) : end_{std::move(mine)} { ++end_->owners; }
    defective_stream(defective_stream&& other) noexcept : end_{other.end_} {
        if (!end_) return;
        if (end_->has(defect::moved_from_shares))
            ++end_->owners;
        else
            other.end_ = nullptr;
    }
    defective_stream& operator=(defective_stream&& other) noexcept {
        if (end_ && end_->has(defect::assignment_swaps)) {
            std::swap(end_, other.end_);
            return *this;
        }
        drop();
        end_ = std::exchange(other.end_, nullptr);
        return *this;
    }
    ~defective_stream() { drop(); }

    io_task<buffer> read() { return read_buffer(end_); }
    io_task<std::size_t> read(std::span<std::byte> into) { return read_span(end_, into); }
    io_task<> write(std::span<const std::byte> bytes, std::size_t* moved = nullptr) {
        return write_bytes(end_, bytes, moved);
    }
    result<void> shutdown_write() {
        if (!end_) return errc::closed;
        end_->was_shut = true;
        return end_->inside.shutdown_write();
    }
    void close() {
        if (!end_) return;
        ++end_->closes;
        end_->was_closed_unread = end_->peer->written > end_->read;
        end_->inside.close();
    }

private:
    void drop() noexcept {
        if (!end_ || --end_->owners > 0) return;
        end_->was_dropped = true;
        end_->was_dropped_unread = end_->closes == 0 && end_->written > end_->peer->read;
        if (end_->has(defect::stays_open_while_used) && end_->readers + end_->writers > 0) return;
        end_->inside.close();
    }

    static constexpr std::chrono::milliseconds a_moment{1};
    static io_task<> never() { co_await sleep_for(std::chrono::hours{100}).or_return(); }

    static io_task<buffer> read_buffer(end e) {
        std::byte room[256];
        const std::size_t count = co_await read_by(e, room, true).or_return();
        std::byte* const block = detail::allocate_buffer();
        std::memcpy(block, room, count);
        co_return buffer{block, count};
    }

    static io_task<std::size_t> read_span(end e, std::span<std::byte> into) {
        if (into.empty() && e && e->has(defect::waits_to_read_nothing)) {
            while (e->has_nothing())
                co_await sleep_for(a_moment).or_return();
        }
        if (into.empty()) co_return std::size_t{0};
        if (e && e->has(defect::reads_ahead_by_span)) {
            if (e->ahead.empty()) {
                const auto data = co_await e->inside.read().or_return();
                e->ahead = data.text();
            }
            co_return take_ahead(*e, into);
        }
        const std::size_t count = co_await read_by(e, into, false).or_return();
        if (e->has(defect::writes_behind_span) && into.size() == 3)
            *(into.data() + into.size()) = std::byte{0};
        co_return count;
    }

    static std::size_t take_ahead(defective_end& e, std::span<std::byte> into) {
        const std::size_t count = e.ahead.copy(reinterpret_cast<char*>(into.data()), into.size());
        e.ahead.erase(0, count);
        return count;
    }

    static io_task<std::size_t> read_by(end e, std::span<std::byte> into, bool by_buffer) {
        if (!e) co_return errc::closed;
        if (e->has(defect::hoards) && !e->is_closed() && !e->ahead.empty())
            co_return take_ahead(*e, into);
        if (e->has(defect::hoards) && into.size() == 1) {
            const auto data = co_await e->inside.read().or_return();
            e->read += data.size();
            e->ahead = data.text();
            co_return take_ahead(*e, into);
        }
        in_operation reading{e->readers};
        if (e->has(defect::destroyed_read_loses)) reading.destroyed = &e->loses_next;
        co_await before_read(e).or_return();
        const time_point since = now();
        const bool was_stopped = stop_requested();
        const bool has_waited = e->has_nothing();
        if (e->loses_next) {
            std::byte lost[1];
            const std::size_t dropped = co_await e->inside.read(lost).or_return();
            e->read += dropped;
            e->loses_next = false;
        }
        auto given = co_await e->inside.read(into);
        reading.has_ended = true;
        const bool is_late = now() - since >= a_moment;
        if (given && given.assume_value() > 0) {
            e->read += given.assume_value();
            if (is_late && e->has(defect::misses_late_bytes)) co_await never().or_return();
        } else if (given) {
            ++e->ends_read;
            co_await at_end(e, has_waited).or_return();
        } else if (given.error() == errc::stopped) {
            if (by_buffer && e->has(is_late ? defect::late_read_loses : defect::stopped_read_loses))
                e->loses_next = true;
            if (by_buffer && was_stopped && e->has(defect::end_for_stopped))
                co_return std::size_t{0};
        } else if (e->closes > 0 && !e->was_dropped) {
            if (has_waited && e->has(defect::close_wakes_no_reader)) co_await never().or_return();
            if (e->was_closed_unread && e->has(defect::ends_when_closed_unread))
                co_return std::size_t{0};
            if (e->closes > 1 && e->has(defect::ends_when_closed_twice)) co_return std::size_t{0};
        }
        co_return given;
    }

    static io_task<> before_read(end e) {
        if (e->has(defect::throws_when_read)) {
            auto thrown = std::runtime_error{"from inside"};
            throw thrown;
        }
        while (e->has(defect::cannot_be_stopped) && e->has_nothing())
            co_await shield(never()).timeout(100 * a_moment).ignore();
        while (e->has(defect::reads_only_between_writes) && e->writers > 0)
            co_await sleep_for(a_moment).or_return();
        while (e->has(defect::queues_readers) && e->readers > 1)
            co_await sleep_for(a_moment).or_return();
        if (e->has(defect::lets_others_first)) co_await yield().or_return();
        if (e->has(defect::deaf_after_shutdown) && e->was_shut)
            e->peer->inside.shutdown_write().value();
    }

    static io_task<> at_end(end e, bool has_waited) {
        const bool is_closed = e->peer->closes > 0;
        const bool is_reset = (e->has(defect::ends_once) && is_closed && e->ends_read > 1) ||
                              (e->has(defect::drop_loses_unread) && e->peer->was_dropped_unread);
        if (is_reset) co_await fail(make_error_code(std::errc::connection_reset));
        const auto asleep =
            is_closed ? defect::peer_wakes_no_reader : defect::shutdown_wakes_nobody;
        if (has_waited && e->has(asleep)) co_await never().or_return();
    }

    static io_task<> write_bytes(end e, std::span<const std::byte> bytes, std::size_t* moved) {
        std::size_t count = 0;
        if (moved == nullptr) moved = &count;
        *moved = 0;
        if (!e) co_await fail(errc::closed);
        if (bytes.empty() && e->has(defect::ends_by_empty_write))
            e->inside.shutdown_write().value();
        if ((e->has(defect::writes_after_close) && e->closes == 1) ||
            (e->has(defect::swallows_after_shutdown) && e->was_shut) ||
            (e->has(defect::writes_to_closed_peer) && e->peer->closes > 0))
            co_return;
        in_operation writing{e->writers};
        while (e->has(defect::queues_writers) && e->writers > 1)
            co_await sleep_for(a_moment).or_return();
        if (e->has(defect::refuses_write_beside_read) && e->readers > 0) co_await fail(errc::busy);

        std::string text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
        if (e->has(defect::swaps_bytes) && text.size() > 1)
            std::swap(text[text.size() - 1], text[text.size() - 2]);
        if (e->has(defect::loses_one_beyond_block) && text.size() == 4097) text.pop_back();
        const time_point since = now();
        std::size_t* const counter = e->has(defect::counts_at_the_end) ? &count : moved;
        const auto given = co_await e->inside.write(text, counter);
        *moved = *counter;
        e->written += *moved;
        const bool is_late = now() - since >= a_moment;
        const bool has_waited = bytes.size() > 100;
        if (given) {
            if (is_late && e->has(defect::misses_late_room)) co_await never().or_return();
            if (e->has(defect::forgets_count)) *moved = 0;
            co_return;
        }
        if (given.error() == errc::stopped) {
            if (e->has(is_late ? defect::late_write_forgets : defect::stopped_write_forgets))
                *moved = 0;
        } else if (e->closes > 0 && !e->was_dropped) {
            if (has_waited && e->has(defect::close_wakes_no_writer)) co_await never().or_return();
        } else if (e->peer->closes > 0) {
            if (has_waited && e->has(defect::peer_wakes_no_writer)) co_await never().or_return();
        }
        co_await fail(given.error());
    }

    end end_;
};

/// Two ends that are connected; both have the defect.
inline std::pair<defective_stream, defective_stream> defective_pair(defect of,
                                                                    std::size_t capacity) {
    struct link {
        defective_end ends[2];
    };
    auto both = std::make_shared<link>();
    auto [first, second] = memory_stream_pair(capacity);
    both->ends[0].inside = std::move(first);
    both->ends[1].inside = std::move(second);
    for (int i = 0; i < 2; ++i) {
        both->ends[i].what = of;
        both->ends[i].peer = &both->ends[1 - i];
    }
    return {defective_stream{std::shared_ptr<defective_end>{both, &both->ends[0]}},
            defective_stream{std::shared_ptr<defective_end>{both, &both->ends[1]}}};
}

} // namespace dunlin::test
