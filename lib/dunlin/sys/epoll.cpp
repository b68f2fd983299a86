#include <dunlin/sys/epoll.hpp>

#include <dunlin/sys/above_standard.hpp>
#include <dunlin/sys/clock.hpp>
#include <dunlin/sys/error.hpp>
#include <dunlin/sys/os.hpp>

#include <atomic>
#include <cerrno>
#include <climits>
#include <utility>

namespace dunlin {
namespace {

static_assert(epoll_flags::in.bits() == EPOLLIN);
static_assert(epoll_flags::out.bits() == EPOLLOUT);
static_assert(epoll_flags::priority.bits() == EPOLLPRI);
static_assert(epoll_flags::read_hangup.bits() == EPOLLRDHUP);
static_assert(epoll_flags::error.bits() == EPOLLERR);
static_assert(epoll_flags::hangup.bits() == EPOLLHUP);
static_assert(epoll_flags::edge_triggered.bits() == std::uint32_t{EPOLLET});
static_assert(epoll_flags::one_shot.bits() == EPOLLONESHOT);
static_assert(epoll_flags::exclusive.bits() == EPOLLEXCLUSIVE);
static_assert(epoll_flags::wakeup.bits() == EPOLLWAKEUP);
static_assert(epoll_flags::read_normal.bits() == EPOLLRDNORM);
static_assert(epoll_flags::read_band.bits() == EPOLLRDBAND);
static_assert(epoll_flags::write_normal.bits() == EPOLLWRNORM);
static_assert(epoll_flags::write_band.bits() == EPOLLWRBAND);
static_assert(epoll_flags::message.bits() == EPOLLMSG);

// The layout is checked by size and alignment, and the order by a test: the members are private.
static_assert(sizeof(epoll::event) == sizeof(::epoll_event));
static_assert(alignof(epoll::event) == alignof(::epoll_event));

// The kernel's __kernel_timespec, which has 64 bits on every architecture.
struct kernel_timespec {
    std::int64_t seconds;
    std::int64_t nanoseconds;
};

constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::int64_t ns_per_s = 1'000'000'000;

// What EPOLLEXCLUSIVE may be added with (epoll_ctl(2)).
constexpr epoll_flags exclusive_allows =
    epoll_flags::exclusive | epoll_flags::in | epoll_flags::out | epoll_flags::error |
    epoll_flags::hangup | epoll_flags::edge_triggered | epoll_flags::wakeup;

std::error_code kernel_error(int number) noexcept { return {number, std::system_category()}; }

result<void> control(borrowed_fd set, int what, borrowed_fd fd, epoll_flags flags,
                     std::uint64_t data) noexcept {
    ::epoll_event request{};
    request.events = flags.bits();
    request.data.u64 = data;
    if (sys::os::epoll_ctl(set.get(), what, fd.get(), &request) < 0) return kernel_error(errno);
    return success();
}

// The kernel has no question for it. But to remove a stranger is ENOENT for a set, and EINVAL for
// anything else; nothing is changed by asking.
result<void> check_is_epoll(borrowed_fd fd) noexcept {
    const unique_fd stranger{sys::os::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (!stranger.is_open()) return kernel_error(errno);
    if (sys::os::epoll_ctl(fd.get(), EPOLL_CTL_DEL, stranger.get(), nullptr) < 0 && errno != ENOENT)
        return kernel_error(errno);
    return success();
}

/// How many events to ask for; the kernel refuses a room of more than INT_MAX bytes.
int room_of(std::size_t count) noexcept {
    constexpr std::size_t most = INT_MAX / sizeof(epoll::event);
    return static_cast<int>(count < most ? count : most);
}

int rounded_up_to_ms(std::int64_t ns) noexcept {
    const std::int64_t ms = ns / ns_per_ms + (ns % ns_per_ms != 0 ? 1 : 0);
    return ms < INT_MAX ? static_cast<int>(ms) : INT_MAX;
}

} // namespace

result<epoll> epoll::create() noexcept {
    unique_fd fd{sys::above_standard(sys::os::epoll_create1(EPOLL_CLOEXEC))};
    if (!fd.is_open()) return kernel_error(errno);
    return epoll{std::move(fd)};
}

result<epoll> epoll::from_fd(unique_fd fd) noexcept {
    if (const auto checked = check_is_epoll(fd); !checked) return checked.error();
    if (sys::os::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) < 0) return kernel_error(errno);
    return epoll{std::move(fd)};
}

result<epoll> epoll::from_fd(borrowed_fd fd) noexcept {
    if (const auto checked = check_is_epoll(fd); !checked) return checked.error();
    unique_fd copy{sys::os::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)};
    if (!copy.is_open()) return kernel_error(errno);
    return epoll{std::move(copy)};
}

