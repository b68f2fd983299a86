// Signals as system calls, and the names of network interfaces.
#include <dunlin/sys/os.hpp>

#include <dunlin/sys_sim/make_call.hpp>
#include <dunlin/sys_sim/small_files.hpp>

#include <cstring>
#include <utility>

namespace dunlin::sys::os {

using namespace sys_sim;

namespace {

std::uint64_t to_mask(const ::sigset_t& set) noexcept {
    std::uint64_t mask = 0;
    for (int number = 1; number <= 64; ++number)
        if (::sigismember(&set, number) == 1) mask |= std::uint64_t{1} << (number - 1);
    return mask;
}

bool is_signal(int number) noexcept { return number >= 1 && number <= 64; }

} // namespace

int pthread_sigmask(int how, const ::sigset_t* set, ::sigset_t* before) noexcept {
    const long result = make(call::sigmask, -1, how, [&](kernel&, host& at) -> long {
        if (before != nullptr) {
            ::sigemptyset(before);
            for (int number = 1; number <= 64; ++number)
                if ((at.blocked() >> (number - 1) & 1) != 0) ::sigaddset(before, number);
        }
        if (set == nullptr) return 0;
        const std::uint64_t mask = to_mask(*set);
        switch (how) {
        case SIG_BLOCK:
            at.set_blocked(at.blocked() | mask);
            return 0;
        case SIG_UNBLOCK:
            at.set_blocked(at.blocked() & ~mask);
            return 0;
        case SIG_SETMASK:
            at.set_blocked(mask);
            return 0;
        default:
            return -EINVAL;
        }
    });
    return static_cast<int>(-result); // an error number, not errno
}

int sigpending(::sigset_t* into) noexcept {
    ::sigemptyset(into);
    const std::uint64_t mask = kernel::current().here().pending();
    for (int number = 1; number <= 64; ++number)
        if ((mask >> (number - 1) & 1) != 0) ::sigaddset(into, number);
    return 0;
}

int sigaction(int signal, const struct ::sigaction* wanted, struct ::sigaction* before) noexcept {
    return to_errno(make(call::sigaction, -1, signal, [&](kernel&, host& at) -> long {
        if (!is_signal(signal)) return -EINVAL;
        if (wanted != nullptr && (signal == SIGKILL || signal == SIGSTOP)) return -EINVAL;
        if (before != nullptr) *before = at.disposition(signal);
        if (wanted != nullptr) at.disposition(signal) = *wanted;
        return 0;
    }));
}

int raise(int signal) noexcept {
    return to_errno(make(call::kill, -1, signal, [&](kernel&, host& at) -> long {
        if (!is_signal(signal)) return -EINVAL;
        ::siginfo_t about{};
        about.si_signo = signal;
        about.si_code = SI_TKILL;
        about.si_pid = ::getpid();
        about.si_uid = ::getuid();
        at.send_signal(signal, about);
        return 0;
    }));
}

int kill(int process, int signal) noexcept {
    return to_errno(make(call::kill, -1, signal, [&](kernel&, host& at) -> long {
        if (signal != 0 && !is_signal(signal)) return -EINVAL;
        if (process != ::getpid()) return -ESRCH;
        if (signal == 0) return 0;
        ::siginfo_t about{};
        about.si_signo = signal;
        about.si_code = SI_USER;
        about.si_pid = ::getpid();
        about.si_uid = ::getuid();
        at.send_signal(signal, about);
        return 0;
    }));
}

int sigqueue(int signal, ::sigval value) noexcept {
    return to_errno(make(call::kill, -1, signal, [&](kernel&, host& at) -> long {
        if (!is_signal(signal)) return -EINVAL;
        ::siginfo_t about{};
        about.si_signo = signal;
        about.si_code = SI_QUEUE;
        about.si_pid = ::getpid();
        about.si_uid = ::getuid();
        about.si_value = value;
        at.send_signal(signal, about);
        return 0;
    }));
}

int signalfd(int fd, const ::sigset_t* which, int flags) noexcept {
    return to_errno(make(call::signalfd, fd, -1, [&](kernel&, host& at) -> long {
        if ((flags & ~(SFD_NONBLOCK | SFD_CLOEXEC)) != 0) return -EINVAL;
        const std::uint64_t mask = to_mask(*which) & ~(std::uint64_t{1} << (SIGKILL - 1)) &
                                   ~(std::uint64_t{1} << (SIGSTOP - 1));
        if (fd >= 0) {
            const auto known = at.share(fd);
            if (known == nullptr) return -EBADF;
            auto* const right = dynamic_cast<signal_file*>(known.get());
            if (right == nullptr) return -EINVAL;
            right->set_mask(mask);
            return fd;
        }
        auto made = std::make_shared<signal_file>(at, mask);
        made->is_nonblocking = (flags & SFD_NONBLOCK) != 0;
        return at.open(std::move(made), (flags & SFD_CLOEXEC) != 0);
    }));
}

// ---- interfaces: there is the loopback and one more

unsigned int if_nametoindex(const char* name) noexcept {
    if (std::strcmp(name, "lo") == 0) return 1;
    if (std::strcmp(name, "eth0") == 0) return 2;
    errno = ENODEV;
    return 0;
}

char* if_indextoname(unsigned int index, char* name) noexcept {
    if (index != 1 && index != 2) {
        errno = ENXIO;
        return nullptr;
    }
    return std::strcpy(name, index == 1 ? "lo" : "eth0");
}

} // namespace dunlin::sys::os
