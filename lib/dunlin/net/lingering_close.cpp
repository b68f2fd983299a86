#include <dunlin/net/lingering_close.hpp>

#include <dunlin/loop/clock.hpp>
#include <dunlin/loop/scheduler.hpp>
#include <dunlin/sys/socket.hpp>

#include <cerrno>

namespace dunlin {

using detail::direction;

namespace {

constexpr std::size_t most_dropped = std::size_t{1} << 20; // a peer that sends on is cut off

} // namespace

lingering_close_operation::~lingering_close_operation() {
    if (context_ == nullptr || outcome_ == detail::failure(errc::busy)) return;
    context_->sched->disarm(*context_);
    // If it was closed meanwhile, perhaps the socket itself is gone.
    const bool is_closed =
        outcome_ == detail::failure(errc::closed) ||
        (is_waiting_ && watch_->owners == 0 && detail::why_no_watch(*watch_) == 0);
    if (!is_closed) socket_->close();
}

bool lingering_close_operation::begin() noexcept {
    if (watch_->waiting_for(direction_) == nullptr) {
        // Not connected any more: the peer has reset it, and there is nobody left to linger for.
        if (sys::shutdown_write(watch_->fd) < 0) return finish();
    }
    if (!begin_as<direction::input>(*this)) {
        if (is_waiting_) context_->sched->arm(*context_, deadline_);
        return false;
    }
    return true;
}

bool lingering_close_operation::attempt() noexcept { return attempt_as<direction::input>(*this); }

bool lingering_close_operation::try_now() noexcept {
    std::byte dropped[4096];
    for (;;) {
        const long n = sys::receive(watch_->fd, dropped, sizeof dropped);
        if (n == -EAGAIN) {
            note_empty();
            if (now().time_since_epoch().count() < deadline_) return false;
        }
        if (n > 0) dropped_ += static_cast<std::size_t>(n);
        if (n <= 0 || dropped_ > most_dropped) {
            outcome_ = 0; // also on a reset: the connection is over, which is what was wanted
            return true;
        }
        if (!spend()) {
            wants_turn_ = true;
            return false;
        }
    }
}

} // namespace dunlin
