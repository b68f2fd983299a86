// One machine of a simulated world, with one program on it. See world.hpp.
#pragma once

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/net/endpoint.hpp>
#include <dunlin/task/task_group.hpp>
#include <dunlin/util/api.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dunlin::sim {

class world;

/// One machine with one program on it: a scheduler of its own, with tasks. Owned by its world.
class DUNLIN_API host {
public:
    host(const host&) = delete;
    host& operator=(const host&) = delete;

    [[nodiscard]] std::string_view name() const noexcept;
    /// Its address, with this port: the first host has 10.0.0.1, the second 10.0.0.2.
    [[nodiscard]] endpoint address(std::uint16_t port = 0) const noexcept;
    /// Its IPv6 address: fd00::1 for the first host.
    [[nodiscard]] endpoint address_v6(std::uint16_t port = 0) const noexcept;

    /// Runs `function(args...)`, a coroutine function of `task<>` or `io_task<>`, on this host;
    /// `world::run_to_end` waits for it. As `task_group::spawn`, whose rules for arguments hold; so
    /// does the limit of six. A task that fails is listed in `errors()`; an exception is a problem
    /// of the world.
    template <class Function>
    void run(Function&& function, std::source_location here = std::source_location::current()) {
        start(main_group(), here, std::forward<Function>(function));
    }
    template <class Function, class A>
    void run(Function&& function, A&& a,
             std::source_location here = std::source_location::current()) {
        start(main_group(), here, std::forward<Function>(function), std::forward<A>(a));
    }
    template <class Function, class A, class B>
    void run(Function&& function, A&& a, B&& b,
             std::source_location here = std::source_location::current()) {
        start(main_group(), here, std::forward<Function>(function), std::forward<A>(a),
              std::forward<B>(b));
    }
    template <class Function, class A, class B, class C>
    void run(Function&& function, A&& a, B&& b, C&& c,
             std::source_location here = std::source_location::current()) {
        start(main_group(), here, std::forward<Function>(function), std::forward<A>(a),
              std::forward<B>(b), std::forward<C>(c));
    }
    template <class Function, class A, class B, class C, class D>
    void run(Function&& function, A&& a, B&& b, C&& c, D&& d,
             std::source_location here = std::source_location::current()) {
        start(main_group(), here, std::forward<Function>(function), std::forward<A>(a),
              std::forward<B>(b), std::forward<C>(c), std::forward<D>(d));
    }
    template <class Function, class A, class B, class C, class D, class E>
    void run(Function&& function, A&& a, B&& b, C&& c, D&& d, E&& e,
             std::source_location here = std::source_location::current()) {
        start(main_group(), here, std::forward<Function>(function), std::forward<A>(a),
              std::forward<B>(b), std::forward<C>(c), std::forward<D>(d), std::forward<E>(e));
    }
    template <class Function, class A, class B, class C, class D, class E, class F>
    void run(Function&& function, A&& a, B&& b, C&& c, D&& d, E&& e, F&& f,
             std::source_location here = std::source_location::current()) {
        start(main_group(), here, std::forward<Function>(function), std::forward<A>(a),
              std::forward<B>(b), std::forward<C>(c), std::forward<D>(d), std::forward<E>(e),
              std::forward<F>(f));
    }
    /// The same for what runs until it is told to stop: a server. `run_to_end` does not wait for
    /// it, and asks it to stop at the end.
    template <class Function>
    void run_service(Function&& function,
                     std::source_location here = std::source_location::current()) {
        start(service_group(), here, std::forward<Function>(function));
    }
    template <class Function, class A>
    void run_service(Function&& function, A&& a,
                     std::source_location here = std::source_location::current()) {
        start(service_group(), here, std::forward<Function>(function), std::forward<A>(a));
    }
    template <class Function, class A, class B>
    void run_service(Function&& function, A&& a, B&& b,
                     std::source_location here = std::source_location::current()) {
        start(service_group(), here, std::forward<Function>(function), std::forward<A>(a),
              std::forward<B>(b));
    }
    template <class Function, class A, class B, class C>
    void run_service(Function&& function, A&& a, B&& b, C&& c,
                     std::source_location here = std::source_location::current()) {
        start(service_group(), here, std::forward<Function>(function), std::forward<A>(a),
              std::forward<B>(b), std::forward<C>(c));
    }
    template <class Function, class A, class B, class C, class D>
    void run_service(Function&& function, A&& a, B&& b, C&& c, D&& d,
                     std::source_location here = std::source_location::current()) {
        start(service_group(), here, std::forward<Function>(function), std::forward<A>(a),
              std::forward<B>(b), std::forward<C>(c), std::forward<D>(d));
    }
    template <class Function, class A, class B, class C, class D, class E>
    void run_service(Function&& function, A&& a, B&& b, C&& c, D&& d, E&& e,
                     std::source_location here = std::source_location::current()) {
        start(service_group(), here, std::forward<Function>(function), std::forward<A>(a),
              std::forward<B>(b), std::forward<C>(c), std::forward<D>(d), std::forward<E>(e));
    }
    template <class Function, class A, class B, class C, class D, class E, class F>
    void run_service(Function&& function, A&& a, B&& b, C&& c, D&& d, E&& e, F&& f,
                     std::source_location here = std::source_location::current()) {
        start(service_group(), here, std::forward<Function>(function), std::forward<A>(a),
              std::forward<B>(b), std::forward<C>(c), std::forward<D>(d), std::forward<E>(e),
              std::forward<F>(f));
    }

