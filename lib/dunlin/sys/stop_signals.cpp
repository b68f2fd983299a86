#include <dunlin/sys/stop_signals.hpp>

#include <dunlin/sys/eventfd.hpp>
#include <dunlin/sys/os.hpp>

#include <atomic>

namespace dunlin::sys {

namespace {

// A handler has no argument of ours, so what it needs is global; `is_taken` guards the rest.
std::atomic<bool> is_taken{false};
std::atomic<int> wake_up{-1};
std::atomic<bool> came{false};
struct sigaction old_interrupt;
struct sigaction old_terminate;

static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

void handle(int signal_number) {
    if (came.exchange(true)) {
        struct sigaction plain{};
        plain.sa_handler = SIG_DFL;
        os::sigaction(signal_number, &plain, nullptr);
        os::raise(signal_number); // delivered when this handler returns
        return;
    }
    signal_eventfd(wake_up.load());
}

/// A signal that is ignored stays so: a shell starts background jobs that way (nohup(1)).
void take_over(int signal_number, const struct sigaction& ours, struct sigaction& old) noexcept {
    os::sigaction(signal_number, nullptr, &old);
    if (old.sa_handler != SIG_IGN) os::sigaction(signal_number, &ours, nullptr);
}

} // namespace

stop_signals::stop_signals(int eventfd) noexcept {
    if (is_taken.exchange(true)) return;
    is_ours_ = true;
    wake_up = eventfd;
    came = false;
    struct sigaction ours{};
    ours.sa_handler = &handle;
    ours.sa_flags = SA_RESTART;
    take_over(SIGINT, ours, old_interrupt);
    take_over(SIGTERM, ours, old_terminate);
}

stop_signals::~stop_signals() {
    if (!is_ours_) return;
    os::sigaction(SIGINT, &old_interrupt, nullptr);
    os::sigaction(SIGTERM, &old_terminate, nullptr);
    wake_up = -1; // for a handler that runs on another thread just now
    is_taken = false;
}

bool stop_signals::has_come() const noexcept { return is_ours_ && came.load(); }

} // namespace dunlin::sys
