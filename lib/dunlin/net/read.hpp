// The awaiters behind `read()`, `read(span)` and `read_exactly(span)` of stream sockets.
//
// Like all operations they are awaited at once, as temporaries, on the thread of the scheduler, and
// allocate nothing but the leased buffer, which is recycled. Errors: the kernel's (connection_reset
// …), `closed`, `stopped`, `busy` when another task reads. See recv(2).
#pragma once

#include <dunlin/loop/io_operation.hpp>
#include <dunlin/net/buffer.hpp>

#include <cstddef>
#include <span>

namespace dunlin {

namespace detail {

/// One recv(2) on a stream, and what its answer says about the next one.
class DUNLIN_API receive_operation : public io_operation {
protected:
    explicit receive_operation(watched_fd& on) noexcept
        : io_operation{on.attach(), detail::direction::input} {}
    ~receive_operation() = default;

    /// Bytes received, 0 at the end, or -errno; -EAGAIN when it would have to wait.
    [[nodiscard]] long receive(std::byte* into, std::size_t size) noexcept;
    inline void note(long n, std::size_t size) noexcept;
    [[nodiscard]] bool may_be_at_mark() const noexcept;
};

} // namespace detail

/// Single step: one that is stopped or destroyed has taken nothing from the socket.
class [[nodiscard]] DUNLIN_API read_operation final : public detail::receive_operation,
                                                      public spellings<read_operation>,
                                                      public drain_hints<read_operation> {
public:
    using value_type = std::size_t;
    read_operation(detail::watched_fd& on, std::span<std::byte> into) noexcept
        : receive_operation{on}, into_{into} {}
    ~read_operation() = default;

    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override {
        return described_as("read");
    }
    std::size_t take() noexcept { return static_cast<std::size_t>(outcome_); }

private:
    friend class io_operation;
    bool try_now() noexcept override;

    std::span<std::byte> into_;
};

/// Single step, too. A buffer is leased only once data is there.
class [[nodiscard]] DUNLIN_API read_buffer_operation final
    : public detail::receive_operation,
      public spellings<read_buffer_operation>,
      public drain_hints<read_buffer_operation> {
public:
    using value_type = buffer;
    explicit read_buffer_operation(detail::watched_fd& on) noexcept : receive_operation{on} {}
    ~read_buffer_operation() = default;

    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override {
        return described_as("read");
    }
    buffer take() noexcept { return buffer{block_, static_cast<std::size_t>(outcome_)}; }

private:
    friend class io_operation;
    bool try_now() noexcept override;
    [[gnu::noinline]] bool go_on_without(std::byte* block, long n) noexcept;

    std::byte* block_ = nullptr; ///< Set with the outcome, which is taken in the same breath.
};

/// Many steps: some bytes may have been taken when it ends with an error or is destroyed; how many
/// stands in `*moved` at all times, if given. Error: also `end_of_stream`.
class [[nodiscard]] DUNLIN_API read_exactly_operation final
    : public detail::receive_operation,
      public spellings<read_exactly_operation>,
      public drain_hints<read_exactly_operation> {
public:
    using value_type = void;
    read_exactly_operation(detail::watched_fd& on, std::span<std::byte> into,
                           std::size_t* moved) noexcept
        : receive_operation{on}, into_{into}, moved_{moved} {
        if (moved_ != nullptr) *moved_ = 0;
    }
    ~read_exactly_operation() = default;

    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override {
        return described_as("read_exactly");
    }
    void take() noexcept {}

private:
    friend class io_operation;
    bool try_now() noexcept override;

    std::span<std::byte> into_; ///< What is still to be filled.
    std::size_t* moved_;
};

} // namespace dunlin
