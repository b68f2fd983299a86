// One simulated machine with one process on it: its descriptors, its signals, its addresses.
#pragma once

#include <dunlin/sys/address.hpp>
#include <dunlin/sys_sim/call.hpp>
#include <dunlin/sys_sim/fault.hpp>
#include <dunlin/sys_sim/file.hpp>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace dunlin::sys_sim {

class kernel;
class signal_file;

class host {
public:
    host(kernel& in, std::size_t number, std::string name, std::vector<sys::ip_address> addresses);
    ~host();
    host(const host&) = delete;
    host& operator=(const host&) = delete;

    [[nodiscard]] kernel& in() const noexcept { return kernel_; }
    [[nodiscard]] std::size_t number() const noexcept { return number_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const std::vector<sys::ip_address>& addresses() const noexcept {
        return addresses_;
    }
    /// Loopback addresses are every host's own.
    [[nodiscard]] bool has_address(const sys::ip_address& address) const noexcept;

    // ---- descriptors

    /// The lowest number from `least` on that is free, or -EMFILE.
    long open(std::shared_ptr<file> description, bool close_on_exec, int least = 0);
    /// Null if there is none of this number.
    [[nodiscard]] file* find(int fd) const noexcept;
    [[nodiscard]] std::shared_ptr<file> share(int fd) const noexcept;
    long close(int fd);
    [[nodiscard]] bool is_close_on_exec(int fd) const noexcept;
    void set_close_on_exec(int fd, bool on) noexcept;
    /// Those above 2, and how many there may be (RLIMIT_NOFILE).
    [[nodiscard]] std::size_t open_count() const noexcept;
    [[nodiscard]] bool is_full() const noexcept;
    std::size_t most_descriptors = 20'000;

    // ---- signals: those of its one process, which has one thread

    /// kill(2): delivers it, or leaves it pending while it is blocked.
    void send_signal(int signal, const ::siginfo_t& about);
    void send_signal(int signal);
    void set_blocked(std::uint64_t mask);
    [[nodiscard]] std::uint64_t blocked() const noexcept { return blocked_; }
    [[nodiscard]] std::uint64_t pending() const noexcept;
    /// Takes the first pending one of these; false if there is none.
    bool take_signal(std::uint64_t mask, ::siginfo_t& into);
    struct ::sigaction& disposition(int signal) noexcept {
        return dispositions_[static_cast<std::size_t>(signal)];
    }
    std::vector<signal_file*> signal_files;
    /// Set when a signal's default would have ended the process.
    int killed_by = 0;
    std::uint64_t signals_handled = 0; ///< Handlers that ran: each interrupts what waits.

    // ---- state

    bool is_down = false;   ///< It has crashed: its network is silent.
    bool is_spared = false; ///< No faults here.
    std::int64_t wall_clock = 0;
    /// An epoll set of this host has something to report.
    bool is_woken = false;
    /// epoll_wait calls since time last passed, and how many of them had nothing to report.
    std::uint64_t polls_now = 0;
    std::uint64_t idle_polls = 0;
    void note_poll(bool had_events) noexcept;
    std::array<std::uint64_t, call_count> calls = {};  ///< By kind.
    std::array<std::uint64_t, fault_count> rolls = {}; ///< Likewise: whether it strikes here.

    void drop_all_descriptors();
    /// Standard input, output and error.
    void open_console();

private:
    struct slot {
        std::shared_ptr<file> description;
        bool close_on_exec = false;
    };
    void deliver(int signal, const ::siginfo_t& about);

    kernel& kernel_;
    std::size_t number_;
    std::string name_;
    std::vector<sys::ip_address> addresses_;
    std::vector<slot> table_;
    std::size_t lowest_free_ = 0;
    std::int64_t last_poll_ = -1;
    std::uint64_t blocked_ = 0;
    std::vector<::siginfo_t> pending_;
    std::array<struct ::sigaction, 65> dispositions_ = {};
};

} // namespace dunlin::sys_sim
