// Any pollable descriptor, awaited: how a foreign library, a pipe or a terminal takes part.
//
//     descriptor input{borrowed_fd{0}};
//     co_await input.readable().or_return();       // then read(2) as the owner sees fit
#pragma once

#include <dunlin/loop/io_operation.hpp>
#include <dunlin/loop/readiness.hpp>
#include <dunlin/loop/watched_fd.hpp>
#include <dunlin/sys/fd.hpp>
#include <dunlin/util/api.hpp>

#include <cstddef>
#include <span>
#include <utility>

namespace dunlin {

/// The awaiter behind `descriptor::read_some`. Single step: stopped or destroyed, it has taken
/// nothing.
class [[nodiscard]] DUNLIN_API read_some_operation final : public io_operation,
                                                           public spellings<read_some_operation> {
public:
    using value_type = std::size_t;
    read_some_operation(detail::watched_fd& on, std::span<std::byte> into) noexcept
        : io_operation{on.attach(), detail::direction::input}, into_{into} {}
    ~read_some_operation() = default;

    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override {
        return described_as("read_some");
    }
    std::size_t take() noexcept { return static_cast<std::size_t>(outcome_); }

private:
    friend class io_operation;
    bool try_now() noexcept override;

    std::span<std::byte> into_;
};

/// The awaiter behind `descriptor::write_some`. Single step: stopped or destroyed, it has written
/// nothing.
class [[nodiscard]] DUNLIN_API put_some_operation final : public io_operation,
                                                          public spellings<put_some_operation> {
public:
    using value_type = std::size_t;
    put_some_operation(detail::watched_fd& on, std::span<const std::byte> bytes) noexcept
        : io_operation{on.attach(), detail::direction::output}, bytes_{bytes} {}
    ~put_some_operation() = default;

    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override {
        return described_as("write_some");
    }
    std::size_t take() noexcept { return static_cast<std::size_t>(outcome_); }

private:
    friend class io_operation;
    bool try_now() noexcept override;

    std::span<const std::byte> bytes_;
};

/// A descriptor that was made elsewhere. Move-only; not while an operation on it is pending.
///
/// Its O_NONBLOCK, which it may share with other processes, is never changed. It is taken out of
/// epoll when this dies. Two of these on one number: the second that must wait is told `busy`. A
/// number that is closed or reused behind our back does no harm, but nobody is told: a wait for it
/// may last until it is stopped.
class [[nodiscard]] descriptor {
public:
    /// Never closes `loan`, which stays open while operations are pending.
    explicit descriptor(borrowed_fd loan) noexcept : fd_{loan} {}

    /// Closes `owned` when this dies.
    explicit descriptor(unique_fd owned) noexcept : fd_{std::move(owned)} {
        static_cast<void>(fd_.share()); // whoever made it may have kept a duplicate
    }

    /// Waits until a read(2) would not block. A level promise: true by poll(2) at the moment it
    /// completes, also when others read from the same file. Takes nothing. Errors: `not_pollable`
    /// for a regular file and for what else epoll refuses (/dev/null), bad_file_descriptor, `busy`,
    /// `stopped`, `closed`.
    [[nodiscard]] readable_operation readable() noexcept { return readable_operation{fd_}; }

    /// Waits until a write(2) would not block. Otherwise like `readable`.
    [[nodiscard]] writable_operation writable() noexcept { return writable_operation{fd_}; }

    /// Reads what is there, up to `into.size()` bytes, waiting until there is something. Gives
    /// their number, 0 at the end. See read(2). What is no pipe, socket or terminal is never waited
    /// for: a regular file is read at once, and blocks as long as the disk takes.
    [[nodiscard]] read_some_operation read_some(std::span<std::byte> into) noexcept {
        return read_some_operation{fd_, into};
    }

    /// Writes what there is room for, waiting until there is some; at most 4096 bytes if the
    /// descriptor is in blocking mode. Gives the number of bytes. See write(2). Writing to a pipe
    /// whose reader is gone raises SIGPIPE, unless the program ignores it.
    [[nodiscard]] put_some_operation write_some(std::span<const std::byte> bytes) noexcept {
        return put_some_operation{fd_, bytes};
    }

    /// Whether it is a terminal. See isatty(3).
    [[nodiscard]] DUNLIN_API bool is_terminal() const noexcept;

    /// The number.
    [[nodiscard]] borrowed_fd fd() noexcept { return fd_.share(); }

    /// Lets go of the number, and closes it if it was given to be owned. Idempotent.
    void close() noexcept { fd_.close(); }

private:
    detail::watched_fd fd_;
};

} // namespace dunlin
