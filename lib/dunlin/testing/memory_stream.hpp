// Two connected streams in memory, for tests of handlers that take any stream.
//
//     auto [here, there] = memory_stream_pair(4096);
//
// What is written at one end is read at the other, in order. It is bounded, so a writer that is
// ahead waits; ends, errors, `busy` and stops are those of a tcp_socket, but that closing with
// unread input resets nothing. No system call is made. Both ends are used by tasks of one
// scheduler.
#pragma once

#include <dunlin/loop/operation.hpp>
#include <dunlin/net/buffer.hpp>
#include <dunlin/net/socket_sides.hpp>
#include <dunlin/result.hpp>
#include <dunlin/util/api.hpp>
#include <dunlin/util/slice.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace dunlin {

namespace detail {

/// What both ends share; lives until the last end and the last operation are gone.
class memory_link;

/// Which of the two ends.
enum class memory_side : std::uint8_t { first, second };

/// An end's share of the link. Empty once it was moved from.
class DUNLIN_API memory_link_owner {
public:
    memory_link_owner() noexcept = default;
    explicit memory_link_owner(memory_link* shared) noexcept;
    memory_link_owner(const memory_link_owner& other) noexcept : memory_link_owner{other.link_} {}
    memory_link_owner(memory_link_owner&& other) noexcept
        : link_{std::exchange(other.link_, nullptr)} {}
    memory_link_owner& operator=(memory_link_owner other) noexcept {
        std::swap(link_, other.link_);
        return *this;
    }
    ~memory_link_owner();

    [[nodiscard]] memory_link* get() const noexcept { return link_; }

private:
    memory_link* link_ = nullptr;
};

} // namespace detail

/// The base of the operations below: waits in the reader's or the writer's place of its end. They
/// allocate nothing (but a leased buffer), and none refers to the stream object.
class DUNLIN_API memory_operation : public operation {
public:
    bool attempt() noexcept override;

protected:
    memory_operation(const detail::memory_link_owner& link, detail::memory_side side,
                     bool is_read) noexcept
        : link_{link}, side_{side}, is_read_{is_read} {}
    ~memory_operation();

    bool begin_to_use() noexcept;

    /// One try: true when it is over and has its outcome.
    virtual bool try_now() noexcept = 0;

    detail::memory_link_owner link_;
    detail::memory_side side_;

private:
    [[nodiscard]] operation*& place() noexcept;
    [[nodiscard]] bool is_closed() const noexcept;
    [[nodiscard]] detail::outcome why_not_stay() const noexcept;

    bool is_read_;
};

/// Single step: stopped or destroyed it has taken nothing.
class [[nodiscard]] DUNLIN_API memory_read_operation final
    : public memory_operation,
      public spellings<memory_read_operation> {
public:
    using value_type = std::size_t;
    memory_read_operation(const detail::memory_link_owner& link, detail::memory_side side,
                          std::span<std::byte> into) noexcept
        : memory_operation{link, side, true}, into_{into} {}
    ~memory_read_operation() = default;

    bool begin() noexcept;
    std::size_t take() noexcept { return static_cast<std::size_t>(outcome_); }

private:
    bool try_now() noexcept override;

    std::span<std::byte> into_;
};

/// Single step, too. A buffer is leased only once data is there.
class [[nodiscard]] DUNLIN_API memory_read_buffer_operation final
    : public memory_operation,
      public spellings<memory_read_buffer_operation> {
public:
    using value_type = buffer;
    memory_read_buffer_operation(const detail::memory_link_owner& link,
                                 detail::memory_side side) noexcept
        : memory_operation{link, side, true} {}
    ~memory_read_buffer_operation() = default;

    bool begin() noexcept;
    buffer take() noexcept { return std::move(came_); }

private:
    bool try_now() noexcept override;

    buffer came_;
};

/// Many steps: some bytes may have been taken when it ends with an error or is destroyed; `*moved`.
class [[nodiscard]] DUNLIN_API memory_write_operation final
    : public memory_operation,
      public spellings<memory_write_operation> {
public:
    using value_type = void;
    memory_write_operation(const detail::memory_link_owner& link, detail::memory_side side,
                           detail::slice bytes, std::size_t* moved) noexcept
        : memory_operation{link, side, false}, bytes_{bytes}, moved_{moved} {
        if (moved_ != nullptr) *moved_ = 0;
    }
    ~memory_write_operation() = default;

    bool begin() noexcept;
    void take() noexcept {}

private:
    bool try_now() noexcept override;

    detail::slice bytes_; ///< What is still to be taken.
    std::size_t* moved_;
};

/// One of two connected ends. Move-only; one that was made of nothing or moved from is closed.
class DUNLIN_API memory_stream {
public:
    memory_stream() noexcept = default;
    memory_stream(memory_stream&&) noexcept = default;
    memory_stream& operator=(memory_stream&& other) noexcept {
        if (this == &other) return *this;
        close();
        link_ = std::move(other.link_);
        side_ = other.side_;
        return *this;
    }
    /// Closes it.
    ~memory_stream() { close(); }

    /// Waits for bytes and gives them in a leased buffer, at most 32 KiB; an empty one means that
    /// the other end has finished. One that is stopped or destroyed has taken nothing.
    /// Errors: `closed`, `stopped`, `timeout`, `busy`, not_enough_memory.
    [[nodiscard]] memory_read_buffer_operation read() noexcept {
        return memory_read_buffer_operation{link_, side_};
    }

    /// Reads what has come, up to `into.size()` bytes; 0 at the end, or if `into` is empty.
    [[nodiscard]] memory_read_operation read(std::span<std::byte> into) noexcept {
        return memory_read_operation{link_, side_, into};
    }

    /// Writes all of `bytes`, waiting for room. If it fails, is stopped or is destroyed, `*moved`
    /// (if given) says how many were written.
    /// Errors: broken_pipe when the other end is closed or this one shut down; as above.
    template <detail::writable_bytes Bytes>
    [[nodiscard]] memory_write_operation write(const Bytes& bytes,
                                               std::size_t* moved = nullptr) noexcept {
        return memory_write_operation{link_, side_, detail::slice_of(bytes), moved};
    }

    /// The other end reads what was written, then the end of the stream.
    result<void> shutdown_write() noexcept;

    /// The same, and the other end's writes fail. Whoever waits on this end is told `closed`, and
    /// the other end's waiters hear of it. Idempotent.
    void close() noexcept;

    [[nodiscard]] bool is_open() const noexcept { return link_.get() != nullptr; }

private:
    friend std::pair<memory_stream, memory_stream> memory_stream_pair(std::size_t capacity);
    memory_stream(detail::memory_link_owner link, detail::memory_side side) noexcept
        : link_{std::move(link)}, side_{side} {}

    detail::memory_link_owner link_;
    detail::memory_side side_ = detail::memory_side::first;
};

/// Two connected ends. Each direction holds up to `capacity` bytes, at least one (asserted).
/// Allocates; throws bad_alloc when memory is refused.
[[nodiscard]] DUNLIN_API std::pair<memory_stream, memory_stream>
memory_stream_pair(std::size_t capacity = std::size_t{64} * 1024);

} // namespace dunlin
