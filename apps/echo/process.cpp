#include "process.hpp"

#include <algorithm>
#include <cstdint>

#include <sys/resource.h>
#include <time.h>

namespace echo {

std::optional<std::chrono::nanoseconds> cpu_time(int pid) noexcept {
    ::clockid_t clock = 0;
    ::timespec used = {};
    if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0)
        return std::nullopt;
    return std::chrono::seconds{used.tv_sec} + std::chrono::nanoseconds{used.tv_nsec};
}

std::size_t raise_descriptor_limit() noexcept {
    ::rlimit limit = {};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    const ::rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    const bool is_raised = ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
    return static_cast<std::size_t>(is_raised ? limit.rlim_max : before);
}

} // namespace echo
