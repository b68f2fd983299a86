// Waiting for time to pass.
#pragma once

#include <dunlin/loop/clock.hpp>
#include <dunlin/loop/operation.hpp>
#include <dunlin/util/api.hpp>
#include <dunlin/util/chrono.hpp>

#include <cstdint>

namespace dunlin {

/// The awaiter behind `sleep_for` and `sleep_until`. Never early: it reads a fresh clock.
///
/// Error: `stopped`, from then on without waiting: a loop that sleeps has to look at it, or it
/// never ends (its task's budget sees to it that others have their turns all the same). Stopped or
/// destroyed, its timer is gone at once. Allocates nothing. Loop thread.
class [[nodiscard]] DUNLIN_API sleep_operation final : public operation,
                                                       public spellings<sleep_operation> {
public:
    using value_type = void;
    /// `deadline`: nanoseconds of the monotonic clock.
    explicit sleep_operation(std::int64_t deadline) noexcept : deadline_{deadline} {}
    ~sleep_operation() {
        if (is_waiting_) abandon();
    }

    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override;
    void take() noexcept {}

private:
    bool is_over() noexcept;

    std::int64_t deadline_;
    bool waits_for_turn_ = false; ///< Its budget was spent when it began.
};

/// Suspends this task until `deadline` has passed; not at all if it has passed already.
inline sleep_operation sleep_until(time_point deadline) noexcept {
    return sleep_operation{deadline.time_since_epoch().count()};
}

/// Suspends this task for at least `span`, kept to the nanosecond as far as the kernel can; a
/// negative span is none, one beyond the clock's range lasts for ever.
template <class Rep, class Period>
sleep_operation sleep_for(std::chrono::duration<Rep, Period> span) noexcept {
    return sleep_operation{detail::deadline_after(now().time_since_epoch().count(),
                                                  detail::clamp_to_nanoseconds(span))};
}

} // namespace dunlin
