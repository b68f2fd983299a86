// Awaiting what a C function reports by calling back, on whichever thread.
//
//     callback<int> done;
//     lookup_start(name, [](int status, void* user) { callback<int>::complete(user, status); },
//                  done.user_data());
//     const int status = co_await done.wait().timeout(5s).or_return();
//
// One value, given once, awaited once. What both sides need lies in a block of memory that they
// share, so it does not matter who is gone first: a call that comes after the task has lost
// interest is harmless, and so is a task that waits for a call that will never come, if that is
// said (`give_up`). For several values use a channel.
#pragma once

#include <dunlin/loop/operation.hpp>
#include <dunlin/util/api.hpp>

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace dunlin {

template <class T>
class callback;

namespace detail {

/// What both sides share; see callback.cpp. The value lies behind it.
struct callback_state;

/// Of the running scheduler (asserted); null when memory is refused. `destroy` is for a value that
/// nobody took.
[[nodiscard]] DUNLIN_API callback_state* make_callback(std::size_t size,
                                                       void (*destroy)(void*) noexcept) noexcept;
/// Where the value is, or is to be.
[[nodiscard]] DUNLIN_API void* room_of(callback_state& state) noexcept;

/// The side that waits is gone.
DUNLIN_API void abandon_callback(callback_state* state) noexcept;

// The other side; any thread.

/// One more that may complete it.
DUNLIN_API void add_completer(callback_state& state) noexcept;
/// One less. If it was the last and nothing was given, whoever waits is told so.
DUNLIN_API void drop_completer(callback_state& state) noexcept;
/// Whether the caller is the one to give the value: then it makes it in the room, and publishes it.
[[nodiscard]] DUNLIN_API bool claim_callback(callback_state& state) noexcept;
DUNLIN_API void publish_callback(callback_state& state) noexcept;

/// What is the same for every value.
class DUNLIN_API callback_wait : public operation {
public:
    bool begin() noexcept;
    bool attempt() noexcept override;

protected:
    explicit callback_wait(callback_state* state) noexcept : state_{state} {}
    ~callback_wait() = default;

    /// For the destructor of the derived class.
    void leave() noexcept;
    /// The value has been moved out and destroyed.
    void note_taken() noexcept;
    [[nodiscard]] void* room() const noexcept { return room_of(*state_); }

private:
    [[nodiscard]] bool is_over() noexcept;

    callback_state* state_;
};

struct nothing {
    constexpr nothing() noexcept {}
};

template <class T>
using callback_value = std::conditional_t<std::is_void_v<T>, nothing, T>;

/// Gives the value, or destroys it if it comes too late. Any thread.
template <class Value>
bool complete_callback(callback_state& state, Value&& value) noexcept {
    if (!claim_callback(state)) return false;
    ::new (room_of(state)) Value(std::move(value));
    publish_callback(state);
    return true;
}

} // namespace detail

/// The awaiter behind `callback::wait`:   idle ──▶ waiting ◀──▶ queued ──▶ over
///
/// Queued by the call (another thread posts that, see remote.hpp). The value is taken in the turn
/// in which it resumes, so a wait that is stopped, timed out or destroyed before has left the value
/// to the next. Allocates nothing. Loop thread.
template <class T>
class [[nodiscard]] callback_operation final : public detail::callback_wait,
                                               public spellings<callback_operation<T>> {
public:
    using value_type = T;
    explicit callback_operation(detail::callback_state* state) noexcept : callback_wait{state} {}
    ~callback_operation() { leave(); }

    T take() noexcept {
        using value = detail::callback_value<T>;
        value& there = *std::launder(static_cast<value*>(this->room()));
        if constexpr (std::is_void_v<T>) {
            note_taken();
        } else {
            T taken(std::move(there));
            there.~value();
            note_taken();
            return taken;
        }
    }
};

/// The side of a `callback` that gives the value, for C++: a handle that may be copied, kept in a
/// std::function, and used and destroyed on any thread, also when scheduler and callback are gone.
template <class T>
class callback_completer {
public:
    callback_completer(const callback_completer& other) noexcept : state_{other.state_} {
        if (state_ != nullptr) detail::add_completer(*state_);
    }
    callback_completer(callback_completer&& other) noexcept
        : state_{std::exchange(other.state_, nullptr)} {}
    callback_completer& operator=(callback_completer other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    /// The last one to go without a value tells the waiting task: `closed`.
    ~callback_completer() {
        if (state_ != nullptr) detail::drop_completer(*state_);
    }

    /// Gives the value. False if that comes too late: another was given, or the callback is gone;
    /// then the value is destroyed here and now. Any thread.
    bool complete(detail::callback_value<T> value) const noexcept {
        return state_ != nullptr && detail::complete_callback(*state_, std::move(value));
    }
    bool complete() const noexcept
        requires(std::is_void_v<T>)
    {
        return complete(detail::nothing{});
    }

private:
    friend class callback<T>;
    explicit callback_completer(detail::callback_state* state) noexcept : state_{state} {}

    detail::callback_state* state_;
};

/// The side that waits. Belongs to the scheduler that ran when it was made, and to its thread; not
/// destroyed while a `wait` of it lasts (asserted). `T` moves without throwing.
template <class T = void>
class callback {
    static_assert(std::is_void_v<T> || std::is_nothrow_move_constructible_v<T>,
                  "what a callback gives moves from thread to thread: that must not throw");
    static_assert(alignof(detail::callback_value<T>) <= alignof(std::max_align_t),
                  "a callback cannot give an over-aligned value");

public:
    using completer = callback_completer<T>;

    /// Allocates the shared block. When memory is refused, `wait` yields not_enough_memory, and
    /// the handles take values and do nothing.
    callback() noexcept
        : state_{detail::make_callback(sizeof(detail::callback_value<T>), destroy_value)} {}

    /// What is given from now on is destroyed where it is given.
    ~callback() { detail::abandon_callback(state_); }
    callback(const callback&) = delete;
    callback& operator=(const callback&) = delete;

    /// The user data of a C callback. For each pointer that this gives, call `complete` or
    /// `give_up` exactly once (or the shared block leaks), be it after this object's end. Null when
    /// memory was refused, which both take.
    [[nodiscard]] void* user_data() noexcept {
        if (state_ != nullptr) detail::add_completer(*state_);
        return state_;
    }

    /// Gives the value to the callback that this user data is of. False if that comes too late, as
    /// with `completer::complete`. Any thread; on the loop's own it costs no system call.
    static bool complete(void* user_data, detail::callback_value<T> value) noexcept {
        const completer once{static_cast<detail::callback_state*>(user_data)};
        return once.complete(std::move(value));
    }
    static bool complete(void* user_data) noexcept
        requires(std::is_void_v<T>)
    {
        return complete(user_data, detail::nothing{});
    }

    /// There will be no call for this user data. Any thread.
    static void give_up(void* user_data) noexcept {
        const completer dropped{static_cast<detail::callback_state*>(user_data)};
    }

    /// The same for C++, see there.
    [[nodiscard]] completer get_completer() noexcept {
        return completer{static_cast<detail::callback_state*>(user_data())};
    }

    /// Waits for the value; not at all if it is there already. Gives it once.
    ///
    /// Error: `stopped`, `closed` (nothing can come any more: all that could have given it are
    /// gone, or it was taken before), `busy` (another task waits for it), not_enough_memory.
    /// Cancelled, it takes nothing: the value is there for the next `wait`.
    [[nodiscard]] callback_operation<T> wait() noexcept { return callback_operation<T>{state_}; }

private:
    static void destroy_value(void* room) noexcept {
        using value = detail::callback_value<T>;
        std::launder(static_cast<value*>(room))->~value();
    }

    detail::callback_state* state_;
};

} // namespace dunlin
