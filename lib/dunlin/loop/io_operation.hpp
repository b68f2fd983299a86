// The base of the operations that wait for a descriptor: try first, wait second.
//
// A derived class says what one try is; everything about waiting, stopping, fairness and a second
// reader stands here, once. While waiting or queued it is its watch's reader or writer.
//
// What happens with every message is a template over the derived class, so that its try is inlined;
// what happens seldom is out of line and calls the try through its virtual name.
#pragma once

#include <dunlin/loop/operation.hpp>
#include <dunlin/loop/scheduler.hpp>
#include <dunlin/loop/watched_fd.hpp>
#include <dunlin/util/api.hpp>
#include <dunlin/util/assert.hpp>
#include <dunlin/util/planted.hpp>

#include <cstdint>

namespace dunlin {

class DUNLIN_API io_operation : public operation {
public:
    void interrupt() noexcept override;
    [[nodiscard]] bool is_idle() const noexcept override;
    [[nodiscard]] bool waits_for_client() const noexcept override;

    /// What it is to a drain, for input: told by its socket, or by the user.
    enum class drain_as : std::uint8_t { told_by_socket, idle, busy };
    void take_in_drain(drain_as what) noexcept { drain_as_ = what; }

protected:
    /// `on` is what `watched_fd::attach` gave: perhaps a stand-in that says why there is no watch.
    io_operation(detail::watch* on, detail::direction way) noexcept : direction_{way}, watch_{on} {}

    ~io_operation() {
        if (is_waiting_) withdraw();
    }

    /// One try: true when the operation is over and its outcome set; false if it would have to
    /// wait, or has set `wants_turn_`: it could go on, but its budget is spent.
    virtual bool try_now() noexcept = 0;

    /// What `begin` of the derived class does.
    template <detail::direction Way, class Self>
    [[nodiscard]] bool begin_as(Self& self) noexcept {
        if (watch_->waiting_for(Way) != nullptr && !DUNLIN_PLANTED(second_reader_allowed))
            [[unlikely]]
            return refuse();
        // A read has mostly to wait for the answer to what was written; a write has mostly room.
        if constexpr (Way == detail::direction::output) {
            if (watch_->may_go(Way)) [[likely]]
                return begin_ready(self);
        } else {
            if (watch_->may_go(Way)) [[unlikely]]
                return begin_ready(self);
        }
        if (watch_->is_registered && context_->stop == detail::stop_level::none) [[likely]]
            return claim(watch_->waiting_for(Way));
        return begin_unready(false);
    }

    /// The same for those that trust no cached readiness (`readable`): they ask the kernel every
    /// time.
    [[nodiscard]] bool begin_distrusting() noexcept {
        if (watch_->waiting_for(direction_) != nullptr) return refuse();
        return begin_unready(!DUNLIN_PLANTED(readable_waits_first));
    }

    /// What `attempt` of the derived class does.
    template <detail::direction Way, class Self>
    [[nodiscard]] bool attempt_as(Self& self) noexcept {
        if (watch_->owners == 0) [[unlikely]]
            return end_as_closed();
        if (!self.Self::try_now()) [[unlikely]]
            return wait_on();
        watch_->waiting_for(Way) = nullptr;
        if (DUNLIN_PLANTED(timeout_loses_data) && has_timed_out())
            outcome_ = detail::failure(errc::timeout);
        return true;
    }

    /// What a try that came back with EAGAIN says about the next one.
    void note_empty() noexcept {
        watch_->may_go(detail::direction::input) = false;
        watch_->short_is_all = watch_->is_registered && watch_->is_tcp;
    }
    /// One of many steps is done: from here on it waits anew, as `context_->since` has it.
    void note_progress() noexcept { context_->since = context_->sched->turn_time(); }
    void note_full() noexcept { watch_->may_go(detail::direction::output) = false; }

    /// What `describe` of the derived class gives: its kind, and the descriptor.
    [[nodiscard]] leaf_description described_as(const char* kind) const noexcept;

    // One byte: with those of `operation` they are set by one store for each await.
    detail::direction direction_ : 1;
    bool wants_turn_ : 1 = false; ///< See `try_now`.
    drain_as drain_as_ : 2 = drain_as::told_by_socket;
    [[maybe_unused]] std::uint8_t unused_ : 4 = 0; ///< Or the byte's other bits would be kept.
    detail::watch* watch_;

private:
    template <class Self>
    [[nodiscard]] bool begin_ready(Self& self) noexcept {
        if (!is_at_home()) [[unlikely]]
            used_elsewhere();
        if (!spend()) [[unlikely]]
            wants_turn_ = true;
        else if (self.Self::try_now()) [[likely]]
            return finish();
        return begin_to_wait();
    }

    /// A drain ends waits for input, a stop all.
    [[nodiscard]] bool is_stopped() const noexcept;
    [[nodiscard]] bool may_stay_in_drain() noexcept;
    [[nodiscard]] bool goes_to_wait() noexcept;
    /// Becomes its watch's reader or writer, and its task's leaf.
    bool claim(operation*& place) noexcept {
        scheduler& sched = *context_->sched;
        if (!is_at_home()) [[unlikely]]
            used_elsewhere();
        place = this;
        wait(sched.turn_time());
        return false;
    }

    /// Whether the descriptor belongs to the scheduler of the task.
    [[nodiscard]] bool is_at_home() const noexcept { return &watch_->home() == context_->sched; }
    [[noreturn, gnu::noinline, gnu::cold]] void used_elsewhere() const noexcept;
    [[gnu::noinline]] bool refuse() noexcept;
    [[gnu::noinline]] bool begin_unready(bool insists) noexcept;
    [[gnu::noinline]] bool begin_to_wait() noexcept;
    [[gnu::noinline]] bool wait_on() noexcept;
    [[gnu::noinline]] bool end_as_closed() noexcept;
    void leave() noexcept;
    void withdraw() noexcept;
};

} // namespace dunlin
