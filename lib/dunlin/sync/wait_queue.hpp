// What event, mutex, semaphore and channel stand on: units that are handed out in the order in
// which they were asked for. Not for users.
//
//     none ──▶ in_line ──▶ served ──▶ none        (or in_line ──▶ refused, when it is closed)
//
// Who finds units that nobody waits for takes them. Who does not stands in line. As units come, the
// first in line is *served*: they are put aside for it, and it is called. It takes them when its
// task has its turn; one that is stopped, or destroyed, before that gives them back, and they go to
// the next. So nothing is lost between a wake-up and its turn, and a newcomer overtakes nobody.
//
// A queue is as thread-safe as its owner makes it: remote_channel has a lock around its queues.
#pragma once

#include <dunlin/loop/operation.hpp>
#include <dunlin/loop/outcome.hpp>
#include <dunlin/util/api.hpp>

#include <cstddef>
#include <cstdint>

namespace dunlin::detail {

class wait_queue;

/// A place in a queue, of an operation or of a thread that blocks.
class DUNLIN_API waiter {
public:
    /// `wake` is called once it has been served or refused, or let pass. No virtual function: while
    /// a destructor begins, another thread may still call it.
    waiter(std::size_t wanted, void (*wake)(waiter&) noexcept) noexcept
        : called{wake}, units{wanted} {}
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    enum class place : std::uint8_t {
        none,
        in_line,
        served,  ///< Its units are put aside.
        passed,  ///< It goes on, and needs none. The queue knows it no more and may be gone.
        refused, ///< There will be none. Likewise.
    };

    /// Whether the queue knows it.
    [[nodiscard]] bool is_queued() const noexcept {
        return at == place::in_line || at == place::served;
    }

    void (*const called)(waiter&) noexcept;
    waiter* next = nullptr; ///< The queue's while it is in line, then its owner's.
    waiter* prev = nullptr; ///< Likewise.
    const std::size_t units;
    place at = place::none;

protected:
    ~waiter() = default;
};

class DUNLIN_API wait_queue {
public:
    explicit wait_queue(std::size_t units) noexcept : units_{units} {}

    /// Nobody may be waiting: asserted.
    ~wait_queue();
    wait_queue(const wait_queue&) = delete;
    wait_queue& operator=(const wait_queue&) = delete;

    /// What a newcomer is told who wants so many: above 0 that it may `take` them at once, 0 that
    /// it has to wait, or why it will never get them.
    [[nodiscard]] outcome ask(std::size_t units) const noexcept;
    void take(std::size_t units) noexcept {
        if (!is_open_) units_ -= units;
    }

    /// Takes what nobody waits for; false if there is not enough of it.
    [[nodiscard]] bool try_take(std::size_t units) noexcept;

    /// To the end of the line. It may be called before this returns.
    void enter(waiter& last) noexcept;

    /// Puts units aside for one that was told it may take them. It is not called.
    void serve_uncalled(waiter& newcomer) noexcept;

    /// One that was served takes its units.
    void settle(waiter& served) noexcept;

    /// Goes away and has nothing. For one that is in line or served.
    void leave(waiter& gone) noexcept;

    /// So many more units.
    void release(std::size_t units) noexcept;

    /// From now on everybody passes, those in line too; until `shut`, which stops newcomers only.
    void open() noexcept;
    void shut() noexcept { is_open_ = false; }
    [[nodiscard]] bool is_open() const noexcept { return is_open_; }

    /// No more units will come: who cannot have any of what is left is refused with `closed`.
    void close() noexcept;

    /// Nobody gets anything any more: who waits, served or not, is refused with `closed`.
    void revoke() noexcept;
    [[nodiscard]] bool is_closed() const noexcept { return is_closed_; }
    [[nodiscard]] bool is_revoked() const noexcept { return is_revoked_; }

    /// Units that are put aside for nobody.
    [[nodiscard]] std::size_t units() const noexcept { return units_; }

    /// Asserts that all who wait are of one scheduler.
    void check_home(scheduler& of_waiter) noexcept;

private:
    void unlink(waiter& gone) noexcept;
    void serve() noexcept;
    void refuse_all() noexcept;

    waiter* first_ = nullptr;
    waiter* last_ = nullptr;
    std::size_t units_;
    std::size_t served_ = 0; ///< Waiters that are served and have not settled.
    scheduler* home_ = nullptr;
    bool is_open_ = false;
    bool is_closed_ = false;
    bool is_revoked_ = false;
};

/// An operation that takes units from a queue; what they mean its derived class knows, whose `take`
/// runs in the same breath. Ends with `closed`, `stopped` or `timeout`, and then has nothing; what
/// comes in the turn of a stop or timeout still counts. Loop thread.
class DUNLIN_API queued_operation : public operation, protected waiter {
public:
    bool begin() noexcept;
    bool attempt() noexcept override;

protected:
    queued_operation(wait_queue& queue, std::size_t wanted) noexcept
        : waiter{wanted, &wake}, queue_{&queue} {}
    ~queued_operation() {
        if (is_waiting_) withdraw();
    }

    wait_queue* queue_;

private:
    static void wake(waiter& self) noexcept;
    void leave() noexcept;
    void withdraw() noexcept;
};

} // namespace dunlin::detail
