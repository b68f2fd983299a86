// A stream of any class, for handlers that are to be compiled once.
//
//     io_task<> session(any_stream peer);               // in a .cpp of its own
//     co_await session(any_stream{std::move(sock)}).or_return();
//
// It costs one allocation when it is made, a virtual call per operation (two if that has to wait)
// and about 200 bytes in the frame per place where one is awaited; no allocation per operation.
// A second reader or writer, timeouts, stops: all as the stream inside does it.
#pragma once

#include <dunlin/net/erased_operation.hpp>
#include <dunlin/net/socket_sides.hpp>
#include <dunlin/net/stream.hpp>
#include <dunlin/result.hpp>
#include <dunlin/util/api.hpp>
#include <dunlin/util/slice.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <utility>

namespace dunlin {

namespace detail {

/// A stream whose class is forgotten. Each `begin_…` begins its operation inside the given one.
class DUNLIN_API erased_stream {
public:
    erased_stream(const erased_stream&) = delete;
    erased_stream& operator=(const erased_stream&) = delete;
    virtual ~erased_stream() = default;

    virtual bool begin_read(erased_operation<buffer>& in) noexcept = 0;
    virtual bool begin_read(erased_operation<std::size_t>& in,
                            std::span<std::byte> into) noexcept = 0;
    virtual bool begin_write(erased_operation<void>& in, slice bytes,
                             std::size_t* moved) noexcept = 0;
    virtual result<void> shutdown_write() noexcept = 0;
    virtual void close() noexcept = 0;

protected:
    erased_stream() noexcept = default;
};

} // namespace detail

/// The awaiter behind `any_stream::read()`. It is the stream's own in disguise, so what that says
/// about cancellation holds.
class [[nodiscard]] DUNLIN_API any_read_buffer_operation final
    : public detail::erased_operation<buffer>,
      public spellings<any_read_buffer_operation> {
public:
    explicit any_read_buffer_operation(detail::erased_stream* on) noexcept : on_{on} {}
    ~any_read_buffer_operation() = default;
    bool begin() noexcept;

private:
    detail::erased_stream* on_;
};

/// Likewise, behind `any_stream::read(span)`.
class [[nodiscard]] DUNLIN_API any_read_operation final
    : public detail::erased_operation<std::size_t>,
      public spellings<any_read_operation> {
public:
    any_read_operation(detail::erased_stream* on, std::span<std::byte> into) noexcept
        : on_{on}, into_{into} {}
    ~any_read_operation() = default;
    bool begin() noexcept;

private:
    detail::erased_stream* on_;
    std::span<std::byte> into_;
};

/// Likewise, behind `any_stream::write`.
class [[nodiscard]] DUNLIN_API any_write_operation final : public detail::erased_operation<void>,
                                                           public spellings<any_write_operation> {
public:
    any_write_operation(detail::erased_stream* on, detail::slice bytes, std::size_t* moved) noexcept
        : on_{on}, bytes_{bytes}, moved_{moved} {
        if (moved_ != nullptr) *moved_ = 0;
    }
    ~any_write_operation() = default;
    bool begin() noexcept;

private:
    detail::erased_stream* on_;
    detail::slice bytes_;
    std::size_t* moved_;
};

/// Owns a stream of any class, and is one. Move-only; one that was moved from, or made of nothing,
/// is closed. Loop thread.
class DUNLIN_API any_stream {
public:
    any_stream() noexcept = default;

    /// Takes a stream over. Allocates; throws bad_alloc when memory is refused.
    template <class Stream>
        requires(!std::same_as<Stream, any_stream> && stream<Stream>) // in this order: it is one
    explicit any_stream(Stream owned);

    any_stream(any_stream&& other) noexcept : inside_{std::exchange(other.inside_, nullptr)} {}
    any_stream& operator=(any_stream&& other) noexcept {
        any_stream gone{std::move(*this)};
        inside_ = std::exchange(other.inside_, nullptr);
        return *this;
    }
    ~any_stream() { delete inside_; }

    /// Waits for bytes and gives them in a leased buffer, an empty one at the end of the stream.
    /// Stopped, timed out or destroyed it has taken nothing. Errors: the stream's; `closed`.
    [[nodiscard]] any_read_buffer_operation read() noexcept {
        return any_read_buffer_operation{inside_};
    }

    /// Reads what has arrived, up to `into.size()` bytes; 0 at the end, or if `into` is empty.
    [[nodiscard]] any_read_operation read(std::span<std::byte> into) noexcept {
        return any_read_operation{inside_, into};
    }

    /// Sends all of `bytes`, which are borrowed until it is over. If it fails, is stopped or is
    /// destroyed, `*moved` (if given) says how many bytes were sent.
    template <detail::writable_bytes Bytes>
    [[nodiscard]] any_write_operation write(const Bytes& bytes,
                                            std::size_t* moved = nullptr) noexcept {
        return any_write_operation{inside_, detail::slice_of(bytes), moved};
    }

    /// Ends our half: the other side reads what was sent, then the end of the stream.
    result<void> shutdown_write() noexcept;

    /// Closes it; whoever waits on it is told `closed`. Idempotent.
    void close() noexcept {
        if (inside_ != nullptr) inside_->close();
    }

private:
    detail::erased_stream* inside_ = nullptr;
};

// Implementation

namespace detail {

template <class Stream>
class erased final : public erased_stream {
public:
    explicit erased(Stream&& owned) : stream_{std::move(owned)} {}

    bool begin_read(erased_operation<buffer>& in) noexcept override {
        return in.start([this] { return stream_.read(); });
    }
    bool begin_read(erased_operation<std::size_t>& in,
                    std::span<std::byte> into) noexcept override {
        return in.start([this, into] { return stream_.read(into); });
    }
    bool begin_write(erased_operation<void>& in, slice bytes,
                     std::size_t* moved) noexcept override {
        const std::span<const std::byte> all{bytes.data, bytes.size};
        return in.start([this, all, moved] { return stream_.write(all, moved); });
    }
    result<void> shutdown_write() noexcept override { return stream_.shutdown_write(); }
    void close() noexcept override { stream_.close(); }

private:
    Stream stream_;
};

} // namespace detail

template <class Stream>
    requires(!std::same_as<Stream, any_stream> && stream<Stream>)
any_stream::any_stream(Stream owned) : inside_{new detail::erased<Stream>{std::move(owned)}} {}

} // namespace dunlin
