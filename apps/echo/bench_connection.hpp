// One connection of the load generator: what it has sent, and whether that comes back.
#pragma once

#include "bench_histogram.hpp"
#include "bench_pattern.hpp"

#include <dunlin/dunlin.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace echo::bench {

/// A time in which a target has load, and what came of it. Its connections take messages from it
/// as long as there are any.
struct turn {
    dunlin::time_point until = dunlin::time_point::max();
    std::uint64_t left = UINT64_MAX; ///< Messages that may still be sent.
    std::uint64_t messages = 0;      ///< Those that came back.
    std::uint64_t bytes = 0;         ///< Likewise: tells whether anything moves.
    histogram latencies;

    /// How many of `wanted` messages may be sent at that time.
    std::uint64_t take(std::uint64_t wanted, dunlin::time_point at) noexcept {
        if (at >= until) return 0;
        wanted = wanted < left ? wanted : left;
        left -= wanted;
        return wanted;
    }
};

/// Neither copied nor moved.
class connection {
public:
    /// Before anything else. `depth`: messages that are in flight at most.
    void prepare(const pattern& bytes, pattern::place beginning, std::size_t size,
                 std::size_t depth);

    /// Takes over a socket; what an earlier one left unfinished is forgotten.
    void begin_with(dunlin::tcp_socket connected) noexcept;

    /// Keeps `depth` messages in flight until `in` has no more, then waits for those. Error: the
    /// socket's; `end_of_stream`; `bad_message` if what came back is not what was sent.
    dunlin::io_task<> converse(turn& in);

    /// Sends one message and waits for it. Adds what comes back to `bytes`.
    dunlin::io_task<> echo_one(std::uint64_t& bytes);

    /// Ends our half and waits for the server's end: it must have nothing more to say. Error:
    /// `bad_message`.
    dunlin::io_task<> part();

    /// An error of these in words, with the place at which it happened.
    [[nodiscard]] std::string to_words(std::error_code why) const;

    /// Where the next byte to come back belongs.
    [[nodiscard]] std::string where() const { return where(received_); }

    void close() noexcept { socket_.close(); }
    [[nodiscard]] dunlin::tcp_socket& socket() noexcept { return socket_; }

    /// Messages that came back in `converse`, since the last `forget_served`.
    [[nodiscard]] std::uint64_t served() const noexcept { return served_; }
    void forget_served() noexcept { served_ = 0; }

private:
    /// So much fits into the kernel's buffers of one connection, both ways. What is more is sent
    /// beside the reading: with all buffers full, a server that waits for us to read would not read
    /// any more itself.
    static constexpr std::size_t fits = pattern::longest;

    [[nodiscard]] std::string where(std::uint64_t at) const;
    [[nodiscard]] std::span<const std::byte> next(std::uint64_t messages) noexcept;
    [[nodiscard]] bool take_in(std::span<const std::byte> came) noexcept;
    void note_wrong(std::span<const std::byte> came) noexcept;
    std::uint64_t note_back(std::size_t bytes, dunlin::time_point at, turn& in) noexcept;
    void note_sent(std::uint64_t messages, dunlin::time_point at) noexcept;
    [[nodiscard]] bool is_all_back() const noexcept { return received_ == granted_; }

    dunlin::io_task<> converse_in_one(turn& in);
    dunlin::io_task<> converse_in_two(turn& in);
    dunlin::io_task<> receive_for(turn& in);
    dunlin::io_task<> receive_rest(std::uint64_t& bytes);
    dunlin::io_task<> send_granted();

    dunlin::tcp_socket socket_;
    const pattern* pattern_ = nullptr;
    std::size_t size_ = 0;
    pattern::place send_at_ = 0;
    pattern::place receive_at_ = 0;
    std::uint64_t granted_ = 0;  ///< Bytes that are sent, or are to be.
    std::uint64_t sent_ = 0;     ///< Of these; only known where sending stands apart.
    std::uint64_t received_ = 0; ///< Of these, right ones.
    std::size_t begun_ = 0;      ///< Bytes of the message that is coming back.
    std::uint64_t served_ = 0;

    std::vector<dunlin::time_point> sent_times_; ///< A ring, of those in flight.
    std::size_t oldest_ = 0;
    std::size_t newest_ = 0; ///< Behind it.

    dunlin::event more_; ///< To send, or the end of sending; only where that stands apart.
    bool has_ended_ = false;

    struct difference {
        std::uint64_t at;
        std::byte came;
        std::byte wanted;
        std::size_t extra;
    };
    difference wrong_ = {};
};

} // namespace echo::bench
