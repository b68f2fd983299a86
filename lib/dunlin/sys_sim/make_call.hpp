// What all system calls have in common: they are counted, may fail on purpose, are written down,
// and wait by letting time pass.
#pragma once

#include <dunlin/sys/os.hpp>
#include <dunlin/sys_sim/host.hpp>
#include <dunlin/sys_sim/kernel.hpp>

#include <cerrno>
#include <cstdint>
#include <memory>

namespace dunlin::sys::os {

using sys_sim::call;
using sys_sim::file;
using sys_sim::host;
using sys_sim::kernel;

constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::int64_t ns_per_s = 1'000'000'000;

inline int to_errno(long result) noexcept {
    if (result >= 0) return static_cast<int>(result);
    errno = static_cast<int>(-result);
    return -1;
}

/// Makes one call: counted, perhaps failed on purpose, written down.
template <class Body>
long make(call which, int fd, long argument, const Body& body) noexcept {
    kernel& in = kernel::current();
    const int failed = in.begin_call(which, fd);
    const long result = failed != 0 ? -failed : body(in, in.here());
    in.end_call(which, fd, argument, result);
    return result;
}

/// The same for a call on a descriptor of the kind `File`; EBADF, or `wrong_kind`, otherwise.
template <class File, class Body>
long make_on(call which, int fd, long argument, int wrong_kind, const Body& body) noexcept {
    return make(which, fd, argument, [&](kernel& in, host& at) -> long {
        const std::shared_ptr<file> kept = at.share(fd);
        if (kept == nullptr) return -EBADF;
        auto* const right = dynamic_cast<File*>(kept.get());
        if (right == nullptr) return -wrong_kind;
        return body(in, at, *right);
    });
}

inline std::int64_t deadline_after(const kernel& in, std::int64_t span) noexcept {
    return span > INT64_MAX - in.now() ? INT64_MAX : in.now() + span;
}

/// Tries until it does not say EAGAIN any more; `timeout` nanoseconds at most, 0: for ever.
template <class Attempt>
long until_done(kernel& in, bool does_not_wait, std::int64_t timeout, const Attempt& attempt) {
    long result = attempt();
    if (result != -EAGAIN || does_not_wait) return result;
    in.wait_until(
        [&] {
            result = attempt();
            return result != -EAGAIN;
        },
        timeout > 0 ? deadline_after(in, timeout) : -1);
    return result;
}

inline bool opens_nonblocking(int flags) noexcept { return (flags & SOCK_NONBLOCK) != 0; }
inline bool opens_close_on_exec(int flags) noexcept { return (flags & SOCK_CLOEXEC) != 0; }

} // namespace dunlin::sys::os
