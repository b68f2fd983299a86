// Signals as something to await.
//
//     auto signals = co_await or_return(signal_set::create(SIGHUP, SIGUSR1));
//     for (;;) {
//         const auto came = co_await signals.wait().or_return();
//         if (came.number() == SIGHUP) reload();
//     }
//
// A signal in a set is blocked and waits to be taken; nothing is interrupted, no handler runs, and
// none is lost between a look and a wait. Beside `run`: while a set with SIGTERM (or SIGINT) lives,
// it goes to the set and `run` hears nothing of it, so whoever waits for it has to stop the program
// himself, and a second one does not end the process. When the set is gone, `run` has it again.
//
// A mask belongs to a thread. A signal that is sent to the process goes to any thread that does not
// block it, so threads that were started before have to block the same ones (start them after the
// set is made: a thread inherits its creator's mask). Child processes inherit the mask as well,
// through exec(2) too: unblock there what the child is to hear. See signalfd(2), signal(7).
#pragma once

#include <dunlin/loop/io_operation.hpp>
#include <dunlin/loop/watched_fd.hpp>
#include <dunlin/result.hpp>
#include <dunlin/util/api.hpp>

#include <concepts>
#include <cstdint>
#include <span>
#include <utility>

namespace dunlin {

/// A signal that came, and from whom.
class received_signal {
public:
    constexpr received_signal() noexcept {}
    constexpr received_signal(int number, int code, int sender, std::uint32_t user,
                              int value) noexcept
        : number_{number}, code_{code}, sender_{sender}, user_{user}, value_{value} {}

    [[nodiscard]] constexpr int number() const noexcept { return number_; }

    /// How it was sent: SI_USER, SI_QUEUE, SI_KERNEL … See sigaction(2), si_code.
    [[nodiscard]] constexpr int code() const noexcept { return code_; }

    /// The process that sent it and its real user; 0 if it was the kernel, or a process outside of
    /// our namespace. For SIGCHLD, the child.
    [[nodiscard]] constexpr int sender() const noexcept { return sender_; }
    [[nodiscard]] constexpr std::uint32_t user() const noexcept { return user_; }

    /// The number that sigqueue(3) was given.
    [[nodiscard]] constexpr int value() const noexcept { return value_; }

private:
    int number_ = 0;
    int code_ = 0;
    int sender_ = 0;
    std::uint32_t user_ = 0;
    int value_ = 0;
};

/// The awaiter behind `signal_set::wait`. Single step: stopped or destroyed, it has taken no
/// signal. Allocates nothing. Loop thread.
class [[nodiscard]] DUNLIN_API signal_operation final : public io_operation,
                                                        public spellings<signal_operation> {
public:
    using value_type = received_signal;
    explicit signal_operation(detail::watched_fd& on) noexcept
        : io_operation{on.attach(), detail::direction::input} {}
    ~signal_operation() = default;

    bool begin() noexcept;
    bool attempt() noexcept override;
    received_signal take() noexcept { return came_; }

private:
    friend class io_operation;
    bool try_now() noexcept override;

    received_signal came_;
};

/// Signals that are blocked in this thread and read one by one. Move-only; not while a `wait` is
/// pending. Destroyed in the thread that made it; of several with a signal in common the one that
/// was made last first, as that signal is let through with the first one made.
class [[nodiscard]] DUNLIN_API signal_set {
public:
    /// Blocks these in this thread and opens a descriptor for them. Which of them were blocked
    /// before is remembered: those stay so in the end. Needs no scheduler; allocates nothing.
    ///
    /// Errors: invalid_argument for what is no signal, or SIGKILL or SIGSTOP, which cannot be
    /// waited for; too_many_files_open. A signal that the thread itself causes (SIGSEGV, SIGFPE …)
    /// never comes this way.
    template <std::same_as<int>... Numbers>
        requires(sizeof...(Numbers) > 0)
    [[nodiscard]] static auto create(Numbers... numbers) noexcept {
        const int all[] = {numbers...};
        return create(std::span{all});
    }
    [[nodiscard]] static result<signal_set> create(std::span<const int> numbers) noexcept;

    signal_set(signal_set&& other) noexcept
        : fd_{std::move(other.fd_)}, all_{other.all_}, blocked_{std::exchange(other.blocked_, 0)} {}
    /// What the old set and the new one have in common stays blocked throughout.
    signal_set& operator=(signal_set&& other) noexcept;
    ~signal_set() { close(); }

    /// Waits for one of the signals and takes it. An ordinary signal that is sent again before it
    /// was taken comes once; real-time signals come as often as they were sent.
    ///
    /// Of two sets (or a set and sigwait(3)) with one signal, either gets it. Errors: `stopped`,
    /// `closed`, `busy` if another task waits for this set.
    [[nodiscard]] signal_operation wait() noexcept { return signal_operation{fd_}; }

    /// Closes the descriptor (a `wait` is told `closed`) and lets the signals through again. One
    /// that came and was not taken is delivered now, as if it had just been sent: without a
    /// handler, SIGTERM ends the process. Idempotent; the destructor does it.
    void close() noexcept;

private:
    signal_set(unique_fd opened, std::uint64_t all, std::uint64_t blocked) noexcept
        : fd_{std::move(opened)}, all_{all}, blocked_{blocked} {}

    detail::watched_fd fd_;
    std::uint64_t all_;     ///< A bit for each signal.
    std::uint64_t blocked_; ///< Those that were not blocked before.
};

} // namespace dunlin
