// A bounded queue of items between tasks of one thread; remote_channel is the one between threads.
//
//     channel<std::string> lines{16};
//     auto sent = co_await lines.send(std::move(line));        // waits while it is full
//     while (auto next = co_await lines.receive())             // until it is closed and empty
//         use(next.assume_value());
//
// Any number of tasks may send and receive. Items come out in the order in which they went in;
// senders and receivers have their turns in the order in which they came.
#pragma once

#include <dunlin/result.hpp>
#include <dunlin/sync/channel_ring.hpp>
#include <dunlin/sync/wait_queue.hpp>
#include <dunlin/util/api.hpp>

#include <concepts>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace dunlin {

template <class T>
class channel;

namespace detail {

/// What a channel can carry: moving an item from place to place must not fail.
template <class T>
concept channel_item = std::is_object_v<T> && std::is_nothrow_move_constructible_v<T> &&
                       std::is_nothrow_destructible_v<T>;

/// Room for one item.
template <class T>
union item_place {
    item_place() noexcept {}
    ~item_place() {}
    T item;
};

} // namespace detail

/// The awaiter behind `channel::send`.
///
/// Error: `closed`, `stopped`, `timeout`. With an error, or destroyed, it has sent nothing, and the
/// value is where it was, untouched: it is borrowed until then and moved from (or copied) in the
/// moment in which it is sent. Allocates nothing. Loop thread.
template <class T>
class [[nodiscard]] channel_send_operation final : public detail::queued_operation,
                                                   public spellings<channel_send_operation<T>> {
public:
    using value_type = void;
    channel_send_operation(channel<T>& to, T& moved_from) noexcept;
    channel_send_operation(channel<T>& to, const T& copied) noexcept
        requires std::is_nothrow_copy_constructible_v<T>;
    ~channel_send_operation() = default;

    void take() noexcept;

private:
    channel<T>* to_;
    T* moved_from_ = nullptr;
    const T* copied_ = nullptr;
};

/// The awaiter behind `channel::receive`.
///
/// Error: `closed` once the channel is closed and nothing is left in it, `stopped`, `timeout`. With
/// an error, or destroyed, it has taken nothing: the item stays first in the channel. Allocates
/// nothing. Loop thread.
template <class T>
class [[nodiscard]] channel_receive_operation final
    : public detail::queued_operation,
      public spellings<channel_receive_operation<T>> {
public:
    using value_type = T;
    explicit channel_receive_operation(channel<T>& from) noexcept;
    ~channel_receive_operation() = default;

    T take() noexcept;

private:
    channel<T>* from_;
};

/// It outlives those who wait at it (asserted). Neither copied nor moved. Loop thread.
template <class T>
class channel {
    static_assert(detail::channel_item<T>, "moving an item must not throw");

public:
    /// For `capacity` items, at least 1 (asserted). There is no channel without room, as between a
    /// sender and a receiver that meet there would be a moment in which the item is with both or
    /// with neither, should one of them be stopped. Allocates here and never again; throws
    /// std::bad_alloc.
    explicit channel(std::size_t capacity)
        : ring_{capacity}, places_{new detail::item_place<T>[capacity]} {}

    /// What is left in it is destroyed.
    ~channel();
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;

    /// Puts `value` at the end, waiting while the channel is full. It is moved from only when it is
    /// sent. A value that stays with the caller is copied instead, where that cannot fail;
    /// otherwise copy it first: `send(std::string{line})`.
    [[nodiscard]] channel_send_operation<T> send(T&& value) noexcept { return {*this, value}; }
    [[nodiscard]] channel_send_operation<T> send(const T& value) noexcept
        requires std::is_nothrow_copy_constructible_v<T>
    {
        return {*this, value};
    }

    /// The same without waiting. Error: `closed`, or resource_unavailable_try_again when it is full
    /// or others wait; then `value` is untouched. The second may throw what copying throws.
    result<void> try_send(T&& value) noexcept {
        if (!ring_.try_take_room()) return ring_.why_no_room();
        put(std::move(value));
        return success();
    }
    result<void> try_send(const T& value)
        requires std::copy_constructible<T>
    {
        if (ring_.room.units() == 0 || is_closed()) return ring_.why_no_room();
        return try_send(T{value});
    }

    /// Takes the first item, waiting while there is none.
    [[nodiscard]] channel_receive_operation<T> receive() noexcept {
        return channel_receive_operation<T>{*this};
    }

    /// The same without waiting. Error: `closed` if it is closed and empty,
    /// resource_unavailable_try_again if there is nothing (that is not meant for one who waits).
    result<T> try_receive() noexcept {
        if (!ring_.try_take_item()) return ring_.why_no_item();
        return get();
    }

    /// Nothing is sent any more: who sends, or waits to, is told `closed`. What is in the channel
    /// can still be received; then those who receive are told `closed`, too. Twice is once.
    void close() noexcept { ring_.close(); }
    [[nodiscard]] bool is_closed() const noexcept { return ring_.is_closed(); }

    /// Items in it, those about to be taken included.
    [[nodiscard]] std::size_t size() const noexcept { return ring_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return ring_.size() == 0; }
    [[nodiscard]] std::size_t capacity() const noexcept { return ring_.capacity(); }

private:
    friend class channel_send_operation<T>;
    friend class channel_receive_operation<T>;

    template <class Value>
    void put(Value&& value) noexcept {
        ::new (static_cast<void*>(&places_[ring_.back()].item)) T(std::forward<Value>(value));
        ring_.pushed();
    }
    T get() noexcept {
        T& first = places_[ring_.front()].item;
        T value{std::move(first)};
        first.~T();
        ring_.popped();
        return value;
    }

    detail::channel_ring ring_;
    detail::item_place<T>* places_;
};

// Implementation

template <class T>
channel<T>::~channel() {
    while (ring_.size() != 0) {
        places_[ring_.front()].item.~T();
        ring_.popped();
    }
    delete[] places_;
}

template <class T>
channel_send_operation<T>::channel_send_operation(channel<T>& to, T& moved_from) noexcept
    : queued_operation{to.ring_.room, 1}, to_{&to}, moved_from_{&moved_from} {}

template <class T>
channel_send_operation<T>::channel_send_operation(channel<T>& to, const T& copied) noexcept
    requires std::is_nothrow_copy_constructible_v<T>
    : queued_operation{to.ring_.room, 1}, to_{&to}, copied_{&copied} {}

template <class T>
void channel_send_operation<T>::take() noexcept {
    if constexpr (std::is_nothrow_copy_constructible_v<T>) {
        if (copied_ != nullptr) {
            to_->put(*copied_);
            return;
        }
    }
    to_->put(std::move(*moved_from_));
}

template <class T>
channel_receive_operation<T>::channel_receive_operation(channel<T>& from) noexcept
    : queued_operation{from.ring_.items, 1}, from_{&from} {}

template <class T>
T channel_receive_operation<T>::take() noexcept {
    return from_->get();
}

} // namespace dunlin
