#include <dunlin/sys/signals.hpp>

#include <dunlin/sys/above_standard.hpp>
#include <dunlin/sys/os.hpp>

#include <cerrno>

namespace dunlin::sys {

namespace {

constexpr int most_signals = 64;

constexpr signal_bits bit_of(int number) noexcept { return signal_bits{1} << (number - 1); }

sigset_t to_set(signal_bits which) noexcept {
    sigset_t set;
    ::sigemptyset(&set);
    for (int number = 1; number <= most_signals; ++number)
        if ((which & bit_of(number)) != 0) ::sigaddset(&set, number);
    return set;
}

} // namespace

result<signal_bits> to_signal_bits(std::span<const int> numbers) noexcept {
    signal_bits bits = 0;
    for (const int number : numbers) {
        sigset_t scratch;
        ::sigemptyset(&scratch);
        // libc keeps two real-time signals for itself, and knows which.
        const bool is_signal =
            number >= 1 && number <= most_signals && ::sigaddset(&scratch, number) == 0;
        if (!is_signal || number == SIGKILL || number == SIGSTOP)
            return std::make_error_code(std::errc::invalid_argument);
        bits |= bit_of(number);
    }
    return bits;
}

signal_bits block_signals(signal_bits which) noexcept {
    const sigset_t added = to_set(which);
    sigset_t before;
    os::pthread_sigmask(SIG_BLOCK, &added, &before);
    signal_bits newly = 0;
    for (int number = 1; number <= most_signals; ++number)
        if ((which & bit_of(number)) != 0 && ::sigismember(&before, number) == 0)
            newly |= bit_of(number);
    return newly;
}

void unblock_signals(signal_bits which) noexcept {
    const sigset_t removed = to_set(which);
    os::pthread_sigmask(SIG_UNBLOCK, &removed, nullptr);
}

result<unique_fd> make_signalfd(signal_bits which) noexcept {
    const sigset_t set = to_set(which);
    const int fd = above_standard(os::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    if (fd < 0) return std::error_code{errno, std::system_category()};
    return unique_fd{fd};
}

long read_signal(int signalfd, signal_record& into) noexcept {
    signalfd_siginfo info;
    ssize_t n = 0;
    do
        n = os::read(signalfd, &info, sizeof info);
    while (n < 0 && errno == EINTR);
    if (n < 0) return -errno;
    into.number = static_cast<int>(info.ssi_signo);
    into.code = info.ssi_code;
    into.pid = static_cast<std::int32_t>(info.ssi_pid);
    into.uid = info.ssi_uid;
    into.value = info.ssi_int;
    return into.number;
}

} // namespace dunlin::sys
