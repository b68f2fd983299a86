// A line that is printed when the process comes to a bad end, so that a run which aborts can be
// repeated, too.
#pragma once

#include <csignal>
#include <string_view>

namespace dunlin::sys_sim {

/// While it lives, a failed assertion, std::terminate, a fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL) or
/// a sanitizer's finding prints the line on standard error, before whatever else would happen. One
/// at a time; it takes the place of the process's own handlers for these signals and calls them.
class last_words {
public:
    /// At most 160 characters of the line are kept.
    explicit last_words(std::string_view line) noexcept;
    ~last_words();
    last_words(const last_words&) = delete;
    last_words& operator=(const last_words&) = delete;

private:
    struct ::sigaction before_[5];
};

} // namespace dunlin::sys_sim
