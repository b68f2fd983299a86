// The recorder's epoll, poll, counters, signals and clocks.
#include "recorder.hpp"

#include <cerrno>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace behaviour {

namespace {

sigset_t set_of(std::initializer_list<int> signals) {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : signals)
        ::sigaddset(&set, signal);
    return set;
}

std::string signal_name(int signal) {
    const char* const name = ::sigabbrev_np(signal);
    return name != nullptr ? name : std::to_string(signal);
}

std::string names_of(std::initializer_list<int> signals) {
    std::string text;
    for (const int signal : signals)
        text += (text.empty() ? "" : "+") + signal_name(signal);
    return text.empty() ? "none" : text;
}

long nanoseconds(const timespec& before, const timespec& after) {
    return (after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec;
}

std::string at_most(int timeout_ms) {
    return timeout_ms == 0 ? "0" : std::to_string(timeout_ms) + " ms";
}

} // namespace

outcome recorder::epoll(const std::string& label, int flags) {
    const int fd = ::epoll_create1(flags);
    const int error = errno;
    return opened(std::string{"epoll_create1("} + (flags == EPOLL_CLOEXEC ? "CLOEXEC" : "0") + ")",
                  label, fd, error);
}

outcome recorder::control(int operation, const char* name, const std::string& set,
                          const std::string& label, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = tags_.size();
    tags_.push_back(label);
    const int result = ::epoll_ctl(number(set), operation, number(label), &event);
    const int error = errno;
    return line("epoll_ctl(" + set + ", " + name + ", " + label +
                    (operation == EPOLL_CTL_DEL ? "" : ", " + event_bits(events)) + ")",
                result, error);
}

outcome recorder::add(const std::string& set, const std::string& label, std::uint32_t events) {
    return control(EPOLL_CTL_ADD, "ADD", set, label, events);
}

outcome recorder::mod(const std::string& set, const std::string& label, std::uint32_t events) {
    return control(EPOLL_CTL_MOD, "MOD", set, label, events);
}

outcome recorder::del(const std::string& set, const std::string& label) {
    return control(EPOLL_CTL_DEL, "DEL", set, label, 0);
}

outcome recorder::control_unknown(const std::string& set, const std::string& label) {
    return control(77, "77", set, label, EPOLLIN);
}

outcome recorder::timed_wait(const std::string& set, int timeout_ms) {
    epoll_event event{};
    timespec before{}, after{};
    ::clock_gettime(CLOCK_MONOTONIC, &before);
    const int n = ::epoll_wait(number(set), &event, 1, timeout_ms);
    const int error = errno;
    ::clock_gettime(CLOCK_MONOTONIC, &after);
    return line("epoll_wait(" + set + ", " + at_most(timeout_ms) + ") by the clock", n, error,
                nanoseconds(before, after) >= timeout_ms * 1000000L ? "in time, not early"
                                                                    : "too early");
}

outcome recorder::wait(const std::string& set, int most, int timeout_ms) {
    epoll_event events[64] = {};
    // More than the room there is: only for a number that is refused, or with few members.
    const int n = ::epoll_wait(number(set), events, most, timeout_ms);
    const int error = errno;
    std::string shown;
    for (int i = 0; i < n; ++i) {
        const auto tag = static_cast<std::size_t>(events[i].data.u64);
        shown += (i == 0 ? "" : " ") + (tag < tags_.size() ? tags_[tag] : "?") + ":" +
                 event_bits(events[i].events);
    }
    return line("epoll_wait(" + set + ", " + std::to_string(most) + ", " + at_most(timeout_ms) +
                    ")",
                n, error, shown);
}

outcome recorder::poll(const std::string& label, unsigned events, int timeout_ms) {
    pollfd one{number(label), static_cast<short>(events), 0};
    const int n = ::poll(&one, 1, timeout_ms);
    const int error = errno;
    return line("poll(" + label + (events == all_poll_bits ? "" : ":" + event_bits(events)) + ", " +
                    at_most(timeout_ms) + ")",
                n, error, event_bits(static_cast<unsigned short>(one.revents)));
}

outcome recorder::poll_all(const std::vector<std::pair<std::string, unsigned>>& asked) {
    std::vector<pollfd> all;
    std::string call = "poll(";
    for (const auto& [label, events] : asked) {
        all.push_back({number(label), static_cast<short>(events), 0});
        call += label + ":" + event_bits(events) + " ";
    }
    const int n = ::poll(all.data(), all.size(), 0);
    const int error = errno;
    std::string shown;
    for (std::size_t i = 0; i < all.size(); ++i)
        shown += (i == 0 ? "" : " ") + asked[i].first + ":" +
                 event_bits(static_cast<unsigned short>(all[i].revents));
    return line(call + "0)", n, error, shown);
}

