// One run for each failure that the table allows (errnos.hpp), at each position: a program is run
// once without, which counts its calls; then once for each call, position and errno.
#pragma once

#include "errnos.hpp"

#include <dunlin/sys_sim/call.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dunlin::test {

/// The failure of one run.
struct injected {
    std::string_view call;
    std::uint64_t nth = 0; ///< From 1.
    int error = 0;
};

/// What a run came to.
struct outcome {
    /// How many calls of each kind the observed program made while they could fail.
    std::array<std::uint64_t, sys_sim::call_count> calls = {};
    /// Which of its epoll_waits, counted from 1, were made as epoll_pwait2.
    std::set<std::uint64_t> precise_waits;
    /// How each of its tasks (or each of its peers) fared, and in sum; no times.
    std::vector<std::string> tasks;
    std::string sum;
    /// Every error that it heard of, as "... (system:104)".
    std::string heard;
    std::string service_end; ///< The error of the service, if it has ended with one.
    std::string loop_end;    ///< The same of the scheduler.
    /// What must not be, whatever fails: leaks, hangs, spinning, a byte that is not the next one.
    std::string broken;
};

/// A program on a simulated kernel.
struct scene {
    std::string_view name;
    outcome (*run)(std::span<const injected> faults);
    /// Calls of these names, separated by blanks, are made again elsewhere when they fail: no
    /// failure of theirs shows.
    std::string_view retried = {};
};

/// Makes all runs of a scene, checks each, and says how many there were, as a line beginning with
/// "survived:". Gives how many kinds of calls failed.
std::size_t fail_every_call(const scene& played);

/// The same with two failures each, at positions that the seed says, in `count` runs. What either
/// may do, both may. Not for scenes that make calls again elsewhere.
void fail_pairs_of_calls(const scene& played, std::uint64_t seed, std::size_t count);

/// Those that the table has.
[[nodiscard]] std::size_t kinds_of_calls();

} // namespace dunlin::test
