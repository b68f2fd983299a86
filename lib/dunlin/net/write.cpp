#include <dunlin/net/write.hpp>

#include <dunlin/sys/socket.hpp>
#include <dunlin/util/planted.hpp>

#include <cerrno>

namespace dunlin {

using detail::direction;

bool write_some_operation::begin() noexcept {
    if (bytes_.size == 0) return finish(); // nothing to send, nothing to wait for
    return begin_as<direction::output>(*this);
}

bool write_some_operation::attempt() noexcept { return attempt_as<direction::output>(*this); }

bool write_some_operation::try_now() noexcept {
    outcome_ = detail::to_outcome(sys::send(watch_->fd, bytes_.data, bytes_.size));
    if (outcome_ == -EAGAIN) {
        note_full();
        return false;
    }
    if (outcome_ == static_cast<long>(bytes_.size)) watch_->is_unanswered = false;
    return true;
}

[[gnu::flatten]] bool write_operation::begin() noexcept {
    if (bytes_.size == 0) return finish();
    return begin_as<direction::output>(*this);
}

bool write_operation::attempt() noexcept { return attempt_as<direction::output>(*this); }

bool write_operation::try_now() noexcept {
    if (DUNLIN_PLANTED(end_stops_writes) && watch_->has_ended) return go_on_after(-EPIPE);
    const long n = sys::send_once(watch_->fd, bytes_.data, bytes_.size);
    if (n != static_cast<long>(bytes_.size)) [[unlikely]]
        return go_on_after(n);
    if (moved_ != nullptr) *moved_ += bytes_.size;
    watch_->is_unanswered = false;
    outcome_ = 0;
    return true;
}

/// The kernel took `n` bytes, not all, or -errno.
bool write_operation::go_on_after(long n) noexcept {
    for (;;) {
        if (n == -EINTR) n = sys::send(watch_->fd, bytes_.data, bytes_.size);
        if (n == -EAGAIN) {
            note_full();
            return false;
        }
        if (n < 0) {
            outcome_ = detail::to_outcome(n);
            return true;
        }
        const auto sent = static_cast<std::size_t>(n);
        if (moved_ != nullptr && !DUNLIN_PLANTED(moved_not_counted)) *moved_ += sent;
        bytes_.data += sent - (DUNLIN_PLANTED(write_at_wrong_offset) ? 1 : 0);
        bytes_.size -= sent;
        note_progress();
        if (bytes_.size == 0) {
            watch_->is_unanswered = false;
            outcome_ = 0;
            return true;
        }
        if (!spend()) {
            wants_turn_ = true;
            return false;
        }
        n = sys::send(watch_->fd, bytes_.data, bytes_.size);
    }
}

bool gather_operation::begin() noexcept {
    detail::slice first;
    if (fill(&first, 1) == 0) return finish();
    return begin_as<direction::output>(*this);
}

bool gather_operation::attempt() noexcept { return attempt_as<direction::output>(*this); }

bool gather_operation::try_now() noexcept {
    for (;;) {
        constexpr std::size_t at_once = 64; // pieces in a call; a longer list takes several
        detail::slice pieces[at_once];
        const std::size_t count = fill(pieces, at_once);
        if (count == 0) {
            watch_->is_unanswered = false;
            outcome_ = 0;
            return true;
        }
        const long n = sys::send(watch_->fd, pieces, count);
        if (n == -EAGAIN) {
            note_full();
            return false;
        }
        if (n < 0) {
            outcome_ = detail::to_outcome(n);
            return true;
        }
        if (moved_ != nullptr) *moved_ += static_cast<std::size_t>(n);
        advance(static_cast<std::size_t>(n));
        note_progress();
        detail::slice left;
        if (fill(&left, 1) == 0) {
            watch_->is_unanswered = false;
            outcome_ = 0;
            return true;
        }
        if (!spend()) {
            wants_turn_ = true;
            return false;
        }
    }
}

std::size_t span_write_operation::fill(detail::slice* pieces, std::size_t room) const noexcept {
    std::size_t count = 0;
    std::size_t skipped = offset_;
    for (std::size_t i = 0; i < pieces_.size() && count < room; ++i) {
        const auto piece = pieces_[i].subspan(skipped);
        skipped = 0;
        if (!piece.empty()) pieces[count++] = {piece.data(), piece.size()};
    }
    return count;
}

void span_write_operation::advance(std::size_t sent) noexcept {
    while (!pieces_.empty() && sent >= pieces_.front().size() - offset_) {
        sent -= pieces_.front().size() - offset_;
        pieces_ = pieces_.subspan(1);
        offset_ = 0;
    }
    offset_ = (DUNLIN_PLANTED(gather_at_wrong_offset) ? 0 : offset_) + sent;
}

} // namespace dunlin
