// The epoll object: a set of descriptors in the kernel, and a wait for those that are ready.
//
// This is epoll(7) with types: no coroutine, no policy, usable alone. The scheduler stands on the
// same object. Who only wants to await a descriptor needs none of this: see docs/epoll.md, which
// explains the subject and shows a server written by hand on this class.
#pragma once

#include <dunlin/result.hpp>
#include <dunlin/sys/fd.hpp>
#include <dunlin/util/api.hpp>
#include <dunlin/util/chrono.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace dunlin {

/// A set of epoll's flags: what to look out for, how, and what has happened. See epoll_ctl(2).
class epoll_flags {
public:
    static const epoll_flags none;

    // Interest and readiness.
    static const epoll_flags in;  ///< read(2) would not block: data, end of stream, or an error
    static const epoll_flags out; ///< write(2) would not block: room, or an error
    static const epoll_flags priority;    ///< an exceptional condition: TCP's urgent data
    static const epoll_flags read_hangup; ///< the peer has finished sending; data may still be here

    // Reported whether asked for or not.
    static const epoll_flags error;  ///< an error waits in SO_ERROR, or a pipe's reader is gone
    static const epoll_flags hangup; ///< both directions are finished, or a pipe's writer is gone

    // How to report.
    static const epoll_flags edge_triggered; ///< once per change, not as long as it is so
    static const epoll_flags one_shot;       ///< once, then nothing until `modify`
    static const epoll_flags exclusive;      ///< of several epoll sets, do not wake them all
    static const epoll_flags wakeup;         ///< keep the machine awake (needs CAP_BLOCK_SUSPEND)

    // The names of poll(2)'s bands. On sockets the normal ones come with `in` and `out`.
    static const epoll_flags read_normal;
    static const epoll_flags read_band;
    static const epoll_flags write_normal;
    static const epoll_flags write_band;
    static const epoll_flags message; ///< never reported by Linux

    constexpr epoll_flags() noexcept = default;

    /// The kernel's own bits, for what has no name here.
    explicit constexpr epoll_flags(std::uint32_t bits) noexcept : bits_{bits} {}
    [[nodiscard]] constexpr std::uint32_t bits() const noexcept { return bits_; }

    /// Whether every flag of `wanted` is set.
    [[nodiscard]] constexpr bool has(epoll_flags wanted) const noexcept {
        return (bits_ & wanted.bits_) == wanted.bits_;
    }
    /// Whether at least one flag of `wanted` is set.
    [[nodiscard]] constexpr bool has_any(epoll_flags wanted) const noexcept {
        return (bits_ & wanted.bits_) != 0;
    }
    [[nodiscard]] constexpr bool is_none() const noexcept { return bits_ == 0; }

    /// What of this set is not in `unwanted`.
    [[nodiscard]] constexpr epoll_flags without(epoll_flags unwanted) const noexcept {
        return epoll_flags{bits_ & ~unwanted.bits_};
    }

    constexpr epoll_flags& operator|=(epoll_flags more) noexcept {
        bits_ |= more.bits_;
        return *this;
    }
    constexpr epoll_flags& operator&=(epoll_flags mask) noexcept {
        bits_ &= mask.bits_;
        return *this;
    }
    friend constexpr epoll_flags operator|(epoll_flags a, epoll_flags b) noexcept { return a |= b; }
    friend constexpr epoll_flags operator&(epoll_flags a, epoll_flags b) noexcept { return a &= b; }
    friend constexpr bool operator==(epoll_flags, epoll_flags) noexcept = default;

private:
    std::uint32_t bits_ = 0;
};

/// A set of descriptors that the kernel watches. Move-only; the set dies with its last descriptor.
///
/// Errors are the kernel's numbers as values, and `errc::closed` from everything after `close()`.
/// An error leaves the set as it was. The kernel lets several threads add, modify, remove and wait
/// on one set at a time, and so does this object; `close`, moving and destruction are for one
/// thread alone.
class [[nodiscard]] epoll {
public:
    class event;

    /// A closed object, to be assigned to.
    epoll() noexcept = default;

    /// Makes an empty set, close-on-exec. See epoll_create1(2).
    /// Errors: too_many_files_open, too_many_files_open_in_system, not_enough_memory.
    [[nodiscard]] DUNLIN_API static result<epoll> create() noexcept;

    /// Takes over a set that somebody else made, and makes it close-on-exec. If it fails, `fd` is
    /// closed. Errors: bad_file_descriptor; invalid_argument when it is not an epoll descriptor;
    /// those of `create` (finding out takes a descriptor for a moment).
    [[nodiscard]] DUNLIN_API static result<epoll> from_fd(unique_fd fd) noexcept;

