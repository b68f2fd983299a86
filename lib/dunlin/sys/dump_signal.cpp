#include <dunlin/sys/dump_signal.hpp>

#include <dunlin/sys/eventfd.hpp>
#include <dunlin/sys/os.hpp>

#include <atomic>

namespace dunlin::sys {

namespace {

// As in stop_signals.cpp.
std::atomic<bool> is_taken{false};
std::atomic<int> wake_up{-1};
std::atomic<bool> came{false};
struct sigaction old_user_1;

void handle(int) {
    came = true;
    signal_eventfd(wake_up.load());
}

} // namespace

dump_signal::dump_signal(int eventfd) noexcept {
    if (is_taken.exchange(true)) return;
    is_ours_ = true;
    wake_up = eventfd;
    came = false;
    struct sigaction ours{};
    ours.sa_handler = &handle;
    ours.sa_flags = SA_RESTART;
    os::sigaction(SIGUSR1, nullptr, &old_user_1);
    if (old_user_1.sa_handler != SIG_IGN) os::sigaction(SIGUSR1, &ours, nullptr);
}

dump_signal::~dump_signal() {
    if (!is_ours_) return;
    os::sigaction(SIGUSR1, &old_user_1, nullptr);
    wake_up = -1; // for a handler that runs on another thread just now
    is_taken = false;
}

bool dump_signal::take() noexcept { return is_ours_ && came.exchange(false); }

} // namespace dunlin::sys
