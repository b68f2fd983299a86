// What a host of a world is made of. Not for users.
#pragma once

#include <dunlin/sim/detail/replay.hpp>
#include <dunlin/sim/world.hpp>

#include <dunlin/loop/frame_pool.hpp>
#include <dunlin/loop/scheduler.hpp>
#include <dunlin/sys_sim/host.hpp>
#include <dunlin/sys_sim/kernel.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dunlin::sim {

/// A time that does not come.
inline constexpr std::int64_t never = INT64_MAX;

/// A scheduler and the groups of one program; gone when the host is down.
struct program {
    program(scheduler_options options, error_hook on_error) : loop{options} {
        const scheduler::as_current here{loop};
        mains.emplace(on_child_error::carry_on, on_error);
        services.emplace(on_child_error::carry_on, on_error);
    }
    ~program() {
        const scheduler::as_current here{loop};
        services.reset();
        mains.reset();
    }
    program(const program&) = delete;
    program& operator=(const program&) = delete;

    scheduler loop;
    std::optional<task_group> mains;
    std::optional<task_group> services;
};

struct scripted_failure {
    sys_sim::call which;
    std::uint64_t first;
    std::uint64_t count;
    int error_number;
};

struct host::state {
    state(world::state& its_world, std::size_t its_number) : in{its_world}, number{its_number} {}

    world::state& in;
    std::size_t number;
    host self{*this};
    std::optional<program> running;
    std::vector<std::string> errors;
    std::vector<scripted_failure> script;
    std::int64_t paused_until = 0;
    std::int64_t turn_length = 0;
    std::int64_t next_turn = 0;

    [[nodiscard]] sys_sim::host& machine() const noexcept;
    [[nodiscard]] bool has_main() const noexcept { return running && !running->mains->is_empty(); }
    [[nodiscard]] bool has_tasks() const noexcept {
        return running && !(running->mains->is_empty() && running->services->is_empty());
    }
    /// When its program goes on by itself; nullopt: not before something happens to it.
    [[nodiscard]] std::optional<std::int64_t> next_turn_at() const noexcept;
    void begin();
    void end_program();
    void hear(const child_failure& failed);
    void take_turn();
};

struct world::state {
    state(std::uint64_t its_seed, const faults& with);

    std::uint64_t seed;
    std::int64_t frames_before = dunlin::detail::frames_left();
    sys_sim::kernel kernel;
    sys_sim::kernel::as_current current;
    sys_sim::random_source dice; ///< The world's own: the order of turns.
    std::vector<std::unique_ptr<host::state>> hosts;
    link_options for_all;
    faults in_force;
    std::vector<std::string> problems;
    bool is_reported = false;
    bool is_finished = false;
    bool is_spinning = false;
    bool had_small_portions = false; ///< A host began with them.
    bool is_never_small = false;     ///< No small portions, whatever the faults say.
    std::string how_to_repeat = words_to_repeat(seed);
    bool rolls_for_hosts = false; ///< Pauses, partitions and clock jumps are being rolled for.
    bool is_in_turn = false;
    std::vector<std::function<void()>> after_turn; ///< What came due in the middle of one.

    [[nodiscard]] sys_sim::kernel& in() noexcept { return kernel; }
    void problem(std::string words);
    /// Does what a test has planned: not in the middle of a turn, from inside a system call that
    /// takes its time, where it could crash a host whose task runs.
    void act(std::function<void()> what);
    void end_turn();
    void apply(const faults& with);
    /// Before there is a host: no other faults strike from now on.
    void restrict_to(fault_selection only);
    void roll_for_hosts();
    [[nodiscard]] host::state* choose_runnable();
    /// One thing after the other until `is_true` or `end`; false if nothing is planned any more.
    bool run(const std::function<bool()>& is_true, std::int64_t end);
    /// Also when nothing is planned any more.
    void pass_time_until(std::int64_t end);
    void cut(std::size_t from, std::size_t to, bool is_cut);
    [[nodiscard]] std::string all_tasks() const;
};

} // namespace dunlin::sim
