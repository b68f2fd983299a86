// A bounded queue of items between threads: like channel.hpp, but any thread may use it.
//
//     remote_channel<job> jobs{64};
//     std::thread worker{work, jobs};                         // a copy is the same channel
//     auto sent = co_await jobs.send(std::move(next));        // in a task, on any scheduler
//     jobs.try_send(std::move(next));                         // on any thread
//     while (auto next = jobs.blocking_receive())             // on a thread without a scheduler
//
// A lock guards it, held for as long as it takes to move an item. Whoever waits on another
// scheduler is woken through that one's `remote`, by a node which each channel makes once for each
// scheduler; so waiting allocates nothing. A scheduler may die at any moment at which it may die
// anyhow (its tasks are gone by then): what was meant for its tasks goes to others. Its eventfd
// stays open, like that of any `remote`, until another scheduler's task waits at the channel for
// the first time, or the channel is closed or gone.
#pragma once

#include <dunlin/result.hpp>
#include <dunlin/sync/channel.hpp>
#include <dunlin/sync/wait_queue.hpp>
#include <dunlin/util/api.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

namespace dunlin {

template <class T>
class remote_channel;

namespace detail {

class remote_channel_state; // in detail/remote_channel_state.hpp
class remote_port;          // likewise: what wakes a scheduler

/// Which end of a channel somebody is at.
enum class channel_end : std::uint8_t { send, receive };

/// A reference to a channel: all of it that does not depend on the type of the items.
class DUNLIN_API remote_channel_base {
public:
    remote_channel_base(const remote_channel_base& other) noexcept;
    remote_channel_base(remote_channel_base&& other) noexcept
        : state_{std::exchange(other.state_, nullptr)} {}
    remote_channel_base& operator=(remote_channel_base other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~remote_channel_base();

    /// Nothing is sent any more: who sends, or waits to, is told `closed`. What is in the channel
    /// can still be received; then those who receive are told `closed`, too. Twice is once.
    void close() const noexcept;
    [[nodiscard]] bool is_closed() const noexcept;

    /// Items in it. It may change at any moment.
    [[nodiscard]] std::size_t size() const noexcept;
    [[nodiscard]] std::size_t capacity() const noexcept;

protected:
    remote_channel_base(std::size_t capacity, std::size_t item_size, std::size_t item_alignment,
                        void (*destroy)(void* item) noexcept);

    remote_channel_state* state_;
};

/// The lock of a channel, held for one item: to be put into `place()`, or to be taken out of it.
class DUNLIN_API remote_access {
public:
    enum class how : std::uint8_t { try_now, block };
    remote_access(remote_channel_state& state, channel_end end, how waiting) noexcept;

    /// Takes the item of an operation that has succeeded on a scheduler's thread.
    remote_access(remote_channel_state& state, scheduler& here) noexcept;

    /// The item is in, or out.
    ~remote_access();
    remote_access(const remote_access&) = delete;
    remote_access& operator=(const remote_access&) = delete;

    /// Null if there is none, and then `error()` says why.
    [[nodiscard]] void* place() const noexcept { return place_; }
    [[nodiscard]] std::error_code error() const noexcept { return error_; }

private:
    remote_channel_state* state_;
    channel_end end_;
    void* place_ = nullptr;
    std::error_code error_;
};

/// A place in a queue, of a task of some scheduler. Only who holds the lock may look at it.
class DUNLIN_API remote_waiter : public waiter {
public:
    remote_waiter() noexcept : waiter{1, &wake} {}

    task_context* sleeper = nullptr;
    remote_port* port = nullptr;
    bool is_at_port = false; ///< In its port's list of those to be woken.

protected:
    ~remote_waiter() = default;

private:
    static void wake(waiter& self) noexcept;
};

/// The common part of the two operations.
class DUNLIN_API remote_operation : public operation, protected remote_waiter {
public:
    bool begin() noexcept;
    bool attempt() noexcept override;

protected:
    remote_operation(remote_channel_state& state, channel_end end) noexcept
        : state_{&state}, end_{end} {}
    ~remote_operation() {
        if (is_waiting_) withdraw();
    }

    /// Sends: the item goes there. Under the lock.
    virtual void put(void* into) noexcept;

    remote_channel_state* state_;

private:
    [[nodiscard]] wait_queue& queue() const noexcept;
    [[nodiscard]] outcome start() noexcept;
    [[nodiscard]] outcome go_on() noexcept;
    void move_item() noexcept;
    void leave_queue() noexcept;
    void leave_port() noexcept;
    void withdraw() noexcept;

