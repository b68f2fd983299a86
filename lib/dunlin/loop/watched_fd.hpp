// A descriptor that tasks can wait for: the member that sockets, listeners and `descriptor` have.
//
// It starts as a plain number of no scheduler and may be moved between threads then. The first
// operation attaches it to the scheduler that runs, where it stays until it is closed. epoll hears
// of it only when somebody must wait. One word: a pointer to the watch, or the number and two
// flags.
#pragma once

#include <dunlin/loop/outcome.hpp>
#include <dunlin/loop/watch.hpp>
#include <dunlin/sys/fd.hpp>
#include <dunlin/util/api.hpp>

#include <cstdint>

namespace dunlin::detail {

/// The outcome for a stand-in that `watched_fd::attach` gave; 0 if it is a true watch.
[[nodiscard]] DUNLIN_API outcome why_no_watch(const watch& given) noexcept;

/// The stand-in for what a loser of a race waited for.
[[nodiscard]] watch& watch_of_lost() noexcept;

class DUNLIN_API watched_fd {
public:
    watched_fd() noexcept = default;

    /// Owns the descriptor.
    explicit watched_fd(unique_fd owned) noexcept : word_{loose(owned.release(), 0)} {}

    /// A TCP socket that was made here.
    [[nodiscard]] static watched_fd of_tcp(unique_fd owned) noexcept {
        watched_fd made{static_cast<unique_fd&&>(owned)};
        if (made.word_ != none) made.word_ |= tcp_bit;
        return made;
    }

    /// Borrows it: never closed, its flags never changed.
    explicit watched_fd(borrowed_fd loan) noexcept : word_{loose(loan.get(), borrowed_bit)} {}

    watched_fd(watched_fd&& other) noexcept : word_{other.word_} { other.word_ = none; }
    watched_fd& operator=(watched_fd&& other) noexcept {
        if (this != &other) {
            close();
            word_ = other.word_;
            other.word_ = none;
        }
        return *this;
    }
    ~watched_fd() { close(); }

    /// Closes it (unless it is borrowed); whoever waits on it is told `closed`. Idempotent.
    void close() noexcept {
        if (word_ != none) release();
    }

    [[nodiscard]] bool is_open() const noexcept { return get().is_open(); }

    /// The number, for system calls that keep nothing.
    [[nodiscard]] borrowed_fd get() const noexcept {
        return borrowed_fd{is_attached() ? attached()->fd : number()};
    }

    /// The number, for the user, who may duplicate it: it will be taken out of epoll explicitly.
    [[nodiscard]] borrowed_fd share() noexcept {
        if (is_attached())
            attached()->is_shared = true;
        else if (word_ != none)
            word_ |= shared_bit;
        return get();
    }

    /// The watch, attached to the running scheduler if it has none yet; if it is closed or memory
    /// is refused, a stand-in that is busy both ways (`why_no_watch`). A scheduler must be running.
    [[nodiscard]] watch* attach() noexcept {
        if (is_attached()) [[likely]]
            return attached();
        return attach_first();
    }

    /// A second owner of the same watch, which is attached. The last one closes.
    [[nodiscard]] watched_fd share_ownership() noexcept;

private:
    // A watch is aligned, so a pointer to one has none of these bits.
    static constexpr std::uintptr_t loose_bit = 1;
    static constexpr std::uintptr_t borrowed_bit = 2;
    static constexpr std::uintptr_t shared_bit = 4;
    static constexpr std::uintptr_t tcp_bit = 8;
    static constexpr unsigned number_shift = 32;
    static_assert(sizeof(std::uintptr_t) == 8, "a number and its flags fit into a pointer");

    [[nodiscard]] static constexpr std::uintptr_t loose(int number, std::uintptr_t bits) noexcept {
        return std::uintptr_t{static_cast<std::uint32_t>(number)} << number_shift | loose_bit |
               bits;
    }
    static constexpr std::uintptr_t none = std::uintptr_t{0xffff'ffff} << number_shift | loose_bit;

    [[nodiscard]] bool is_attached() const noexcept { return (word_ & loose_bit) == 0; }
    [[nodiscard]] watch* attached() const noexcept { return reinterpret_cast<watch*>(word_); }
    [[nodiscard]] int number() const noexcept {
        return static_cast<int>(static_cast<std::uint32_t>(word_ >> number_shift));
    }

    void release() noexcept;
    watch* attach_first() noexcept;

    std::uintptr_t word_ = none;
};

} // namespace dunlin::detail
