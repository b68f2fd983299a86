// What the load generator asks of the system about processes: what no network library offers.
#pragma once

#include <dunlin/util/chrono.hpp>

#include <cstddef>
#include <optional>

namespace echo {

/// CPU time that process `pid` has used, all its threads, in user space and in the kernel. None if
/// there is no such process. See clock_getcpuclockid(3).
[[nodiscard]] std::optional<std::chrono::nanoseconds> cpu_time(int pid) noexcept;

/// Raises the number of descriptors that this process may open to its hard limit; gives that. See
/// getrlimit(2).
std::size_t raise_descriptor_limit() noexcept;

} // namespace echo