    /// What its tasks have failed with, in order: "host: words (category:number)".
    [[nodiscard]] const std::vector<std::string>& errors() const noexcept;
    /// Tasks of `run` that have not ended.
    [[nodiscard]] std::size_t running() const noexcept;

    /// Asks all its tasks to stop, as SIGTERM does with `dunlin::run`.
    void request_stop() noexcept;

    // ---- what can befall it

    /// The power goes off: its tasks are destroyed, its peers hear nothing.
    void crash();
    /// It is back, with an empty program: `run` something.
    void restart();
    /// Its program stands still, for that long from now on. Its kernel does not.
    void pause(std::chrono::nanoseconds span);
    /// From now on each turn of its scheduler takes this long: a slow machine, a slow reader.
    void slow_down(std::chrono::nanoseconds per_turn);
    /// Its wall clock (CLOCK_REALTIME) is set forward, or back. dunlin does not look at it.
    void jump_wall_clock(std::chrono::nanoseconds by);
    /// kill(2) of its program: a blocked signal is pending (`signal_set` hears it), another
    /// crashes the host unless the signal's default is to do nothing.
    void signal(int number);
    /// Breaks all its connections: its peers get a reset.
    void reset_connections();
    /// At most so many descriptors (RLIMIT_NOFILE).
    void limit_descriptors(std::size_t most);

    /// A scripted fault: calls of this kind (as in section 2 of the manual: "accept4", "recv") fail
    /// with this errno. `nth` counts from now on and from 1; `count` of them fail. Asserts that
    /// there is such a call.
    void fail_call(std::string_view call, std::uint64_t nth, int error_number,
                   std::uint64_t count = 1);
    /// How many calls of this kind it has made.
    [[nodiscard]] std::uint64_t calls(std::string_view call) const noexcept;

    /// No fault that is rolled for befalls this host.
    void spare_from_faults() noexcept;

    [[nodiscard]] bool is_down() const noexcept;
    [[nodiscard]] std::size_t open_descriptors() const noexcept;

    /// Everything done while it lives is done on this host: for a test that makes sockets or spawns
    /// without being a task of it.
    class DUNLIN_API inside {
    public:
        explicit inside(host& here) noexcept;
        ~inside();
        inside(const inside&) = delete;
        inside& operator=(const inside&) = delete;

    private:
        host& here_;
        std::size_t outer_;
        scheduler::as_current current_;
    };

private:
    friend class world;
    struct state;
    explicit host(state& its) noexcept : its_{its} {}
    ~host() = default;

    template <class Function, class... Args>
    void start(task_group& in, std::source_location here, Function&& function, Args&&... args) {
        const inside now_here{*this};
        in.spawn_as(task_name{nullptr, here}, std::forward<Function>(function),
                    std::forward<Args>(args)...);
    }
    [[nodiscard]] task_group& main_group() noexcept;
    [[nodiscard]] task_group& service_group() noexcept;
    [[nodiscard]] scheduler& loop() noexcept;

    state& its_;
};

} // namespace dunlin::sim
