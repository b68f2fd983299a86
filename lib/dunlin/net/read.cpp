#include <dunlin/net/read.hpp>

#include <dunlin/sys/socket.hpp>

#include <cerrno>

namespace dunlin {

/// In line: it is a fifth of what a message costs.
[[gnu::always_inline]] inline long
detail::receive_operation::receive(std::byte* into, std::size_t size) noexcept {
    const long n = sys::receive(watch_->fd, into, size);
    if (static_cast<std::size_t>(n) < size) [[likely]] // false for -errno as well
        note_short(n);
    else if (n == -EAGAIN)
        note_empty();
    return n;
}

bool read_operation::begin() noexcept {
    if (into_.empty()) return finish(); // nothing asked; recv(2) of nothing would look like the end
    return begin_as(*this);
}

bool read_operation::attempt() noexcept { return attempt_as(*this); }

bool read_operation::try_now() noexcept {
    outcome_ = receive(into_.data(), into_.size());
    return outcome_ != -EAGAIN;
}

bool read_buffer_operation::begin() noexcept { return begin_as(*this); }

bool read_buffer_operation::try_now() noexcept {
    block_ = detail::allocate_buffer();
    if (block_ == nullptr) {
        outcome_ = -ENOMEM;
        return true;
    }
    outcome_ = receive(block_, detail::buffer_size);
    if (outcome_ <= 0) {
        detail::free_buffer(block_);
        block_ = nullptr;
    }
    return outcome_ != -EAGAIN;
}

bool read_buffer_operation::attempt() noexcept { return attempt_as(*this); }

bool read_exactly_operation::begin() noexcept {
    if (into_.empty()) return finish();
    return begin_as(*this);
}

bool read_exactly_operation::attempt() noexcept { return attempt_as(*this); }

bool read_exactly_operation::try_now() noexcept {
    for (;;) {
        const long n = receive(into_.data(), into_.size());
        if (n == -EAGAIN) return false;
        if (n <= 0) {
            outcome_ = n == 0 ? detail::failure(errc::end_of_stream) : n;
            return true;
        }
        into_ = into_.subspan(static_cast<std::size_t>(n));
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
