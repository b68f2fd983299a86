// A scheduler for one test: tasks run on it until they are done or nothing moves any more, never
// for longer than five seconds of real time. At its end it checks that no descriptor was left open.
//
//     test_loop loop;
//     auto [here, there] = loop.socket_pair();        // a tcp_socket, and a raw peer
//     auto pending = loop.start(read_some, here);     // read_some(tcp_socket&), a coroutine
//     loop.run_until_idle();
//     REQUIRE_FALSE(pending.is_done());
//     there.send("x");
//     loop.run_until([&] { return pending.is_done(); });
//     CHECK(loop.run(here.read()));                   // an operation, awaited to its end
//
// Declare it first: what it made dies before it.
#pragma once

#include <support/catch.hpp>
#include <support/raw_peer.hpp>

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/net/tcp_socket.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/task/task_group.hpp>

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>

namespace dunlin::test {

using namespace std::chrono_literals;

/// A value of any type, or that there was one.
template <class T>
using kept = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// A task that `test_loop::start` started. Destroying it destroys the task where it stands.
template <class T>
class pending {
public:
    [[nodiscard]] bool is_done() const { return state_->is_done; }

    /// What it gave, once; or throws what it threw. It must be done.
    T result() {
        REQUIRE(state_->is_done);
        if (state_->thrown) std::rethrow_exception(state_->thrown);
        REQUIRE(state_->value.has_value());
        if constexpr (!std::is_void_v<T>) return std::move(*state_->value);
    }

    /// Asks it politely.
    void stop() { state_->group.value().request_stop(); }
    void drain() { state_->group.value().request_drain(); }

    /// Destroys its frames.
    void destroy() { state_->group.reset(); }

private:
    friend class test_loop;

    struct state {
        bool is_done = false;
        std::optional<kept<T>> value;
        std::exception_ptr thrown;
        std::shared_ptr<void> callable; ///< Its captures, for as long as the coroutine lives.
        std::optional<task_group> group{std::in_place, on_child_error::carry_on};
    };

    static task<> keep(task<T> awaited, state& into) {
        try {
            if constexpr (std::is_void_v<T>) {
                co_await std::move(awaited); // tidy: a task<>, which gives nothing
                into.value.emplace();
            } else {
                T given = co_await std::move(awaited);
                into.value.emplace(std::move(given));
            }
        } catch (...) {
            into.thrown = std::current_exception();
        }
        into.is_done = true;
    }

    std::unique_ptr<state> state_ = std::make_unique<state>();
};

class test_loop {
public:
    explicit test_loop(scheduler_options options = {});
    ~test_loop();
    test_loop(const test_loop&) = delete;
    test_loop& operator=(const test_loop&) = delete;

    /// Queues a task, which does not run before the next turn.
    template <class T>
    [[nodiscard]] pending<T> start(task<T> made) {
        pending<T> started;
        auto& state = *started.state_;
        state.group->spawn(pending<T>::keep(std::move(made), state));
        return started;
    }

    /// The same for `function(args...)`. The function is kept; the arguments are only passed on, so
    /// what it takes by reference must outlive it.
    template <class Function, class... Args>
        requires std::invocable<std::decay_t<Function>&, Args...>
    [[nodiscard]] auto start(Function&& function, Args&&... args) {
        auto callable = std::make_shared<std::decay_t<Function>>(std::forward<Function>(function));
        auto started = start((*callable)(std::forward<Args>(args)...));
        started.state_->callable = std::move(callable);
        return started;
    }

    /// Runs a task to its end; gives its value, or throws what it threw.
    template <class T>
    T run(task<T> made) {
        auto started = start(std::move(made));
        run_until([&] { return started.is_done(); });
        return started.result();
    }

    /// Awaits an operation (a temporary) to its end.
    template <class Operation>
        requires std::derived_from<Operation, operation>
    result<typename Operation::value_type> run(Operation&& awaited) {
        std::optional<result<typename Operation::value_type>> answer;
        run(await(awaited, answer));
        return std::move(answer.value());
    }

    /// Takes turns, waiting in between, until `is_true()`; fails the test after five seconds.
    template <class Predicate>
    void run_until(Predicate is_true) {
        const auto give_up = std::chrono::steady_clock::now() + 5s;
        while (!is_true()) {
            if (std::chrono::steady_clock::now() > give_up) FAIL("nothing came in five seconds");
            turn(2ms);
        }
    }

    /// Takes turns without waiting until no task runs and no event comes; fails the test if that
    /// takes more than `most` turns. Gives the number of turns.
    std::size_t run_until_idle(std::size_t most = 100'000);

    /// One turn; by default it does not wait. Gives the number of resumptions.
    std::size_t turn(std::chrono::nanoseconds max_wait = 0ns);

    [[nodiscard]] scheduler& sched() { return *scheduler_; }
    [[nodiscard]] scheduler_counters counters() const { return scheduler_->counters(); }

    struct connection {
        tcp_socket here;
        raw_peer there;
    };

    /// Two ends of an AF_UNIX stream, one of ours and one that blocks.
    [[nodiscard]] connection socket_pair();

    /// The same over TCP on the loopback interface.
    [[nodiscard]] connection tcp_pair();

    /// Somewhere to read into.
    [[nodiscard]] std::span<std::byte> scratch() { return scratch_; }

private:
    template <class Operation>
    static task<> await(Operation& awaited,
                        std::optional<result<typename Operation::value_type>>& answer) {
        auto given = co_await std::move(awaited);
        answer.emplace(std::move(given));
    }

    std::size_t open_before_;
    std::optional<scheduler> scheduler_;
    std::array<std::byte, 4096> scratch_{};
};

/// How many descriptors this process has open.
[[nodiscard]] std::size_t open_descriptors();

} // namespace dunlin::test
