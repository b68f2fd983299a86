// The simulated kernel: machines ("hosts") with descriptors, sockets and epoll, a network between
// them, and a clock that stands still unless someone waits.
//
// One thread, no locks, and nothing in it depends on anything but its seed and the calls that are
// made: the same program gives the same transcript. The system calls themselves are functions of
// sys/os.hpp, defined in the files *_calls.cpp; what they work on is the current kernel's current
// host. A program that is linked with it and never makes a kernel of its own gets one with a single
// host, without faults. Users see `sim::world` (sim/world.hpp), which is built on this.
//
// What it models, and with which exactness, is written down in docs/simulation.md.
#pragma once

#include <dunlin/sys/address.hpp>
#include <dunlin/sys_sim/call.hpp>
#include <dunlin/sys_sim/fault.hpp>
#include <dunlin/sys_sim/random.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dunlin::sys_sim {

class host;
class network;

/// What lies between two hosts, in one direction. Times in nanoseconds.
struct link_quality {
    std::int64_t latency = 0;
    std::int64_t jitter = 0;     ///< Up to this much is added, evenly distributed.
    std::uint64_t bandwidth = 0; ///< Bytes a second; 0: no limit.
    bool is_cut = false; ///< Nothing gets through; it is sent again, later and later (RFC 6298).
};

/// A call that is about to be made; what a scripted fault decides by.
struct call_info {
    std::size_t host;
    call which;
    std::uint64_t ordinal; ///< How many calls of this kind the host made before.
    int fd;                ///< -1 if it has none.
};

/// What the kernel was asked for, counted.
struct kernel_counters {
    std::uint64_t calls = 0;
    std::uint64_t events = 0;      ///< Worked off the event queue.
    std::uint64_t injected = 0;    ///< Calls that failed because they were told to, or by chance.
    std::uint64_t connections = 0; ///< Established, counted at the accepting side.
};

class kernel {
public:
    /// A kernel with no host yet.
    explicit kernel(std::uint64_t seed);
    ~kernel();
    kernel(const kernel&) = delete;
    kernel& operator=(const kernel&) = delete;

    /// The one that the calls of this thread go to: the innermost `as_current`, or else a kernel
    /// with one host that is made with the first call (seed DUNLIN_SIM_SEED, or 0) and never
    /// destroyed.
    [[nodiscard]] static kernel& current() noexcept;

    /// Makes a kernel the current one while it lives.
    class as_current {
    public:
        explicit as_current(kernel& now_current) noexcept;
        ~as_current();
        as_current(const as_current&) = delete;
        as_current& operator=(const as_current&) = delete;

    private:
        kernel* outer_;
    };

    // ---- hosts

    /// A machine with these addresses (ports do not matter); each has the loopback ones besides.
    std::size_t add_host(std::string name, std::vector<sys::ip_address> addresses);
    [[nodiscard]] host& host_at(std::size_t number) noexcept { return *hosts_[number]; }
    [[nodiscard]] std::size_t host_count() const noexcept { return hosts_.size(); }

    /// The host whose program runs.
    [[nodiscard]] host& here() noexcept { return *hosts_[here_]; }
    [[nodiscard]] std::size_t here_number() const noexcept { return here_; }
    void enter(std::size_t number) noexcept { here_ = number; }

    /// The power goes off: its sockets are gone without a word to their peers. Its program may
    /// still close descriptors.
    void crash(std::size_t number) noexcept;
    /// The machine is back, with no descriptor open.
    void restart(std::size_t number) noexcept;

    // ---- time

    /// Nanoseconds of CLOCK_MONOTONIC.
    [[nodiscard]] std::int64_t now() const noexcept { return now_; }
    /// What it was at first: a machine has been up for a while.
    [[nodiscard]] static constexpr std::int64_t beginning() noexcept { return 1'000'000'000'000; }
    /// Nanoseconds of CLOCK_REALTIME minus those of CLOCK_MONOTONIC on that host.
    void set_wall_clock(std::size_t number, std::int64_t offset) noexcept;

    /// When something happens next by itself.
    [[nodiscard]] std::optional<std::int64_t> next_event() const noexcept;
    /// Does the first of what is planned, at its time.
    void run_next_event();
    /// Time passes up to `when`, before which nothing is planned.
    void pass_time_until(std::int64_t when) noexcept { now_ = when > now_ ? when : now_; }
    /// Time passes up to `when`; what is due on the way happens in order.
    void advance_to(std::int64_t when);
    /// Does `what` at `when` (not before now), in the name of no host.
    void at(std::int64_t when, std::function<void()> what);