    channel_end end_;
};

} // namespace detail

/// The awaiter behind `remote_channel::send`.
///
/// Error: `closed`, `stopped`, `timeout`, not_enough_memory (only the first wait of a scheduler at
/// a channel needs any). With an error, or destroyed, it has sent nothing, and the value is where
/// it was, untouched. The channel's handle outlives it. Loop thread of the task that awaits it.
template <class T>
class [[nodiscard]] remote_send_operation final : public detail::remote_operation,
                                                  public spellings<remote_send_operation<T>> {
public:
    using value_type = void;
    remote_send_operation(detail::remote_channel_state& to, T& moved_from) noexcept
        : remote_operation{to, detail::channel_end::send}, moved_from_{&moved_from} {}
    remote_send_operation(detail::remote_channel_state& to, const T& copied) noexcept
        requires std::is_nothrow_copy_constructible_v<T>
        : remote_operation{to, detail::channel_end::send}, copied_{&copied} {}
    ~remote_send_operation() = default;

    void take() noexcept {}

private:
    void put(void* into) noexcept override {
        if constexpr (std::is_nothrow_copy_constructible_v<T>) {
            if (copied_ != nullptr) {
                ::new (into) T(*copied_);
                return;
            }
        }
        ::new (into) T(std::move(*moved_from_));
    }

    T* moved_from_ = nullptr;
    const T* copied_ = nullptr;
};

/// The awaiter behind `remote_channel::receive`.
///
/// Error: `closed` once the channel is closed and nothing is left in it, `stopped`, `timeout`,
/// not_enough_memory (as for sending). With an error, or destroyed, it has taken nothing. The
/// channel's handle outlives it. Loop thread of the task that awaits it.
template <class T>
class [[nodiscard]] remote_receive_operation final : public detail::remote_operation,
                                                     public spellings<remote_receive_operation<T>> {
public:
    using value_type = T;
    explicit remote_receive_operation(detail::remote_channel_state& from) noexcept
        : remote_operation{from, detail::channel_end::receive} {}
    ~remote_receive_operation() = default;

    T take() noexcept;
};

/// A handle; copies of it are the same channel, which lives as long as the last of them. Nobody may
/// be waiting at it then (asserted). What is left in it is destroyed, on the thread of the last.
///
/// Any number of threads may send and receive, each by what suits it: the operations in tasks, the
/// `blocking_` functions on a thread that runs no scheduler, the `try_` ones anywhere. All of them
/// have their turns in the order in which they came. Items of one sender come out in their order.
/// Moving and destroying an item happens under the lock, so it must not use the channel. Each
/// handle is for one thread at a time. After a move the old one can only be assigned or destroyed.
template <class T>
class remote_channel : public detail::remote_channel_base {
    static_assert(detail::channel_item<T>, "moving an item must not throw");

public:
    /// A new channel for `capacity` items, at least 1 (asserted). Allocates; throws std::bad_alloc.
    explicit remote_channel(std::size_t capacity)
        : remote_channel_base{capacity, sizeof(T), alignof(T), &destroy} {}

    /// In a task: puts `value` at the end, waiting while the channel is full. See `channel::send`.
    [[nodiscard]] remote_send_operation<T> send(T&& value) const noexcept {
        return {*state_, value};
    }
    [[nodiscard]] remote_send_operation<T> send(const T& value) const noexcept
        requires std::is_nothrow_copy_constructible_v<T>
    {
        return {*state_, value};
    }

    /// In a task: takes the first item, waiting while there is none.
    [[nodiscard]] remote_receive_operation<T> receive() const noexcept {
        return remote_receive_operation<T>{*state_};
    }

    /// Without waiting. Errors: `closed`, or resource_unavailable_try_again when it is full (empty)
    /// but for what is meant for those who wait. Then `value` is untouched. Any thread.
    result<void> try_send(T&& value) const noexcept {
        return send_by(detail::remote_access::how::try_now, value);
    }
    result<T> try_receive() const noexcept {
        return receive_by(detail::remote_access::how::try_now);
    }

    /// Blocks this thread while it is full (empty). Error: `closed`; then `value` is untouched. Not
    /// on a thread with a scheduler, whose tasks would stand still. `close` is what wakes it.
    result<void> blocking_send(T&& value) const noexcept {
        return send_by(detail::remote_access::how::block, value);
    }
    result<T> blocking_receive() const noexcept {
        return receive_by(detail::remote_access::how::block);
    }

private:
    static void destroy(void* item) noexcept { static_cast<T*>(item)->~T(); }

    result<void> send_by(detail::remote_access::how waiting, T& value) const noexcept {
        const detail::remote_access held{*state_, detail::channel_end::send, waiting};
        if (held.place() == nullptr) return held.error();
        ::new (held.place()) T(std::move(value));
        return success();
    }
    result<T> receive_by(detail::remote_access::how waiting) const noexcept {
        const detail::remote_access held{*state_, detail::channel_end::receive, waiting};
        if (held.place() == nullptr) return held.error();
        T& first = *static_cast<T*>(held.place());
        result<T> value{std::move(first)};
        first.~T();
        return value;
    }
};

// Implementation

template <class T>
T remote_receive_operation<T>::take() noexcept {
    const detail::remote_access held{*state_, *context_->sched};
    T& first = *static_cast<T*>(held.place());
    T value{std::move(first)};
    first.~T();
    return value;
}

} // namespace dunlin
