// The reading and the writing side of a stream: what sockets, and the halves of a split socket, are
// made of. The operations themselves are in read.hpp, write.hpp and loop/readiness.hpp.
#pragma once

#include <dunlin/loop/readiness.hpp>
#include <dunlin/loop/watched_fd.hpp>
#include <dunlin/net/read.hpp>
#include <dunlin/net/write.hpp>
#include <dunlin/util/slice.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <utility>

namespace dunlin::detail {

/// What `write` takes: bytes or text, contiguous and alive until the write is over.
template <class T>
concept writable_bytes = requires(const T& bytes) {
    { slice_of(bytes) } -> std::same_as<slice>;
};

template <class... Args>
inline constexpr std::size_t number_of_pieces =
    (std::size_t{0} + ... + std::size_t{writable_bytes<Args>});

/// The descriptor under one side or both.
class stream_end {
public:
    /// Whether it has not been closed on this side.
    [[nodiscard]] bool is_open() const noexcept { return fd_.is_open(); }

    /// The descriptor's number, for what has no name here. Do not close it.
    [[nodiscard]] borrowed_fd fd() noexcept { return fd_.share(); }

protected:
    stream_end() noexcept = default;
    explicit stream_end(watched_fd fd) noexcept : fd_{std::move(fd)} {}

    watched_fd fd_;
};

template <class Base>
class with_reads : public Base {
public:
    using Base::Base;

    /// Waits until a read would not block: bytes, the end of the stream, or an error. A level
    /// promise: true by poll(2) at the moment it completes. Takes nothing.
    [[nodiscard]] readable_operation readable() noexcept { return readable_operation{this->fd_}; }

    /// Waits for bytes and gives them in a leased buffer, at most 32 KiB; an empty one means that
    /// the peer has finished sending. One that is stopped or destroyed has taken nothing.
    [[nodiscard]] read_buffer_operation read() noexcept { return read_buffer_operation{this->fd_}; }

    /// Reads what has arrived, up to `into.size()` bytes, waiting until there is something. Gives
    /// their number; 0 means that the peer has finished sending, or that `into` is empty. One that
    /// is stopped or destroyed has taken nothing. See recv(2).
    [[nodiscard]] read_operation read(std::span<std::byte> into) noexcept {
        return read_operation{this->fd_, into};
    }

    /// Fills all of `into`, or fails: `end_of_stream` if the peer finished first. If it fails, is
    /// stopped or is destroyed, `*moved` (if given) says how many bytes were taken.
    [[nodiscard]] read_exactly_operation read_exactly(std::span<std::byte> into,
                                                      std::size_t* moved = nullptr) noexcept {
        return read_exactly_operation{this->fd_, into, moved};
    }
};

template <class Base>
class with_writes : public Base {
public:
    using Base::Base;

    /// Waits until a write would not block. A level promise, like `readable`.
    [[nodiscard]] writable_operation writable() noexcept { return writable_operation{this->fd_}; }

    /// Sends all of `bytes` (a span of bytes or chars, text, a `buffer`), waiting whenever the
    /// kernel's buffer is full; done when the kernel has taken the last byte. If it fails, is
    /// stopped or is destroyed, `*moved` (if given) says how many bytes were sent. See send(2).
    template <writable_bytes Bytes>
    [[nodiscard]] write_operation write(const Bytes& bytes, std::size_t* moved = nullptr) noexcept {
        return write_operation{this->fd_, slice_of(bytes), moved};
    }

    /// The same for several pieces at once: `write(head, body)`, `write(head, body, &moved)`.
    template <class... Args>
        requires(sizeof...(Args) >= 2 && number_of_pieces<Args...> >= 2)
    [[nodiscard]] gather_write_operation<number_of_pieces<Args...>>
    write(const Args&... pieces) noexcept {
        return gather_write_operation<number_of_pieces<Args...>>{this->fd_, pieces...};
    }

    /// The same for any number of pieces: a span over an array of spans, which is borrowed, too.
    [[nodiscard]] span_write_operation write(std::span<const std::span<const std::byte>> pieces,
                                             std::size_t* moved = nullptr) noexcept {
        return span_write_operation{this->fd_, pieces, moved};
    }

    /// Sends what the kernel has room for, waiting until it has room for something. Gives the
    /// number of bytes. One that is stopped or destroyed has sent nothing.
    template <writable_bytes Bytes>
    [[nodiscard]] write_some_operation write_some(const Bytes& bytes) noexcept {
        return write_some_operation{this->fd_, slice_of(bytes)};
    }
};

} // namespace dunlin::detail
