// A descriptor that tasks can wait for: the member that sockets, listeners and `descriptor` have.
//
// It starts as a plain number of no scheduler and may be moved between threads then. The first
// operation attaches it to the scheduler that runs, where it stays until it is closed. epoll hears of
// it only when somebody must wait.
#pragma once

#include <dunlin/loop/watch.hpp>
#include <dunlin/sys/fd.hpp>
#include <dunlin/util/api.hpp>

namespace dunlin {

class scheduler;

namespace detail {

class DUNLIN_API watched_fd {
public:
    watched_fd() noexcept : loose_{-1, false, false} {}

    /// Owns the descriptor.
    explicit watched_fd(unique_fd owned) noexcept : loose_{owned.release(), false, false} {}

    /// Borrows it: never closed, its flags never changed.
    explicit watched_fd(borrowed_fd loan) noexcept : loose_{loan.get(), true, false} {}

    watched_fd(watched_fd&& other) noexcept : loose_{-1, false, false} { take_from(other); }
    watched_fd& operator=(watched_fd&& other) noexcept {
        if (this != &other) {
            close();
            take_from(other);
        }
        return *this;
    }
    ~watched_fd() { close(); }

    /// Closes it (unless it is borrowed); whoever waits on it is told `closed`. Idempotent.
    void close() noexcept {
        if (home_ != nullptr || loose_.number >= 0) release();
    }

    [[nodiscard]] bool is_open() const noexcept { return get().is_open(); }

    /// The number, for system calls that keep nothing.
    [[nodiscard]] borrowed_fd get() const noexcept {
        return borrowed_fd{home_ != nullptr ? watch_->fd : loose_.number};
    }

    /// The number, for the user, who may duplicate it: it will be taken out of epoll explicitly.
    [[nodiscard]] borrowed_fd share() noexcept {
        (home_ != nullptr ? watch_->is_shared : loose_.is_shared) = true;
        return get();
    }

    /// The watch, attached to the running scheduler if it has none yet. Null, with `why` set to the
    /// outcome, when it is closed or memory is refused. A scheduler must be running.
    [[nodiscard]] watch* attach(long& why) noexcept;

    /// The scheduler it is attached to, or null.
    [[nodiscard]] scheduler* home() const noexcept { return home_; }

    /// A second owner of the same watch, which is attached. The last one closes.
    [[nodiscard]] watched_fd share_ownership() noexcept;

private:
    struct loose {
        int number;
        bool is_borrowed;
        bool is_shared;
    };

    void take_from(watched_fd& other) noexcept {
        home_ = other.home_;
        if (home_ != nullptr)
            watch_ = other.watch_;
        else
            loose_ = other.loose_;
        other.home_ = nullptr;
        other.loose_ = loose{-1, false, false};
    }
    void release() noexcept;
    watch* attach_first(long& why) noexcept;

    scheduler* home_ = nullptr;
    union {
        watch* watch_; ///< While it is attached,
        loose loose_;  ///< before, and when it is closed.
    };
};
static_assert(sizeof(watched_fd) == 16);

} // namespace detail
} // namespace dunlin