    /// Shares a set that somebody else made: a close-on-exec duplicate of `fd`, closed
    /// independently of it. Errors: as above.
    [[nodiscard]] DUNLIN_API static result<epoll> from_fd(borrowed_fd fd) noexcept;

    /// A moved-from object is closed.
    epoll(epoll&& other) noexcept = default;
    epoll& operator=(epoll&& other) noexcept = default;
    ~epoll() = default;

    /// Looks out for `flags` on `fd` from now on; its events will carry the number of `fd`. See
    /// epoll_ctl(2), EPOLL_CTL_ADD.
    ///
    /// The set does not keep `fd` open. Closing its last duplicate takes it out of the set; while
    /// one is left, here or in a child process, events go on and can no longer be removed. So
    /// `remove` first.
    ///
    /// Errors: bad_file_descriptor; file_exists when it is in the set; operation_not_permitted when
    /// the kernel cannot wait for it (a regular file, /dev/null); invalid_argument when it is this
    /// set itself; too_many_symbolic_link_levels (ELOOP) when epoll sets would form a circle or
    /// nest too deep; no_space_on_device at the limit in /proc/sys/fs/epoll/max_user_watches;
    /// not_enough_memory. invalid_argument, without asking the kernel, for `exclusive` with any
    /// flag but `in`, `out`, `error`, `hangup`, `edge_triggered` and `wakeup`; from the kernel for
    /// `exclusive` on an epoll descriptor.
    [[nodiscard]] result<void> add(borrowed_fd fd, epoll_flags flags) noexcept {
        return add(fd, flags, data_of(fd));
    }
    /// The same; its events will carry `data`.
    [[nodiscard]] DUNLIN_API result<void> add(borrowed_fd fd, epoll_flags flags,
                                              std::uint64_t data) noexcept;

    /// Looks out for `flags` instead, and arms again what was one-shot or edge-triggered: if it is
    /// ready now, it is reported. The data becomes the number of `fd`. See epoll_ctl(2),
    /// EPOLL_CTL_MOD.
    ///
    /// Errors: bad_file_descriptor; no_such_file_or_directory (ENOENT) when it is not in the set;
    /// invalid_argument for `exclusive`, without asking the kernel, and from the kernel for a
    /// descriptor that was added with it: remove and add it instead.
    [[nodiscard]] result<void> modify(borrowed_fd fd, epoll_flags flags) noexcept {
        return modify(fd, flags, data_of(fd));
    }
    /// The same; its events will carry `data`.
    [[nodiscard]] DUNLIN_API result<void> modify(borrowed_fd fd, epoll_flags flags,
                                                 std::uint64_t data) noexcept;

    /// Takes `fd` out of the set, while it is still open. See epoll_ctl(2), EPOLL_CTL_DEL.
    /// Errors: bad_file_descriptor; no_such_file_or_directory (ENOENT) when it is not in the set.
    [[nodiscard]] DUNLIN_API result<void> remove(borrowed_fd fd) noexcept;

    /// Waits until something in the set is ready, and gives how many events it wrote to the front
    /// of `out`. If more are ready than fit, the next calls bring them in turn.
    ///
    /// `std::nullopt` waits for ever. A timeout of zero or less looks and returns at once. Else 0
    /// comes when the time is over by CLOCK_MONOTONIC, never earlier: in nanoseconds where the
    /// kernel has epoll_pwait2 (Linux 5.11), else rounded up to milliseconds. A signal does not end
    /// the wait. Errors: invalid_argument when `out` is empty. See epoll_wait(2).
    [[nodiscard]] DUNLIN_API result<std::size_t>
    wait(std::span<event> out, std::optional<std::chrono::nanoseconds> timeout) noexcept;

    /// The same for a timeout in any unit; one of more than 292 years counts as so many.
    template <class Rep, class Period>
    [[nodiscard]] auto wait(std::span<event> out,
                            std::chrono::duration<Rep, Period> timeout) noexcept;

    /// One `epoll_wait` or `epoll_pwait2` and nothing else, for a loop that keeps its own time: the
    /// number of events, or -errno. So a signal gives -EINTR, an empty `out` -EINVAL, a closed set
    /// -EBADF.
    ///
    /// `timeout_ns` below zero waits for ever. Where the kernel lacks epoll_pwait2, which the
    /// object finds out once and then remembers, it is rounded up to milliseconds and ends after 24
    /// days at the latest.
    [[nodiscard]] DUNLIN_API int poll_raw(std::span<event> out, std::int64_t timeout_ns) noexcept;

