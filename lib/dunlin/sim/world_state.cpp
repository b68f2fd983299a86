// How a world goes on: what strikes it, whose turn it is, when time passes. What users call is in
// world.cpp.
#include <dunlin/sim/detail/host_state.hpp>

#include <dunlin/task/dump_tasks.hpp>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace dunlin::sim {

namespace {

using sys_sim::fault;

constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t rolls_every = 100 * ms;

} // namespace

world::state::state(std::uint64_t its_seed, const faults& with)
    : seed{its_seed}, kernel{its_seed}, current{kernel}, dice{its_seed ^ 0x51ed'270b'0a1f'39c7} {
    kernel.on_call([this](const sys_sim::call_info& made) {
        if (made.host >= hosts.size()) return 0;
        for (const scripted_failure& each : hosts[made.host]->script)
            if (each.which == made.which && made.ordinal >= each.first &&
                made.ordinal - each.first < each.count)
                return each.error_number;
        return 0;
    });
    kernel.on_deadlock([this] {
        std::fputs(("a call that blocks waits in a simulated world, where it stops everybody:\n" +
                    all_tasks())
                       .c_str(),
                   stderr);
    });
    apply(with);
}

void world::state::problem(std::string words) {
    problems.push_back(std::move(words));
    is_reported = false;
}

void world::state::apply(const faults& with) {
    in_force = with;
    if (is_never_small) in_force.small_portions = false;
    sys_sim::fault_odds& odds = kernel.odds();
    const auto set = [&odds](fault which, double to) {
        odds[static_cast<std::size_t>(which)] = to;
    };
    set(fault::short_transfer, with.short_transfers);
    set(fault::passing_time, with.passing_time);
    set(fault::interrupted, with.interrupted);
    set(fault::spurious_wake, with.spurious_wakes);
    set(fault::small_batch, with.small_batches);
    set(fault::shuffled, with.shuffled);
    set(fault::late, with.late);
    set(fault::reset, with.resets);
    set(fault::refused_memory, with.refused_memory);
    set(fault::no_descriptor, with.no_descriptor);
    set(fault::aborted, with.aborted);
    set(fault::pause, with.pauses);
    set(fault::partition, with.partitions);
    set(fault::clock_jump, with.clock_jumps);
    if (!rolls_for_hosts && (with.pauses > 0 || with.partitions > 0 || with.clock_jumps > 0)) {
        rolls_for_hosts = true;
        kernel.at(kernel.now() + rolls_every, [this] { roll_for_hosts(); });
    }
}

void world::state::restrict_to(fault_selection only) {
    how_to_repeat = words_to_repeat(seed) + " " + only.words();
    is_never_small = !only.small_portions;
    if (is_never_small) in_force.small_portions = false;
    kernel.suppress([only = std::move(only)](std::uint64_t number, fault which) {
        return !only.has(number, which);
    });
}

void world::state::act(std::function<void()> what) {
    if (is_in_turn)
        after_turn.push_back(std::move(what));
    else
        what();
}

void world::state::end_turn() {
    is_in_turn = false;
    for (auto& each : std::exchange(after_turn, {}))
        kernel.at(kernel.now(), std::move(each));
}

void world::state::roll_for_hosts() {
    if (in_force.pauses <= 0 && in_force.partitions <= 0 && in_force.clock_jumps <= 0) {
        rolls_for_hosts = false;
        return;
    }
    const auto some = [this](std::int64_t most) {
        return static_cast<std::int64_t>(kernel.dice().below(static_cast<std::uint64_t>(most)));
    };
    for (const auto& each : hosts) {
        const std::size_t number = each->number;
        if (kernel.strikes(fault::pause, number))
            each->self.pause(std::chrono::nanoseconds{some(300 * ms)});
        if (kernel.strikes(fault::clock_jump, number))
            each->self.jump_wall_clock(
                std::chrono::nanoseconds{some(7'200'000 * ms) - 3'600'000 * ms});
        if (hosts.size() > 1 && kernel.strikes(fault::partition, number)) {
            const std::size_t other =
                (number + 1 + kernel.dice().below(hosts.size() - 1)) % hosts.size();
            const bool is_one_way = kernel.dice().below(2) == 0;
            cut(number, other, true);
            if (!is_one_way) cut(other, number, true);
            kernel.at(kernel.now() + some(3'000 * ms), [this, number, other] {
                cut(number, other, false);
                cut(other, number, false);
            });
        }
    }
    kernel.at(kernel.now() + rolls_every, [this] { roll_for_hosts(); });
}

void world::state::cut(std::size_t from, std::size_t to, bool is_cut) {
    kernel.link(from, to).is_cut = is_cut;
}

host::state* world::state::choose_runnable() {
    host::state* chosen = nullptr;
    std::uint64_t count = 0;
    for (const auto& each : hosts) {
        const auto when = each->next_turn_at();
        if (!when || *when > kernel.now()) continue;
        ++count;
        if (count == 1 || dice.below(count) == 0) chosen = each.get();
    }
    return chosen;
}

bool world::state::run(const std::function<bool()>& is_true, std::int64_t end) {
    while (!is_spinning) {
        if (is_true()) return true;
        // What is due at this instant happens in any order.
        const auto event = kernel.next_event();
        host::state* const next = choose_runnable();
        if (event && *event <= kernel.now() && (next == nullptr || dice.below(2) == 0)) {
            kernel.run_next_event();
            continue;
        }
        if (next != nullptr) {
            next->take_turn();
            continue;
        }
        std::int64_t when = event.value_or(never);
        for (const auto& each : hosts)
            if (const auto turn = each->next_turn_at()) when = std::min(when, *turn);
        if (when == never) return false;
        if (when > end) {
            kernel.advance_to(end);
            return true;
        }
        kernel.pass_time_until(when);
    }
    return false;
}

void world::state::pass_time_until(std::int64_t end) {
    if (!is_spinning && end != never) kernel.pass_time_until(end);
}

std::string world::state::all_tasks() const {
    std::string words;
    for (const auto& each : hosts) {
        words += std::string{each->self.name()} + (each->running ? ":\n" : ": it is down\n");
        if (!each->running) continue;
        const sim::host::inside here{each->self}; // its descriptors are looked at
        dump_tasks(each->running->loop, [&words](std::string_view piece) { words += piece; });
    }
    return words;
}

} // namespace dunlin::sim
