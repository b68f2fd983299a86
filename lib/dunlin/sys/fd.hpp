// Descriptor handles: who closes a number, said by the type.
//
// These are values around an `int`; they know nothing of epoll or coroutines. Zero is a valid
// descriptor, so "none" is -1 and is asked for by name.
#pragma once

#include <dunlin/util/api.hpp>

namespace dunlin {

/// Somebody else's descriptor: looked at, waited for, never closed. Copied freely.
///
/// Whoever made it keeps it open while it is in use here.
class borrowed_fd {
public:
    /// `number` may be any integer; a negative one means none.
    explicit constexpr borrowed_fd(int number) noexcept : number_{number} {}

    [[nodiscard]] constexpr int get() const noexcept { return number_; }
    [[nodiscard]] constexpr bool is_open() const noexcept { return number_ >= 0; }

    friend constexpr bool operator==(borrowed_fd, borrowed_fd) noexcept = default;

private:
    int number_;
};

/// A descriptor with one owner, closed when the owner dies. See close(2).
class unique_fd {
public:
    constexpr unique_fd() noexcept = default;

    /// Takes ownership of `number`; a negative one means none.
    explicit constexpr unique_fd(int number) noexcept : number_{number} {}

    unique_fd(unique_fd&& other) noexcept : number_{other.release()} {}
    unique_fd& operator=(unique_fd&& other) noexcept {
        if (this != &other) {
            close();
            number_ = other.release();
        }
        return *this;
    }
    unique_fd(const unique_fd&) = delete;
    unique_fd& operator=(const unique_fd&) = delete;
    ~unique_fd() {
        if (number_ >= 0) close();
    }

    [[nodiscard]] constexpr int get() const noexcept { return number_; }
    [[nodiscard]] constexpr bool is_open() const noexcept { return number_ >= 0; }
    [[nodiscard]] constexpr borrowed_fd borrow() const noexcept { return borrowed_fd{number_}; }

    /// So that an owner can be given where a loan is wanted. A temporary cannot: it would be
    /// closed.
    constexpr operator borrowed_fd() const& noexcept { return borrow(); }
    operator borrowed_fd() const&& = delete;

    /// Gives the number up without closing it.
    [[nodiscard]] constexpr int release() noexcept {
        const int number = number_;
        number_ = -1;
        return number;
    }

    /// Closes the descriptor; does nothing when there is none.
    DUNLIN_API void close() noexcept;

private:
    int number_ = -1;
};

} // namespace dunlin