    /// The set's own descriptor, -1 when closed. It is readable when something in the set is ready,
    /// so it can be waited for by poll(2), or be in another set.
    [[nodiscard]] borrowed_fd fd() const noexcept { return fd_.borrow(); }

    /// Closes the descriptor; does nothing when it is closed. What was in the set stays open.
    void close() noexcept { fd_.close(); }
    [[nodiscard]] bool is_closed() const noexcept { return !fd_.is_open(); }

private:
    /// `poll_raw` for a span of more than zero, where two system calls are to choose from.
    [[nodiscard]] int poll_for(std::span<event> out, std::int64_t timeout_ns) noexcept;
    [[gnu::noinline]] int poll_precisely(std::span<event> out, std::int64_t timeout_ns) noexcept;

    explicit epoll(unique_fd fd) noexcept : fd_{static_cast<unique_fd&&>(fd)} {}

    static constexpr std::uint64_t data_of(borrowed_fd fd) noexcept {
        return static_cast<std::uint32_t>(fd.get());
    }

    unique_fd fd_;
    bool milliseconds_only_ = false; // epoll_pwait2 was tried, and is missing or forbidden
};

#if defined(__x86_64__) || defined(__i386__)
#define DUNLIN_EPOLL_PACKED __attribute__((packed)) // as the kernel's: 12 bytes, not 16
#else
#define DUNLIN_EPOLL_PACKED
#endif

/// What happened to one descriptor. Its layout is the kernel's, so `wait` copies nothing.
class DUNLIN_EPOLL_PACKED epoll::event {
public:
    constexpr event() noexcept = default;
    constexpr event(epoll_flags flags, std::uint64_t data) noexcept
        : flags_{flags.bits()}, data_{data} {}

    [[nodiscard]] constexpr epoll_flags flags() const noexcept { return epoll_flags{flags_}; }

    /// What was given to `add` or `modify`.
    [[nodiscard]] constexpr std::uint64_t data() const noexcept { return data_; }

    /// The descriptor, if no other data was given. It may have been closed since.
    [[nodiscard]] constexpr borrowed_fd fd() const noexcept {
        return borrowed_fd{static_cast<int>(static_cast<std::uint32_t>(data_))};
    }

private:
    std::uint32_t flags_ = 0;
    std::uint64_t data_ = 0;
};

#undef DUNLIN_EPOLL_PACKED

// Implementation

inline constexpr epoll_flags epoll_flags::none{};
inline constexpr epoll_flags epoll_flags::in{0x1};
inline constexpr epoll_flags epoll_flags::priority{0x2};
inline constexpr epoll_flags epoll_flags::out{0x4};
inline constexpr epoll_flags epoll_flags::error{0x8};
inline constexpr epoll_flags epoll_flags::hangup{0x10};
inline constexpr epoll_flags epoll_flags::read_normal{0x40};
inline constexpr epoll_flags epoll_flags::read_band{0x80};
inline constexpr epoll_flags epoll_flags::write_normal{0x100};
inline constexpr epoll_flags epoll_flags::write_band{0x200};
inline constexpr epoll_flags epoll_flags::message{0x400};
inline constexpr epoll_flags epoll_flags::read_hangup{0x2000};
inline constexpr epoll_flags epoll_flags::exclusive{1U << 28};
inline constexpr epoll_flags epoll_flags::wakeup{1U << 29};
inline constexpr epoll_flags epoll_flags::one_shot{1U << 30};
inline constexpr epoll_flags epoll_flags::edge_triggered{1U << 31};

namespace detail {

/// `span` in nanoseconds, rounded up; what does not fit (hours::max() would overflow) is the
/// largest.
template <class Rep, class Period>
constexpr std::chrono::nanoseconds
saturated_nanoseconds(std::chrono::duration<Rep, Period> span) noexcept {
    constexpr double limit = 9.2e18; // just below 2^63
    const std::chrono::duration<double, std::nano> roughly{span};
    if (roughly.count() <= -limit) return std::chrono::nanoseconds::min();
    if (!(roughly.count() < limit)) return std::chrono::nanoseconds::max(); // so NaN is long, too
    return std::chrono::ceil<std::chrono::nanoseconds>(span);
}

} // namespace detail

template <class Rep, class Period>
auto epoll::wait(std::span<event> out, std::chrono::duration<Rep, Period> timeout) noexcept {
    return wait(out, std::optional{detail::saturated_nanoseconds(timeout)});
}

} // namespace dunlin
