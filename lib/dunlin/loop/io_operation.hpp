// The base of the operations that wait for a descriptor: try first, wait second.
//
// A derived class says what one try is; everything about waiting, stopping, fairness and a second
// reader stands here, once. While waiting or queued it is its watch's reader or writer.
#pragma once

#include <dunlin/loop/operation.hpp>
#include <dunlin/loop/watched_fd.hpp>
#include <dunlin/util/api.hpp>

#include <cstdint>

namespace dunlin {

class DUNLIN_API io_operation : public operation {
public:
    bool attempt() noexcept final;

protected:
    enum class direction : std::uint8_t { input, output };

    /// For a descriptor that is yet to be made, in `begin`: then set `watch_`.
    explicit io_operation(direction which) noexcept : direction_{which}, watch_{nullptr} {}

    /// Attaches the descriptor to the running scheduler if this is its first operation.
    io_operation(detail::watched_fd& on, direction which) noexcept
        : direction_{which}, watch_{on.attach(outcome_)} {}
    ~io_operation() {
        if (is_claimed_) leave();
    }

    /// One try: true when the operation is over and its outcome set; false if it would have to wait, or
    /// has set `wants_turn_`: it could go on, but its budget is spent.
    virtual bool try_now() noexcept = 0;

    /// What `begin` of the derived class does.
    [[nodiscard]] bool begin_io() noexcept;

    /// Which cached readiness a try that came back with EAGAIN takes away.
    void note_empty() noexcept {
        watch_->may_read = false;
        watch_->reads_to_the_end = false;
    }
    void note_full() noexcept { watch_->may_write = false; }

    direction direction_;
    bool is_claimed_ = false;    ///< It is the watch's reader or writer.
    bool wants_turn_ = false;    ///< See `try_now`.
    bool trusts_no_cache_ = false; ///< It asks the kernel every time (`readable`, `writable`).
    detail::watch* watch_;       ///< Null: it has failed already.

private:
    [[nodiscard]] operation*& place() noexcept {
        return direction_ == direction::input ? watch_->reader : watch_->writer;
    }
    [[nodiscard]] bool may_go_on() const noexcept {
        return direction_ == direction::input ? watch_->may_read : watch_->may_write;
    }
    [[nodiscard]] bool is_stopped() const noexcept {
        return context_->is_stopping ||
               (context_->is_draining && direction_ == direction::input);
    }
    bool settle() noexcept;
    [[nodiscard]] bool goes_to_wait() noexcept;
    void claim() noexcept {
        place() = this;
        is_claimed_ = true;
        wait();
    }
    void leave() noexcept;
};

} // namespace dunlin
