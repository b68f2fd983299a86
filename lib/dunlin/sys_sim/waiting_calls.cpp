// epoll(7) and poll(2) as system calls, and the clock; what epoll does is in epoll_file.cpp.
#include <dunlin/sys/os.hpp>

#include <dunlin/sys_sim/epoll_file.hpp>
#include <dunlin/sys_sim/make_call.hpp>

#include <climits>
#include <cstring>

namespace dunlin::sys::os {

using namespace sys_sim;

int epoll_ctl(int set_fd, int what, int fd, ::epoll_event* event) noexcept {
    return to_errno(make(call::epoll_ctl, set_fd, fd, [&](kernel& in, host& at) -> long {
        const auto set = at.share(set_fd);
        const auto target = at.share(fd);
        if (set == nullptr || target == nullptr) return -EBADF;
        if (!target->can_be_polled()) return -EPERM;
        auto* const right = dynamic_cast<epoll_file*>(set.get());
        if (right == nullptr || set == target) return -EINVAL;
        if (what != EPOLL_CTL_DEL && event == nullptr) return -EFAULT;
        switch (what) {
        case EPOLL_CTL_ADD: // only this one needs memory
            if (in.strikes(sys_sim::fault::refused_memory)) return -ENOMEM;
            return right->add(*target, fd, *event);
        case EPOLL_CTL_MOD:
            return right->modify(*target, fd, *event);
        case EPOLL_CTL_DEL:
            return right->remove(*target, fd);
        default:
            return -EINVAL;
        }
    }));
}

namespace {

// EP_MAX_EVENTS
constexpr int most_events = INT_MAX / static_cast<int>(sizeof(::epoll_event));

/// `timeout` in nanoseconds, below zero: for ever.
int wait_on(int set_fd, ::epoll_event* events, int room, std::int64_t timeout) noexcept {
    return to_errno(make_on<epoll_file>(
        call::epoll_wait, set_fd, static_cast<long>(timeout), EINVAL,
        [&](kernel& in, host& at, epoll_file& set) -> long {
            if (room <= 0 || room > most_events) return -EINVAL;
            at.is_woken = false;
            if (in.strikes(fault::spurious_wake)) set.wake_one(in.dice().bits());
            const std::uint64_t handled = at.signals_handled;
            if (timeout != 0)
                in.wait_until([&] { return set.has_ready() || at.signals_handled != handled; },
                              timeout < 0 ? -1 : deadline_after(in, timeout));
            if (in.strikes(fault::shuffled)) set.shuffle();
            if (room > 1 && in.strikes(fault::small_batch)) room = 1;
            const int count = set.collect(events, room);
            if (set.ready_count() != 0) at.is_woken = true;
            at.note_poll(count != 0);
            if (count == 0 && at.signals_handled != handled) return -EINTR;
            return count;
        }));
}

} // namespace

int epoll_wait(int set, ::epoll_event* events, int room, int milliseconds) noexcept {
    return wait_on(set, events, room, milliseconds < 0 ? -1 : milliseconds * ns_per_ms);
}

int epoll_pwait2(int set, ::epoll_event* events, int room, const void* timeout) noexcept {
    if (timeout == nullptr) return wait_on(set, events, room, -1);
    std::int64_t span[2]; // seconds and nanoseconds: __kernel_timespec
    std::memcpy(span, timeout, sizeof span);
    const bool is_endless = span[0] > INT64_MAX / ns_per_s - 1;
    return wait_on(set, events, room, is_endless ? -1 : span[0] * ns_per_s + span[1]);
}

int poll(::pollfd* entries, ::nfds_t count, int milliseconds) noexcept {
    return to_errno(make(call::poll, -1, milliseconds, [&](kernel& in, host& at) -> long {
        const auto look = [&] {
            long ready = 0;
            for (::nfds_t i = 0; i < count; ++i) {
                entries[i].revents = 0;
                if (entries[i].fd < 0) continue;
                file* const description = at.find(entries[i].fd);
                const auto asked =
                    static_cast<std::uint32_t>(static_cast<unsigned short>(entries[i].events)) |
                    EPOLLERR | EPOLLHUP;
                entries[i].revents = description == nullptr
                                         ? static_cast<short>(POLLNVAL)
                                         : static_cast<short>(description->events() & asked);
                if (entries[i].revents != 0) ++ready;
            }
            return ready;
        };
        long ready = look();
        if (ready != 0 || milliseconds == 0) return ready;
        const std::uint64_t handled = at.signals_handled;
        in.wait_until(
            [&] {
                ready = look();
                return ready != 0 || at.signals_handled != handled;
            },
            milliseconds < 0 ? -1 : deadline_after(in, milliseconds * ns_per_ms));
        return ready == 0 && at.signals_handled != handled ? -EINTR : ready;
    }));
}

// ---- time and chance

int clock_gettime(::clockid_t clock, ::timespec* now) noexcept {
    if (clock < 0 || clock > CLOCK_TAI) {
        errno = EINVAL;
        return -1;
    }
    kernel& in = kernel::current();
    static_cast<void>(in.begin_call(call::clock_gettime, -1)); // it cannot fail
    std::int64_t time = in.now();
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) time += in.here().wall_clock;
    now->tv_sec = time / ns_per_s;
    now->tv_nsec = time % ns_per_s;
    return 0;
}

::ssize_t getrandom(void* into, std::size_t size, unsigned int) noexcept {
    return to_errno(make(call::getrandom, -1, static_cast<long>(size), [&](kernel& in, host&) {
        for (std::size_t done = 0; done < size;) {
            const std::uint64_t bits = in.dice().bits();
            const std::size_t part = std::min(size - done, sizeof bits);
            std::memcpy(static_cast<char*>(into) + done, &bits, part);
            done += part;
        }
        return static_cast<long>(size);
    }));
}

} // namespace dunlin::sys::os
