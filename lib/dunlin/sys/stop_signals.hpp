// SIGINT and SIGTERM as a polite stop, for `run`: the first is counted and wakes a scheduler
// through its eventfd, the second ends the process at once by the signal's own default.
#pragma once

#include <dunlin/result.hpp>

namespace dunlin::sys {

/// Takes the two signals over while it lives, unless they are ignored, and puts the old
/// dispositions back.
///
/// One at a time in a process: a signal's disposition is the process's, so a second one made
/// meanwhile (by another thread's `run`) takes over nothing and never sees a signal.
class stop_signals {
public:
    /// Writes to `eventfd` from the handler; it stays open as long as this object lives.
    explicit stop_signals(int eventfd) noexcept;
    ~stop_signals();
    stop_signals(const stop_signals&) = delete;
    stop_signals& operator=(const stop_signals&) = delete;

    /// True once a signal has come.
    [[nodiscard]] bool has_come() const noexcept;

private:
    bool is_ours_ = false;
};

} // namespace dunlin::sys