result<void> epoll::add(borrowed_fd fd, epoll_flags flags, std::uint64_t data) noexcept {
    if (is_closed()) return make_error_code(errc::closed);
    if (flags.has(epoll_flags::exclusive) && !exclusive_allows.has(flags))
        return kernel_error(EINVAL);
    return control(fd_, EPOLL_CTL_ADD, fd, flags, data);
}

result<void> epoll::modify(borrowed_fd fd, epoll_flags flags, std::uint64_t data) noexcept {
    if (is_closed()) return make_error_code(errc::closed);
    if (flags.has(epoll_flags::exclusive)) return kernel_error(EINVAL);
    return control(fd_, EPOLL_CTL_MOD, fd, flags, data);
}

result<void> epoll::remove(borrowed_fd fd) noexcept {
    if (is_closed()) return make_error_code(errc::closed);
    return control(fd_, EPOLL_CTL_DEL, fd, epoll_flags::none, 0);
}

int epoll::poll_raw(std::span<event> out, std::int64_t timeout_ns) noexcept {
    if (timeout_ns > 0) return poll_for(out, timeout_ns);
    const int n = sys::os::epoll_wait(fd_.get(), reinterpret_cast<::epoll_event*>(out.data()),
                                      static_cast<int>(out.size()),
                                      static_cast<int>(timeout_ns >> 63)); // -1 or 0
    return n >= 0 ? n : -errno;
}

int epoll::poll_for(std::span<event> out, std::int64_t timeout_ns) noexcept {
    const std::int64_t ms = timeout_ns / ns_per_ms;
    if (ms * ns_per_ms != timeout_ns || ms > INT_MAX) return poll_precisely(out, timeout_ns);
    const int n = sys::os::epoll_wait(fd_.get(), reinterpret_cast<::epoll_event*>(out.data()),
                                      static_cast<int>(out.size()), static_cast<int>(ms));
    return n >= 0 ? n : -errno;
}

int epoll::poll_precisely(std::span<event> out, std::int64_t timeout_ns) noexcept {
    auto* const events = reinterpret_cast<::epoll_event*>(out.data());
    const int room = static_cast<int>(out.size());
    // Several threads may wait on one object, hence the atomic flag; it costs a plain load.
    const std::atomic_ref<bool> milliseconds_only{milliseconds_only_};
    if (!milliseconds_only.load(std::memory_order_relaxed)) {
        const kernel_timespec span{timeout_ns / ns_per_s, timeout_ns % ns_per_s};
        const int n = sys::os::epoll_pwait2(fd_.get(), events, room, &span);
        if (n >= 0) return n;
        // EPERM is what the seccomp filters of older container runtimes answer.
        if (errno != ENOSYS && errno != EPERM) return -errno;
        milliseconds_only.store(true, std::memory_order_relaxed);
    }
    const int n = sys::os::epoll_wait(fd_.get(), events, room, rounded_up_to_ms(timeout_ns));
    return n >= 0 ? n : -errno;
}

result<std::size_t> epoll::wait(std::span<event> out,
                                std::optional<std::chrono::nanoseconds> timeout) noexcept {
    if (is_closed()) return make_error_code(errc::closed);
    out = out.first(static_cast<std::size_t>(room_of(out.size())));

    if (!timeout || timeout->count() <= 0) {
        int n;
        do
            n = poll_raw(out, timeout ? 0 : -1);
        while (n == -EINTR);
        if (n < 0) return kernel_error(-n);
        return static_cast<std::size_t>(n);
    }

    const std::int64_t begin = sys::monotonic_now();
    std::int64_t left = timeout->count();
    for (;;) {
        const int n = poll_raw(out, left);
        if (n > 0 || (n == 0 && left == 0)) return static_cast<std::size_t>(n);
        if (n < 0 && n != -EINTR) return kernel_error(-n);
        // Interrupted, or the kernel's longest wait is over: the rest of the time. When a signal
        // comes with the deadline, one last look decides.
        const std::int64_t passed = sys::monotonic_now() - begin;
        left = passed < timeout->count() ? timeout->count() - passed : 0;
        if (n == 0 && left == 0) return std::size_t{0};
    }
}

} // namespace dunlin