void recorder::settle() { ::poll(nullptr, 0, 2); }

outcome recorder::eventfd(const std::string& label, unsigned initial, int flags) {
    const int fd = ::eventfd(initial, flags);
    const int error = errno;
    std::string names;
    if ((flags & EFD_SEMAPHORE) != 0) names += "SEMAPHORE+";
    if ((flags & EFD_NONBLOCK) != 0) names += "NONBLOCK+";
    if ((flags & EFD_CLOEXEC) != 0) names += "CLOEXEC+";
    if (const int rest = flags & ~(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC); rest != 0)
        names += std::to_string(rest) + "+";
    if (!names.empty()) names.pop_back();
    return opened("eventfd(" + std::to_string(initial) + ", " + (names.empty() ? "0" : names) + ")",
                  label, fd, error);
}

outcome recorder::add_to_counter(const std::string& label, std::uint64_t value) {
    const auto n = ::write(number(label), &value, sizeof value);
    return line("write(" + label + ", counter " + std::to_string(value) + ")", n, errno);
}

outcome recorder::take_counter(const std::string& label) {
    std::uint64_t value = 0;
    const auto n = ::read(number(label), &value, sizeof value);
    const int error = errno;
    return line("read(" + label + ", counter)", n, error, n < 0 ? "" : std::to_string(value));
}

outcome recorder::signalfd(const std::string& label, std::initializer_list<int> signals,
                           int flags) {
    const auto set = set_of(signals);
    const int fd = ::signalfd(-1, &set, flags);
    const int error = errno;
    return opened("signalfd(-1, " + names_of(signals) + ")", label, fd, error);
}

outcome recorder::change_signalfd(const std::string& label, std::initializer_list<int> signals) {
    const auto set = set_of(signals);
    const int fd = ::signalfd(number(label), &set, 0);
    const int error = errno;
    return line("signalfd(" + label + ", " + names_of(signals) + ")", fd < 0 ? -1 : 0, error);
}

outcome recorder::take_signals(const std::string& label, std::size_t most) {
    std::vector<signalfd_siginfo> room(most);
    const auto n = ::read(number(label), room.data(), most * sizeof(signalfd_siginfo));
    const int error = errno;
    std::string shown;
    for (std::size_t i = 0; n > 0 && i < static_cast<std::size_t>(n) / sizeof room[0]; ++i)
        shown += (i == 0 ? "" : " ") + signal_name(static_cast<int>(room[i].ssi_signo));
    return line("read(" + label + ", " + std::to_string(most) + " signals)",
                n < 0 ? -1 : n / static_cast<ssize_t>(sizeof(signalfd_siginfo)), error, shown);
}

outcome recorder::block_signals(std::initializer_list<int> signals) {
    const auto set = set_of(signals);
    const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    return line("pthread_sigmask(BLOCK, " + names_of(signals) + ")", error == 0 ? 0 : -1, error);
}

outcome recorder::unblock_signals(std::initializer_list<int> signals) {
    const auto set = set_of(signals);
    const int error = ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    return line("pthread_sigmask(UNBLOCK, " + names_of(signals) + ")", error == 0 ? 0 : -1, error);
}

outcome recorder::raise(int signal) {
    const int result = ::raise(signal);
    return line("raise(" + signal_name(signal) + ")", result, errno);
}

outcome recorder::is_pending(int signal) {
    sigset_t set;
    ::sigemptyset(&set);
    const int result = ::sigpending(&set);
    const int error = errno;
    return line("sigpending(" + signal_name(signal) + ")",
                result < 0 ? -1 : ::sigismember(&set, signal), error);
}

outcome recorder::pipe(const std::string& reader, const std::string& writer) {
    int both[2] = {-1, -1};
    const int result = ::pipe2(both, O_NONBLOCK | O_CLOEXEC);
    const int error = errno;
    if (result == 0) {
        know(reader, both[0]);
        know(writer, both[1]);
    }
    return line("pipe2(NONBLOCK+CLOEXEC)", result, error, reader + " " + writer);
}

outcome recorder::open(const std::string& label, const char* path) {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    return opened(std::string{"open("} + path + ")", label, fd, errno);
}

outcome recorder::monotonic_forward(int clock) {
    timespec before{}, after{};
    const int result = ::clock_gettime(clock, &before);
    const int error = errno;
    if (result != 0) return line("clock_gettime(" + std::to_string(clock) + ")", -1, error);
    ::poll(nullptr, 0, 2);
    ::clock_gettime(clock, &after);
    const long passed = nanoseconds(before, after);
    // How much longer than asked is the scheduler's freedom.
    return line("clock_gettime(" + std::to_string(clock) + ") around 2 ms",
                passed >= 2000000 ? 1 : 0, 0);
}

} // namespace behaviour
