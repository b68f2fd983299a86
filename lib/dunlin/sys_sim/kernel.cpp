#include <dunlin/sys_sim/kernel.hpp>

#include <dunlin/sys_sim/host.hpp>
#include <dunlin/sys_sim/network.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include <netdb.h>

namespace dunlin::sys_sim {

namespace {

kernel* current_kernel = nullptr;
thread_local char this_thread;
const char* its_thread = nullptr; ///< The one thread that may simulate.

std::uint64_t seed_of_environment() noexcept {
    const char* const text = std::getenv("DUNLIN_SIM_SEED");
    std::uint64_t seed = 0;
    if (text != nullptr) std::from_chars(text, text + std::strlen(text), seed);
    return seed;
}

} // namespace

kernel::kernel(std::uint64_t seed)
    : dice_{seed}, fault_seed_{seed ^ 0x2545'f491'4f6c'dd1d}, now_{beginning()},
      network_{std::make_unique<network>(*this)} {}

kernel::~kernel() {
    const as_current here{*this};
    on_call_ = nullptr;
    trace_ = nullptr;
    for (const auto& each : hosts_)
        each->is_down = true;
    for (const auto& each : hosts_)
        each->drop_all_descriptors();
    events_.clear();
    network_.reset();
}

kernel& kernel::current() noexcept {
    if (current_kernel == nullptr) {
        static auto* const whole = [] {
            auto* const made = new kernel{seed_of_environment()};
            made->add_host("localhost", {});
            return made;
        }();
        current_kernel = whole;
    }
    if (its_thread == nullptr) its_thread = &this_thread;
    if (its_thread != &this_thread) { // an assertion would print through this kernel
        std::fputs("simulated kernel: used from a second thread; a simulation has one\n", stderr);
        std::abort();
    }
    return *current_kernel;
}

kernel::as_current::as_current(kernel& now_current) noexcept : outer_{current_kernel} {
    current_kernel = &now_current;
}
kernel::as_current::~as_current() { current_kernel = outer_; }

// ---- hosts

std::size_t kernel::add_host(std::string name, std::vector<sys::ip_address> addresses) {
    const std::size_t number = hosts_.size();
    hosts_.push_back(std::make_unique<host>(*this, number, std::move(name), std::move(addresses)));
    return number;
}

void kernel::crash(std::size_t number) noexcept {
    host_at(number).is_down = true;
    network_->vanish(number);
}

void kernel::restart(std::size_t number) noexcept {
    host& back = host_at(number);
    back.drop_all_descriptors();
    back.is_down = false;
    back.killed_by = 0;
    back.open_console();
}

void kernel::set_wall_clock(std::size_t number, std::int64_t offset) noexcept {
    host_at(number).wall_clock = offset;
}

void kernel::spare(std::size_t number, bool is_spared) { host_at(number).is_spared = is_spared; }

// ---- time

bool kernel::is_later(const event& a, const event& b) noexcept {
    if (a.when != b.when) return a.when > b.when;
    if (a.order != b.order) return a.order > b.order;
    return a.number > b.number;
}

std::optional<std::int64_t> kernel::next_event() const noexcept {
    if (events_.empty()) return std::nullopt;
    return events_.front().when;
}

void kernel::at(std::int64_t when, std::function<void()> what) {
    events_.push_back({std::max(when, now_), dice_.bits(), ++last_event_, std::move(what)});
    std::push_heap(events_.begin(), events_.end(), is_later);
}

void kernel::run_next_event() {
    std::pop_heap(events_.begin(), events_.end(), is_later);
    const event first = std::move(events_.back());
    events_.pop_back();
    now_ = std::max(now_, first.when);
    ++counters_.events;
    const bool outer = is_in_event_;
    is_in_event_ = true;
    first.what();
    is_in_event_ = outer;
}

void kernel::advance_to(std::int64_t when) {
    while (!events_.empty() && events_.front().when <= when)
        run_next_event();
    now_ = std::max(now_, when);
}

bool kernel::wait_until(const std::function<bool()>& is_done, std::int64_t deadline) {
    while (!is_done()) {
        const auto next = next_event();
        if (deadline >= 0 && (!next || *next > deadline)) {
            now_ = std::max(now_, deadline);
            return is_done();
        }
        if (!next) {
            if (on_deadlock_ != nullptr) on_deadlock_();
            std::fputs(
                "simulated kernel: deadlock: something waits, and nothing will ever happen\n",
                stderr);
            std::abort();
        }
        run_next_event();
    }
    return true;
}

// ---- network

link_quality& kernel::link(std::size_t from, std::size_t to) { return network_->link(from, to); }

void kernel::set_name(std::string name, name_answer answer) {
    for (auto& [known, its_answer] : names_)
        if (known == name) {
            its_answer = std::move(answer);
            return;
        }
    names_.emplace_back(std::move(name), std::move(answer));
}

kernel::name_answer kernel::find_name(std::string_view name) const {
    for (const auto& [known, answer] : names_)
        if (known == name) return answer;
    for (const auto& each : hosts_)
        if (each->name() == name && !each->addresses().empty()) return {each->addresses(), 0, 0};
    if (name == "localhost") return {{loopback_v6(), loopback_v4()}, 0, 0};
    return {{}, EAI_NONAME, 0};
}

// ---- calls

namespace {

bool may_be_interrupted(call which) noexcept {
    switch (which) {
    case call::accept4:
    case call::epoll_wait:
    case call::poll:
    case call::read:
    case call::recv:
    case call::recvmsg:
    case call::send:
    case call::sendmsg:
    case call::write:
        return true;
    default:
        return false;
    }
}

int by_chance(call which, kernel& in) {
    const auto one_of = [&in](int a, int b) { return in.dice().below(2) == 0 ? a : b; };
    if (may_be_interrupted(which) && in.strikes(fault::interrupted)) return EINTR;
    switch (which) {
    case call::accept4:
        if (in.strikes(fault::no_descriptor)) return one_of(EMFILE, ENFILE);
        if (in.strikes(fault::aborted)) return ECONNABORTED;
        return in.strikes(fault::refused_memory) ? one_of(ENOBUFS, ENOMEM) : 0;
    case call::socket:
        if (in.strikes(fault::no_descriptor)) return one_of(EMFILE, ENFILE);
        return in.strikes(fault::refused_memory) ? ENOBUFS : 0;
    case call::send:
    case call::sendmsg:
        if (in.strikes(fault::reset)) return ECONNRESET;
        return in.strikes(fault::refused_memory) ? ENOBUFS : 0;
    case call::recv:
        return in.strikes(fault::reset) ? ECONNRESET : 0;
    default:
        return 0;
    }
}

} // namespace

bool kernel::strikes(fault which, std::size_t host_number) {
    const auto kind = static_cast<std::size_t>(which);
    host& at = *hosts_[host_number];
    if (at.is_spared || odds_[kind] <= 0) return false;
    const std::uint64_t number = (++at.rolls[kind] << 16) + (host_number << 4) + kind;
    random_source die{fault_seed_ + number * 0xd134'2543'de82'ef95};
    if (!die.chance(odds_[kind])) return false;
    if (is_suppressed_ != nullptr && is_suppressed_(number, which)) return false;
    strikes_.push_back({number, which, host_number, now_});
    return true;
}

int kernel::begin_call(call which, int fd) {
    ++counters_.calls;
    host& at = here();
    const std::uint64_t ordinal = at.calls[static_cast<std::size_t>(which)]++;
    if (at.is_spared || at.is_down) return 0;
    if (!is_in_event_ && strikes(fault::passing_time))
        advance_to(now_ + 1 + static_cast<std::int64_t>(dice_.below(5'000)));
    int failed = on_call_ != nullptr ? on_call_({here_, which, ordinal, fd}) : 0;
    if (failed == 0) failed = by_chance(which, *this);
    if (failed != 0) ++counters_.injected;
    return failed;
}

void kernel::end_call(call which, int fd, long argument, long result, std::string_view more) {
    const auto mix = [this](std::uint64_t value) {
        transcript_hash_ = (transcript_hash_ ^ value) * 0x100000001b3;
        transcript_hash_ ^= transcript_hash_ >> 29;
    };
    mix((std::uint64_t{here_} << 8) | static_cast<std::uint64_t>(which));
    mix(static_cast<std::uint64_t>(fd));
    mix(static_cast<std::uint64_t>(argument));
    mix(static_cast<std::uint64_t>(result));
    mix(static_cast<std::uint64_t>(now_));
    if (trace_ == nullptr) return;
    const std::int64_t since = now_ - beginning();
    char stamp[40];
    std::snprintf(stamp, sizeof stamp, "%lld.%09lld ",
                  static_cast<long long>(since / 1'000'000'000),
                  static_cast<long long>(since % 1'000'000'000));
    std::string line = stamp;
    line += here().name();
    line += ": ";
    line += name_of(which);
    line += '(';
    if (fd >= 0) line += std::to_string(fd);
    if (argument >= 0) {
        if (fd >= 0) line += ", ";
        line += std::to_string(argument);
    }
    line += ") = ";
    if (result < 0)
        line += name_of_error(static_cast<int>(-result));
    else
        line += std::to_string(result);
    if (!more.empty()) {
        line += ' ';
        line += more;
    }
    trace_(line);
}

} // namespace dunlin::sys_sim
