#include <dunlin/net/read.hpp>

#include <dunlin/sys/socket.hpp>
#include <dunlin/util/planted.hpp>

#include <cerrno>

namespace dunlin {

using detail::direction;

/// What the answer of recv(2) says about the next read.
inline void detail::receive_operation::note(long n, std::size_t size) noexcept {
    if (n == -EAGAIN) [[unlikely]]
        note_empty();
    if (n <= 0) {
        if (n == 0) watch_->has_ended = true;
        return;
    }
    watch_->is_unanswered = true;
    if (DUNLIN_PLANTED(edge_taken_for_level)) watch_->may_go(direction::input) = false;
    if (n < static_cast<long>(size) &&
        (watch_->short_is_all || (DUNLIN_PLANTED(short_read_anywhere) && !watch_->is_tcp)))
        watch_->may_go(direction::input) = false;
}

/// Right at an urgent mark recv(2) says EAGAIN if a signal is pending, though bytes lie behind the
/// mark and no edge will tell of them. So where there may be a mark, EAGAIN counts when said twice.
bool detail::receive_operation::may_be_at_mark() const noexcept {
    return watch_->is_registered && watch_->is_tcp && !watch_->short_is_all;
}

long detail::receive_operation::receive(std::byte* into, std::size_t size) noexcept {
    long n = sys::receive(watch_->fd, into, size);
    if (n == -EAGAIN && may_be_at_mark()) n = sys::receive(watch_->fd, into, size);
    note(n, size);
    return n;
}

bool read_operation::begin() noexcept {
    if (into_.empty()) return finish(); // nothing asked; recv(2) of nothing would look like the end
    return begin_as<direction::input>(*this);
}

bool read_operation::attempt() noexcept { return attempt_as<direction::input>(*this); }

bool read_operation::try_now() noexcept {
    outcome_ = detail::to_outcome(receive(into_.data(), into_.size()));
    return outcome_ != -EAGAIN;
}

bool read_buffer_operation::begin() noexcept { return begin_as<direction::input>(*this); }

[[gnu::flatten]] bool read_buffer_operation::attempt() noexcept {
    return attempt_as<direction::input>(*this);
}

bool read_buffer_operation::try_now() noexcept {
    std::byte* const block = detail::allocate_buffer();
    if (block == nullptr) [[unlikely]] {
        outcome_ = -ENOMEM;
        return true;
    }
    const long n = sys::receive_once(watch_->fd, block, detail::buffer_size);
    if (n <= 0) [[unlikely]]
        return go_on_without(block, n);
    note(n, detail::buffer_size);
    block_ = block;
    outcome_ = detail::to_outcome(n);
    return true;
}

/// Nothing has come: an interruption, the end, an error, or a spurious wake-up.
bool read_buffer_operation::go_on_without(std::byte* block, long n) noexcept {
    if (n == -EINTR || (n == -EAGAIN && may_be_at_mark())) n = receive(block, detail::buffer_size);
    if (n == 0 && DUNLIN_PLANTED(end_taken_for_error)) n = -ECONNRESET;
    if (n > 0) {
        block_ = block;
        outcome_ = detail::to_outcome(n);
        return true;
    }
    detail::free_buffer(block);
    if (n == 0) watch_->has_ended = true;
    note(n, detail::buffer_size);
    outcome_ = detail::to_outcome(n);
    return n != -EAGAIN;
}

bool read_exactly_operation::begin() noexcept {
    if (into_.empty()) return finish();
    return begin_as<direction::input>(*this);
}

bool read_exactly_operation::attempt() noexcept { return attempt_as<direction::input>(*this); }

bool read_exactly_operation::try_now() noexcept {
    for (;;) {
        const long n = receive(into_.data(), into_.size());
        if (n == -EAGAIN) return false;
        if (n <= 0) {
            outcome_ = n == 0 ? detail::failure(errc::end_of_stream) : detail::to_outcome(n);
            return true;
        }
        into_ = into_.subspan(static_cast<std::size_t>(n));
        note_progress();
        if (moved_ != nullptr) *moved_ += static_cast<std::size_t>(n);
        if (into_.empty()) {
            outcome_ = 0;
            return true;
        }
        if (!watch_->may_go(direction_)) return false; // drained: the next recv(2) would say so
        if (!spend()) {
            wants_turn_ = true;
            return false;
        }
    }
}

} // namespace dunlin
