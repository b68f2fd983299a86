// A value that one task makes and another waits for.
//
//     one_shot<int> answer;
//     group.spawn(ask, answer.make_setter());       // ask(one_shot_setter<int> to)
//     const int got = co_await answer.wait().or_return();
#pragma once

#include <dunlin/result.hpp>
#include <dunlin/sync/wait_queue.hpp>
#include <dunlin/util/api.hpp>

#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

namespace dunlin {

template <class T>
class one_shot;

namespace detail {

class one_shot_base;

/// The end that sets it. Each knows the other, so either may die first.
class DUNLIN_API one_shot_setter_base {
public:
    one_shot_setter_base() noexcept = default;

    /// Whether the other end is still there and nothing has been said to it.
    [[nodiscard]] bool is_wanted() const noexcept;

    /// Who waits is given `why` (which is an error: asserted). False if there is nobody, or it is
    /// decided already.
    bool fail(std::error_code why) noexcept;

    /// Who waits is told `closed`. The destructor does the same.
    void close() noexcept;

protected:
    explicit one_shot_setter_base(one_shot_base& of) noexcept;
    one_shot_setter_base(one_shot_setter_base&& other) noexcept { take_over(other); }
    ~one_shot_setter_base() { close(); }
    void take_over(one_shot_setter_base& other) noexcept;

    friend class one_shot_base;
    one_shot_base* of_ = nullptr;
};

class DUNLIN_API one_shot_base {
public:
    one_shot_base(const one_shot_base&) = delete;
    one_shot_base& operator=(const one_shot_base&) = delete;

    /// Has waiting end with `why` (which is an error: asserted). False if it is decided already.
    bool fail(std::error_code why) noexcept;

    /// Has waiting end with `closed`, unless it is decided already.
    void close() noexcept;

    /// Whether it was set, failed or closed.
    [[nodiscard]] bool is_decided() const noexcept { return queue_.is_closed(); }

protected:
    one_shot_base() noexcept = default;
    ~one_shot_base();

    /// There is a value: for the first who waits.
    void value_is_set() noexcept;

    friend class one_shot_operation_base;
    friend class one_shot_setter_base;
    wait_queue queue_{0};
    std::error_code error_;
    one_shot_setter_base* setter_ = nullptr;
};

class DUNLIN_API one_shot_operation_base : public queued_operation {
public:
    [[nodiscard]] std::error_code error() const noexcept override;

protected:
    explicit one_shot_operation_base(one_shot_base& from) noexcept
        : queued_operation{from.queue_, 1}, from_{&from} {}
    ~one_shot_operation_base() = default;

    one_shot_base* from_;
};

} // namespace detail

/// The awaiter behind `one_shot::wait`.
///
/// Error: what it failed with, `closed` if nobody will set it any more or the value has been taken,
/// `stopped`, `timeout`. With an error, or destroyed, it has taken nothing: the value is there for
/// the next wait. Allocates nothing. Loop thread.
template <class T>
class [[nodiscard]] one_shot_operation final : public detail::one_shot_operation_base,
                                               public spellings<one_shot_operation<T>> {
public:
    using value_type = T;
    explicit one_shot_operation(one_shot<T>& from) noexcept;
    ~one_shot_operation() = default;

    T take() noexcept;
};

/// Sets a `one_shot`, once; dropped without that, it tells who waits `closed`. Movable; may be
/// empty, and may outlive the one_shot. Loop thread.
template <class T>
class [[nodiscard]] one_shot_setter final : public detail::one_shot_setter_base {
public:
    /// Empty.
    one_shot_setter() noexcept = default;
    one_shot_setter(one_shot_setter&& other) noexcept = default;
    one_shot_setter& operator=(one_shot_setter&& other) noexcept {
        if (this != &other) {
            close();
            take_over(other);
        }
        return *this;
    }
    ~one_shot_setter() = default;

    /// Gives the value to who waits. False, and `value` untouched, if there is nobody (any more),
    /// or it is decided already.
    bool set(T&& value) noexcept;

private:
    friend class one_shot<T>;
    explicit one_shot_setter(one_shot<T>& of) noexcept : one_shot_setter_base{of} {}
};

/// It outlives those who wait for it (asserted). Neither copied nor moved. Allocates nothing. Loop
/// thread.
template <class T>
class one_shot final : public detail::one_shot_base {
    static_assert(std::is_nothrow_move_constructible_v<T>, "moving the value must not throw");

public:
    one_shot() noexcept = default;
    ~one_shot() = default;

    /// The end to give away; there is one at a time (asserted).
    [[nodiscard]] one_shot_setter<T> make_setter() noexcept { return one_shot_setter<T>{*this}; }

    /// Sets it without a setter. False, and `value` untouched, if it is decided already.
    bool set(T&& value) noexcept {
        if (is_decided()) return false;
        value_.emplace(std::move(value));
        value_is_set();
        return true;
    }

    /// Waits until it is decided, and takes the value out. Of several who wait the first gets it,
    /// the others are told `closed`; an error they all get.
    [[nodiscard]] one_shot_operation<T> wait() noexcept { return one_shot_operation<T>{*this}; }

private:
    friend class one_shot_operation<T>;
    std::optional<T> value_;
};

// Implementation

template <class T>
one_shot_operation<T>::one_shot_operation(one_shot<T>& from) noexcept
    : one_shot_operation_base{from} {}

template <class T>
T one_shot_operation<T>::take() noexcept {
    std::optional<T>& kept = static_cast<one_shot<T>*>(from_)->value_;
    T value{std::move(*kept)};
    kept.reset();
    return value;
}

template <class T>
bool one_shot_setter<T>::set(T&& value) noexcept {
    return is_wanted() && static_cast<one_shot<T>*>(of_)->set(std::move(value));
}

} // namespace dunlin
