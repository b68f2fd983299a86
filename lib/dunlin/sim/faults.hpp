// What may go wrong in a simulated world, and how often.
#pragma once

#include <dunlin/util/api.hpp>

#include <chrono>
#include <cstdint>

namespace dunlin::sim {

/// Probabilities from 0 to 1, each rolled wherever such a fault is possible. Short transfers and
/// the passing of time change no outcome that a program may rely on, so they are on by default.
struct faults {
    double short_transfers = 0.1; ///< A send takes less; what was sent arrives in pieces.
    double passing_time = 0.02;   ///< Microseconds pass within a system call, and data arrives.
    double interrupted = 0;       ///< EINTR, where the manual allows it.
    double spurious_wakes = 0;    ///< epoll reports a descriptor about which nothing is new.
    double small_batches = 0;     ///< epoll gives one event, though there are more.
    double shuffled = 0;          ///< epoll gives its events in another order.
    double late = 0;              ///< A segment takes up to 50 times the latency.
    double resets = 0;            ///< A connection breaks in a send or recv (ECONNRESET).
    double refused_memory = 0;    ///< ENOBUFS or ENOMEM from send, socket, accept, epoll_ctl.
    double no_descriptor = 0;     ///< EMFILE or ENFILE from accept and socket.
    double aborted = 0;           ///< ECONNABORTED from accept.
    double pauses = 0;            ///< A host's program stands still, up to 300 ms.
    double partitions = 0;        ///< Nothing gets through between two hosts, up to 3 s.
    double clock_jumps = 0;       ///< A host's wall clock is set by up to an hour.

    /// The framework works in small portions: few resumptions a turn, a small budget per task, few
    /// events per wait (`scheduler_options`), other numbers for each host.
    bool small_portions = false;

    /// Nothing goes wrong: transfers are whole, and time passes only while everybody waits.
    [[nodiscard]] DUNLIN_API static faults none() noexcept;

    /// A subset of all of them, chosen by the seed (swarm testing): some seeds have few kinds and
    /// many of each, so that rare combinations come up.
    [[nodiscard]] DUNLIN_API static faults storm(std::uint64_t seed) noexcept;
};

/// The faults of a run: the same whatever its seed, or what a function makes of the seed.
class faults_by_seed {
public:
    faults_by_seed(const faults& always) noexcept : always_{always} {} // NOLINT: meant to convert
    faults_by_seed(faults (*of_seed)(std::uint64_t)) noexcept
        : of_seed_{of_seed} {} // NOLINT: likewise

    [[nodiscard]] faults of(std::uint64_t seed) const {
        return of_seed_ != nullptr ? of_seed_(seed) : always_;
    }

private:
    faults always_;
    faults (*of_seed_)(std::uint64_t) = nullptr;
};

/// What lies between two hosts, in both directions.
struct link_options {
    std::chrono::nanoseconds latency{0}; ///< From here to there.
    std::chrono::nanoseconds jitter{0};  ///< Up to this much more, evenly distributed.
    std::uint64_t bandwidth = 0;         ///< Bytes a second in each direction; 0: no limit.
};

} // namespace dunlin::sim
