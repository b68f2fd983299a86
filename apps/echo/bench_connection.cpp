#include "bench_connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

namespace echo::bench {

namespace {

std::error_code bad_message() noexcept { return std::make_error_code(std::errc::bad_message); }

} // namespace

void connection::prepare(const pattern& bytes, pattern::place beginning, std::size_t size,
                         std::size_t depth) {
    pattern_ = &bytes;
    send_at_ = receive_at_ = beginning;
    size_ = size;
    sent_times_.resize(depth);
}

void connection::begin_with(dunlin::tcp_socket connected) noexcept {
    socket_ = std::move(connected);
    send_at_ = receive_at_;
    granted_ = sent_ = received_ = 0;
    begun_ = 0;
}

// ---- what is sent and what comes back

/// Grants them, and gives their bytes, which are in one piece if they fit.
std::span<const std::byte> connection::next(std::uint64_t messages) noexcept {
    const auto size = static_cast<std::size_t>(messages) * size_;
    const auto bytes = pattern_->at(send_at_, size);
    send_at_ = pattern_->after(send_at_, size);
    granted_ += size;
    return bytes;
}

/// False if these are not the bytes that were to come.
bool connection::take_in(std::span<const std::byte> came) noexcept {
    const auto wanted = pattern_->at(receive_at_, came.size());
    if (came.size() > granted_ - received_ ||
        std::memcmp(came.data(), wanted.data(), came.size()) != 0) {
        note_wrong(came);
        return false;
    }
    receive_at_ = pattern_->after(receive_at_, came.size());
    received_ += came.size();
    return true;
}

void connection::note_wrong(std::span<const std::byte> came) noexcept {
    const std::uint64_t expected = granted_ - received_;
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(came.size(), expected));
    const auto wanted = pattern_->at(receive_at_, size);
    const auto differ = std::ranges::mismatch(came.first(size), wanted);
    if (differ.in2 == wanted.end()) {
        wrong_ = {.at = granted_, .came = {}, .wanted = {}, .extra = came.size() - size};
    } else {
        const auto right = static_cast<std::uint64_t>(differ.in2 - wanted.begin());
        wrong_ = {.at = received_ + right, .came = *differ.in1, .wanted = *differ.in2, .extra = 0};
    }
}

void connection::note_sent(std::uint64_t messages, dunlin::time_point at) noexcept {
    for (; messages > 0; --messages) {
        sent_times_[newest_] = at;
        if (++newest_ == sent_times_.size()) newest_ = 0;
    }
}

/// Counts the messages that are whole now; their number.
std::uint64_t connection::note_back(std::size_t bytes, dunlin::time_point at, turn& in) noexcept {
    std::uint64_t whole = 0;
    begun_ += bytes;
    for (; begun_ >= size_; begun_ -= size_, ++whole) {
        in.latencies.add((at - sent_times_[oldest_]).count());
        if (++oldest_ == sent_times_.size()) oldest_ = 0;
    }
    in.bytes += bytes;
    in.messages += whole;
    served_ += whole;
    return whole;
}

// ---- the load

dunlin::io_task<> connection::converse(turn& in) {
    oldest_ = newest_ = 0;
    if (size_ * sent_times_.size() <= fits)
        co_await converse_in_one(in).or_return();
    else
        co_await converse_in_two(in).or_return();
}

dunlin::io_task<> connection::converse_in_one(turn& in) {
    const auto begun = dunlin::now();
    const std::uint64_t first = in.take(sent_times_.size(), begun);
    if (first == 0) co_return;
    note_sent(first, begun);
    const auto beginning = next(first);
    co_await socket_.write(beginning).or_return();
    while (!is_all_back()) {
        const auto data = co_await socket_.read().or_return();
        const auto came_at = dunlin::now();
        if (data.is_end()) co_await dunlin::fail(dunlin::errc::end_of_stream);
        if (!take_in(data)) co_await dunlin::fail(bad_message());
        const std::uint64_t back = note_back(data.size(), came_at, in);
        const std::uint64_t again = back > 0 ? in.take(back, came_at) : 0;
        if (again == 0) continue;
        note_sent(again, came_at);
        const auto bytes = next(again);
        co_await socket_.write(bytes).or_return();
    }
}

