// The awaiters behind `write(…)` and `write_some(…)` of stream sockets.
//
// Like all operations they are awaited at once, as temporaries, on the thread of the scheduler, and
// allocate nothing; the bytes are borrowed until then. Errors: the kernel's (broken_pipe,
// connection_reset …), `closed`, `stopped`, `busy` when another task writes. See send(2).
#pragma once

#include <dunlin/loop/io_operation.hpp>
#include <dunlin/util/slice.hpp>

#include <cstddef>
#include <span>
#include <type_traits>

namespace dunlin {

/// Single step: takes what the kernel has room for, at least one byte unless there are none.
/// One that is stopped or destroyed has sent nothing.
class [[nodiscard]] DUNLIN_API write_some_operation final : public io_operation,
                                                            public spellings<write_some_operation> {
public:
    using value_type = std::size_t;
    write_some_operation(detail::watched_fd& on, detail::slice bytes) noexcept
        : io_operation{on.attach(), detail::direction::output}, bytes_{bytes} {}
    ~write_some_operation() = default;

    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override {
        return described_as("write_some");
    }
    std::size_t take() noexcept { return static_cast<std::size_t>(outcome_); }

private:
    friend class io_operation;
    bool try_now() noexcept override;

    detail::slice bytes_;
};

/// Many steps: some bytes may have been sent when it ends with an error or is destroyed; how many
/// stands in `*moved` at all times, if given.
class [[nodiscard]] DUNLIN_API write_operation final : public io_operation,
                                                       public spellings<write_operation> {
public:
    using value_type = void;
    write_operation(detail::watched_fd& on, detail::slice bytes, std::size_t* moved) noexcept
        : io_operation{on.attach(), detail::direction::output}, bytes_{bytes}, moved_{moved} {
        if (moved_ != nullptr) *moved_ = 0;
    }
    ~write_operation() = default;

    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override {
        return described_as("write");
    }
    void take() noexcept {}

private:
    friend class io_operation;
    bool try_now() noexcept override;
    [[gnu::noinline]] bool go_on_after(long n) noexcept;

    detail::slice bytes_; ///< What is still to be sent.
    std::size_t* moved_;
};

/// Likewise for several pieces, sent together (sendmsg(2)).
class DUNLIN_API gather_operation : public io_operation {
public:
    bool begin() noexcept;
    bool attempt() noexcept final;
    [[nodiscard]] leaf_description describe() const noexcept override {
        return described_as("write");
    }
    bool try_now() noexcept final;
    void take() noexcept {}

protected:
    gather_operation(detail::watched_fd& on, std::size_t* moved) noexcept
        : io_operation{on.attach(), detail::direction::output}, moved_{nullptr} {
        count_into(moved);
    }
    ~gather_operation() = default;

    void count_into(std::size_t* moved) noexcept {
        moved_ = moved;
        if (moved_ != nullptr) *moved_ = 0;
    }

    /// Up to `room` pieces still to be sent, the first one as far as it is; their number.
    virtual std::size_t fill(detail::slice* pieces, std::size_t room) const noexcept = 0;

    /// So many bytes of them have been sent.
    virtual void advance(std::size_t sent) noexcept = 0;

private:
    std::size_t* moved_;
};

/// A fixed number of pieces, kept in the operation.
template <std::size_t N>
class [[nodiscard]] gather_write_operation final : public gather_operation,
                                                   public spellings<gather_write_operation<N>> {
public:
    using value_type = void;

    /// N pieces and, as the last argument, perhaps where to count.
    template <class... Args>
    explicit gather_write_operation(detail::watched_fd& on, const Args&... args) noexcept
        : gather_operation{on, nullptr} {
        std::size_t next = 0;
        (put(next, args), ...);
    }
    ~gather_write_operation() = default;

private:
    template <class Bytes>
    void put(std::size_t& next, const Bytes& bytes) noexcept {
        if constexpr (std::is_same_v<Bytes, std::size_t*>)
            count_into(bytes);
        else if constexpr (!std::is_null_pointer_v<Bytes>)
            pieces_[next++] = detail::slice_of(bytes);
    }
    std::size_t fill(detail::slice* pieces, std::size_t room) const noexcept override {
        std::size_t count = 0;
        for (std::size_t i = first_; i < N && count < room; ++i)
            if (pieces_[i].size != 0) pieces[count++] = pieces_[i];
        return count;
    }
    void advance(std::size_t sent) noexcept override {
        while (first_ < N && sent >= pieces_[first_].size)
            sent -= pieces_[first_++].size;
        if (sent == 0) return;
        pieces_[first_].data += sent;
        pieces_[first_].size -= sent;
    }

    detail::slice pieces_[N];
    std::size_t first_ = 0;
};

/// Any number of pieces, in an array of the caller's.
class [[nodiscard]] DUNLIN_API span_write_operation final : public gather_operation,
                                                            public spellings<span_write_operation> {
public:
    using value_type = void;
    span_write_operation(detail::watched_fd& on, std::span<const std::span<const std::byte>> pieces,
                         std::size_t* moved) noexcept
        : gather_operation{on, moved}, pieces_{pieces} {}
    ~span_write_operation() = default;

private:
    std::size_t fill(detail::slice* pieces, std::size_t room) const noexcept override;
    void advance(std::size_t sent) noexcept override;

    std::span<const std::span<const std::byte>> pieces_; ///< From the first unsent one on.
    std::size_t offset_ = 0;                             ///< Bytes of that one already sent.
};

} // namespace dunlin
