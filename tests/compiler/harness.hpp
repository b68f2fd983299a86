// What the tests of the compilers stand on: an object that knows whether it lives, a tiny lazy
// task, a suspension, and a runner that destroys a coroutine at each of its suspensions.
//
// Nothing here is dunlin's, so that a wrong answer is the compiler's; but task and awaiters are
// built as dunlin builds them: a child is started inside `await_suspend`, its frame dies in
// `await_resume`, and nothing relies on tail calls.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <set>
#include <utility>

namespace idiom {

/// All live `tracked` objects, and whether one of them was treated wrongly.
struct record_of_lives {
    std::set<const void*> alive;
    bool is_wrong = false;

    void born(const void* where) { is_wrong |= !alive.insert(where).second; }
    void died(const void* where) { is_wrong |= alive.erase(where) != 1; }
    void used(const void* where) { is_wrong |= !alive.contains(where); }
};
inline record_of_lives lives;

/// An object with a value that must be born once, die once and not be looked at outside of its
/// life.
class tracked {
public:
    explicit tracked(int value) : value_{value} { lives.born(this); }
    tracked(const tracked& other) : value_{other.value()} { lives.born(this); }
    tracked(tracked&& other) noexcept : value_{other.value()} { lives.born(this); }
    tracked& operator=(const tracked& other) {
        value_ = other.value();
        return *this;
    }
    tracked& operator=(tracked&& other) noexcept {
        value_ = other.value();
        return *this;
    }
    ~tracked() { lives.died(this); }

    int value() const {
        lives.used(this);
        return value_;
    }

private:
    int value_;
};

/// Who can go on: at most one coroutine waits, for nothing but its next turn.
struct world {
    std::coroutine_handle<> waiting;
    std::coroutine_handle<> parent_of_ended;
};
inline world now;

/// Suspends once; gives `value`. It is tracked, as a leaf operation that unlinks itself would be.
class [[nodiscard]] step {
public:
    explicit step(int value = 0) noexcept : value_{value} {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) const noexcept { now.waiting = self; }
    int await_resume() const { return value_.value(); }

private:
    tracked value_;
};

/// What `await_transform` gives: the awaiter by pointer, in a class with a constructor.
template <class Awaiter>
class [[nodiscard]] by_pointer {
public:
    explicit by_pointer(Awaiter& to) noexcept : to_{&to} {}
    bool await_ready() { return to_->await_ready(); }
    auto await_suspend(std::coroutine_handle<> self) { return to_->await_suspend(self); }
    decltype(auto) await_resume() { return to_->await_resume(); }

private:
    Awaiter* to_;
};

/// `co_await by_reference{awaiter}`: a promise that hands the awaiter on by reference.
template <class Awaiter>
class by_reference {
public:
    explicit by_reference(Awaiter& awaiter) noexcept : to{awaiter} {}
    Awaiter& to;
};

/// A lazy coroutine with one owner, awaited as a temporary or after `std::move`.
template <class T>
class [[nodiscard]] task {
public:
    struct promise_type {
        std::optional<T> value;
        std::exception_ptr error;
        std::coroutine_handle<> parent; ///< Set once this coroutine has outlived its start.
        tracked life{0};                ///< Frames are counted, too.

        struct final_awaiter {
            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
                now.parent_of_ended = self.promise().parent;
            }
            void await_resume() const noexcept {}
        };

        task get_return_object() noexcept { return task{handle::from_promise(*this)}; }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        final_awaiter final_suspend() const noexcept { return {}; }
        void return_value(T given) { value.emplace(std::move(given)); }
        void unhandled_exception() noexcept { error = std::current_exception(); }

        template <class Awaiter>
        by_pointer<Awaiter> await_transform(Awaiter&& awaiter) noexcept {
            return by_pointer<Awaiter>{awaiter};
        }
        template <class Awaiter>
        Awaiter& await_transform(by_reference<Awaiter> awaiter) noexcept {
            return awaiter.to;
        }
    };
    using handle = std::coroutine_handle<promise_type>;

    explicit task(handle coroutine) noexcept : coroutine_{coroutine} {}
    task(task&& other) noexcept : coroutine_{std::exchange(other.coroutine_, nullptr)} {}
    task& operator=(task&&) = delete;
    ~task() {
        if (coroutine_) coroutine_.destroy();
    }

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> self) {
        coroutine_.resume();
        if (coroutine_.done()) return false;
        coroutine_.promise().parent = self;
        return true;
    }
    T await_resume() {
        const task dies_at_the_end{std::move(*this)};
        return dies_at_the_end.result();
    }

    // For the runner.
    void start() { coroutine_.resume(); }
    bool is_done() const { return coroutine_.done(); }
    T result() const {
        promise_type& ended = coroutine_.promise();
        if (ended.error) std::rethrow_exception(ended.error);
        return std::move(*ended.value);
    }

private:
    handle coroutine_;
};

using idiom_function = task<int> (*)();

/// Lets `function()` run to the end, but destroys it at its suspension number `limit` (0: before it
/// starts). What it gave, or nothing.
inline std::optional<int> run_until(idiom_function function, int limit) {
    now = {};
    task<int> root = function();
    for (int suspensions = 0; suspensions < limit; ++suspensions) {
        if (suspensions == 0)
            root.start();
        else
            std::exchange(now.waiting, nullptr).resume();
        while (const auto parent = std::exchange(now.parent_of_ended, nullptr))
            parent.resume();
        if (root.is_done()) return root.result();
    }
    return std::nullopt;
}

/// Whether an idiom gives `expected` and all objects live once, wherever it is destroyed.
inline bool is_right(idiom_function function, int expected) {
    constexpr int more_than_any_has = 100;
    for (int limit = 0; limit < more_than_any_has; ++limit) {
        lives = {};
        const std::optional<int> given = run_until(function, limit);
        if (lives.is_wrong || !lives.alive.empty()) return false;
        if (given) return *given == expected;
    }
    return false; // it did not end
}

} // namespace idiom
