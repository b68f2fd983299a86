// A simulated world: hosts with programs of unchanged dunlin code, a network between them, and a
// clock that jumps to whatever happens next. Two minutes of it take milliseconds, and the same seed
// gives the same run, byte for byte.
//
//     sim::world w{seed};
//     sim::host& server = w.host("server");
//     server.run_service(serve_echo);              // any coroutine function; it listens on port 7
//     sim::host& client = w.host("client");
//     client.run(talk, "server:7");                // names are hosts
//     w.link(server, client, {.latency = 20ms, .jitter = 5ms});
//     w.run_to_end(2min);
//     REQUIRE(w.problems() == "");
//
// A program that uses this is linked with libdunlin-sim (Meson: `dunlin_sim_dep`, or
// `dependency('dunlin-sim')`) in place of libdunlin; nothing else of it changes. What it takes from
// libc directly, past dunlin (std::chrono::…::now(), std::random_device, a file, a thread), is not
// simulated: use dunlin::now() and dunlin::random_bits(). See docs/simulation.md.
//
// One thread. A world is made and destroyed outside of any task; while one lives, it is the kernel
// of everything on its thread.
#pragma once

#include <dunlin/loop/clock.hpp>
#include <dunlin/net/endpoint.hpp>
#include <dunlin/sim/faults.hpp>
#include <dunlin/sim/host.hpp>
#include <dunlin/sys/resolver_error.hpp>
#include <dunlin/task/dump_tasks.hpp>
#include <dunlin/task/task_group.hpp>
#include <dunlin/util/api.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace dunlin::sim {

class DUNLIN_API world {
public:
    /// The run is decided by `seed` and by the code: DUNLIN_SIM_SEED=n in the environment takes its
    /// place, to see one run again; DUNLIN_SIM_TRACE=1 prints every simulated system call on
    /// standard error. With DUNLIN_SIM_ONLY=3,17 none of the faults strikes but these, by the
    /// numbers that seeds.hpp prints.
    explicit world(std::uint64_t seed, const faults& with = {});
    /// With the faults of the seed that counts in the end: `world w{seed, faults::storm}`.
    world(std::uint64_t seed, const faults_by_seed& with);

    /// Ends what still runs and checks what is left, as `finish`; problems that nobody has asked
    /// for are printed on standard error then.
    ~world();
    world(const world&) = delete;
    world& operator=(const world&) = delete;

    [[nodiscard]] std::uint64_t seed() const noexcept;

    /// The host of this name; made if there is none yet.
    [[nodiscard]] sim::host& host(std::string_view name);

    // ---- the network

    void link(sim::host& a, sim::host& b, link_options options);
    /// For all pairs of hosts that have no link of their own, also those made later.
    void link_all(link_options options);
    /// Nothing gets through, in both directions or in one, until `heal`. What is sent meanwhile is
    /// sent again, later and later, as TCP does (RFC 6298); after a quarter of an hour it gives up.
    void partition(sim::host& a, sim::host& b);
    void partition_one_way(sim::host& from, sim::host& to);
    void heal(sim::host& a, sim::host& b);
    void heal_all();

    /// `name` is looked up as these addresses (ports do not matter), and that takes `delay`.
    void set_name(std::string name, std::vector<endpoint> addresses,
                  std::chrono::nanoseconds delay = {});
    /// Its lookup fails.
    void fail_name(std::string name, resolver_errc why, std::chrono::nanoseconds delay = {});

    // ---- time

    /// Time since the world was made.
    [[nodiscard]] std::chrono::nanoseconds elapsed() const noexcept;

    /// Runs for that long. What is to happen at its very end has happened.
    void run_for(std::chrono::nanoseconds span);

    /// Runs until all tasks of `host::run` have ended, at most for `limit`; true if they have. If
    /// not, that is a problem, with a dump of every task (dump_tasks.hpp): also at once when
    /// nothing is planned any more, which is a deadlock.
    bool run_to_end(std::chrono::nanoseconds limit);

    /// Runs until `is_true()`, asked whenever something has happened; at most for `limit`.
    template <class Predicate>
    bool run_until(Predicate&& is_true, std::chrono::nanoseconds limit) {
        return run_until(
            [](void* context) {
                return static_cast<bool>(
                    (*static_cast<std::remove_reference_t<Predicate>*>(context))());
            },
            const_cast<void*>(static_cast<const void*>(&is_true)), limit);
    }

    /// Calls `what` (outside of any task) when that much time has passed from now on.
    template <class Callable>
    void after(std::chrono::nanoseconds span, Callable what) {
        plan(span, new Callable{std::move(what)}, [](void* context, bool is_due) {
            auto* const callable = static_cast<Callable*>(context);
            if (is_due)
                (*callable)();
            else
                delete callable;
        });
    }

    // ---- faults

    /// From now on these odds hold.
    void set_faults(const faults& with);
    /// Heals all links, ends all pauses, forgets scripted faults, and nothing goes wrong any more.
    /// Short transfers and the passing of time remain as far as they are on by default.
    void calm();
    /// Faults that were rolled and struck so far.
    [[nodiscard]] std::size_t strikes() const noexcept;

    // ---- what went wrong

    /// States what must hold; a false one is a problem with these words.
    void require(bool is_true, std::string_view words);

    /// Stops every task, lets them go on for up to `grace`, destroys the rest, and checks that no
    /// descriptor, socket, task, coroutine frame or timer is left. Called by the destructor; once.
    void finish(std::chrono::nanoseconds grace = std::chrono::minutes{20});

    /// All problems so far, a line or more each; empty if there are none: an unmet `require`, an
    /// exception, a deadlock, a program that spins (10,000 waits without an event, or 1,000,000
    /// with one, at the same instant), a task that was not told that its descriptor is closed,
    /// something left at the end. With the line that repeats the run: DUNLIN_SIM_SEED=….
    [[nodiscard]] std::string problems() const;
    [[nodiscard]] bool has_problems() const noexcept;

    // ---- what happened

    /// Calls `listener` with every simulated system call as a line:
    /// "0.020001000 server: recv(5, 4096) = 64". It outlives the world.
    template <class Callable>
    void trace_to(Callable& listener) {
        listen(
            [](void* context, std::string_view line) { (*static_cast<Callable*>(context))(line); },
            const_cast<void*>(static_cast<const void*>(&listener)));
    }
    /// A hash over all system calls with their results and times: the same for the same run.
    [[nodiscard]] std::uint64_t transcript_hash() const noexcept;
    [[nodiscard]] std::uint64_t system_calls() const noexcept;

    /// Every task of every host, as dump_tasks.hpp writes them.
    void dump(dump_sink sink) const noexcept;

private:
    friend class sim::host;
    friend struct sim::host::state;
    friend struct restricted_world;
    struct state;

    bool run_until(bool (*is_true)(void*), void* context, std::chrono::nanoseconds limit);
    void plan(std::chrono::nanoseconds span, void* context, void (*what)(void*, bool));
    void listen(void (*listener)(void*, std::string_view), void* context);

    state* its_;
};

} // namespace dunlin::sim