    /// Lets time pass until `is_done` or `deadline` (negative: none); true if done. When nothing is
    /// planned any more and there is no deadline, that is a deadlock: see `on_deadlock`.
    bool wait_until(const std::function<bool()>& is_done, std::int64_t deadline);
    /// Called for a deadlock, before the process is aborted; must not return if it is to go on.
    void on_deadlock(std::function<void()> report) { on_deadlock_ = std::move(report); }

    // ---- network

    [[nodiscard]] network& net() noexcept { return *network_; }
    /// From one host to another; those of a host to itself too.
    [[nodiscard]] link_quality& link(std::size_t from, std::size_t to);

    /// getaddrinfo(3) finds these addresses for a name (or fails: `error`, an EAI_ code), after
    /// `delay` nanoseconds. Without it the names of hosts are known, and "localhost".
    struct name_answer {
        std::vector<sys::ip_address> addresses;
        int error = 0;
        std::int64_t delay = 0;
    };
    void set_name(std::string name, name_answer answer);
    [[nodiscard]] name_answer find_name(std::string_view name) const;

    // ---- faults

    [[nodiscard]] fault_odds& odds() noexcept { return odds_; }
    /// Rolls for a fault at the current host. Each roll has a number, made of the kind, the host
    /// and how many such rolls there were: its outcome depends on that and the seed alone, so that
    /// a fault that is taken away changes as little as can be of what comes after it.
    [[nodiscard]] bool strikes(fault which) { return strikes(which, here_); }
    [[nodiscard]] bool strikes(fault which, std::size_t host_number);
    /// Those for which this is true do not strike.
    void suppress(std::function<bool(std::uint64_t number, fault which)> is_suppressed) {
        is_suppressed_ = std::move(is_suppressed);
    }
    /// What has struck.
    struct strike {
        std::uint64_t number;
        fault which;
        std::size_t host;
        std::int64_t when;
    };
    [[nodiscard]] const std::vector<strike>& strikes() const noexcept { return strikes_; }
    [[nodiscard]] random_source& dice() noexcept { return dice_; }
    /// Asked before each call: 0, or the errno it fails with.
    void on_call(std::function<int(const call_info&)> decide) { on_call_ = std::move(decide); }
    /// No fault befalls this host.
    void spare(std::size_t number, bool is_spared);

    // ---- what happened

    [[nodiscard]] const kernel_counters& counters() const noexcept { return counters_; }
    /// A hash over every call, its arguments and result, and its time.
    [[nodiscard]] std::uint64_t transcript_hash() const noexcept { return transcript_hash_; }
    /// Hears every call as a line, e.g. "0.020001 server: recv(5, 4096) = 64".
    void trace_to(std::function<void(std::string_view)> listener) { trace_ = std::move(listener); }
    [[nodiscard]] bool is_traced() const noexcept { return trace_ != nullptr; }

    // ---- for make_call.hpp

    /// Begins a call of the current host; gives the errno it is to fail with, or 0.
    int begin_call(call which, int fd);
    void end_call(call which, int fd, long argument, long result, std::string_view more = {});

private:
    struct event {
        std::int64_t when;
        std::uint64_t order; ///< Random: what happens at the same instant has no order.
        std::uint64_t number;
        std::function<void()> what;
    };
    static bool is_later(const event& a, const event& b) noexcept;

    random_source dice_;
    std::uint64_t fault_seed_;
    std::int64_t now_;
    std::size_t here_ = 0;
    std::vector<std::unique_ptr<host>> hosts_;
    std::unique_ptr<network> network_;
    std::vector<event> events_; ///< A heap.
    std::uint64_t last_event_ = 0;
    bool is_in_event_ = false;
    std::vector<std::pair<std::string, name_answer>> names_;
    fault_odds odds_ = {};
    std::vector<strike> strikes_;
    std::function<bool(std::uint64_t, fault)> is_suppressed_;
    std::function<int(const call_info&)> on_call_;
    std::function<void()> on_deadlock_;
    std::function<void(std::string_view)> trace_;
    kernel_counters counters_;
    std::uint64_t transcript_hash_ = 0xcbf29ce484222325;
};

} // namespace dunlin::sys_sim
