// Lines on standard output, each flushed: somebody may be waiting for it at the other end of a
// pipe.
#pragma once

#include <cstdio>
#include <string_view>

namespace apps {

/// A server goes on when nobody can hear it (output closed, disk full), so a failure is passed
/// over.
inline void say(std::string_view line) noexcept {
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fputc('\n', stdout);
    if (std::fflush(stdout) != 0) std::clearerr(stdout);
}

} // namespace apps