dunlin::io_task<> connection::converse_in_two(turn& in) {
    has_ended_ = false;
    more_.reset();
    co_await dunlin::when_all(send_granted(), receive_for(in)).or_return();
}

dunlin::io_task<> connection::receive_for(turn& in) {
    const auto begun = dunlin::now();
    const std::uint64_t first = in.take(sent_times_.size(), begun);
    note_sent(first, begun);
    granted_ += first * size_;
    more_.set();
    while (!is_all_back()) {
        const auto data = co_await socket_.read().or_return();
        const auto came_at = dunlin::now();
        if (data.is_end()) co_await dunlin::fail(dunlin::errc::end_of_stream);
        if (!take_in(data)) co_await dunlin::fail(bad_message());
        const std::uint64_t back = note_back(data.size(), came_at, in);
        const std::uint64_t again = back > 0 ? in.take(back, came_at) : 0;
        if (again == 0) continue;
        note_sent(again, came_at);
        granted_ += again * size_;
        more_.set();
    }
    has_ended_ = true;
    more_.set();
}

dunlin::io_task<> connection::send_granted() {
    for (;;) {
        while (sent_ < granted_) {
            const std::uint64_t left = granted_ - sent_;
            const auto bytes = pattern_->at(send_at_, std::min<std::uint64_t>(left, fits));
            co_await socket_.write(bytes).or_return();
            send_at_ = pattern_->after(send_at_, bytes.size());
            sent_ += bytes.size();
        }
        if (has_ended_) co_return;
        more_.reset();
        co_await more_.wait().or_return();
    }
}

dunlin::io_task<> connection::echo_one(std::uint64_t& bytes) {
    if (size_ <= fits) {
        const auto message = next(1);
        co_await socket_.write(message).or_return();
        co_await receive_rest(bytes).or_return();
    } else {
        granted_ += size_;
        has_ended_ = true; // nothing more will be granted
        co_await dunlin::when_all(send_granted(), receive_rest(bytes)).or_return();
    }
}

dunlin::io_task<> connection::receive_rest(std::uint64_t& bytes) {
    while (!is_all_back()) {
        const auto data = co_await socket_.read().or_return();
        if (data.is_end()) co_await dunlin::fail(dunlin::errc::end_of_stream);
        if (!take_in(data)) co_await dunlin::fail(bad_message());
        bytes += data.size();
    }
}

dunlin::io_task<> connection::part() {
    co_await dunlin::or_return(socket_.shutdown_write());
    const auto data = co_await socket_.read().or_return();
    if (data.is_end()) co_return;
    note_wrong(data);
    co_await dunlin::fail(bad_message());
}

// ---- words

std::string connection::where(std::uint64_t at) const {
    return fmt::format("message {}, byte {}", at / size_, at % size_);
}

std::string connection::to_words(std::error_code why) const {
    if (why == bad_message() && wrong_.extra > 0 && wrong_.at == 0)
        return fmt::format("the echo is wrong: {} bytes came before any were sent", wrong_.extra);
    if (why == bad_message() && wrong_.extra > 0)
        return fmt::format("the echo is wrong: {} more bytes than were sent came after {}",
                           wrong_.extra, where(wrong_.at - 1));
    if (why == bad_message())
        return fmt::format("the echo is wrong: {} is {:#04x} instead of {:#04x}", where(wrong_.at),
                           std::to_integer<unsigned>(wrong_.came),
                           std::to_integer<unsigned>(wrong_.wanted));
    if (why == dunlin::errc::end_of_stream)
        return fmt::format("the server closed the connection at {}", where());
    return fmt::format("the connection was lost at {}: {}", where(), why.message());
}

} // namespace echo::bench
