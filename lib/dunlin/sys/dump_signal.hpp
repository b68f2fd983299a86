// SIGUSR1 as a question for `run`: it wakes a scheduler through its eventfd, and is asked for
// there.
#pragma once

namespace dunlin::sys {

/// Takes SIGUSR1 over while it lives, unless it is ignored, and puts the old disposition back.
///
/// One at a time in a process, as stop_signals.hpp says.
class dump_signal {
public:
    /// Writes to `eventfd` from the handler; it stays open as long as this object lives.
    explicit dump_signal(int eventfd) noexcept;
    ~dump_signal();
    dump_signal(const dump_signal&) = delete;
    dump_signal& operator=(const dump_signal&) = delete;

    /// True once for each signal, or several that came together.
    [[nodiscard]] bool take() noexcept;

private:
    bool is_ours_ = false;
};

} // namespace dunlin::sys
