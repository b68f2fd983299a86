#include <dunlin/net/read.hpp>

#include <dunlin/sys/socket.hpp>

#include <cerrno>

namespace dunlin {

long detail::receive_operation::receive(std::byte* into, std::size_t size) noexcept {
    const long n = sys::receive(watch_->fd, into, size);
    if (n == -EAGAIN)
        note_empty();
    else if (n > 0 && static_cast<std::size_t>(n) < size && !watch_->reads_to_the_end)
        watch_->may_read = false; // a short read of a stream has drained it, see epoll(7), Q9
    return n;
}

bool read_operation::begin() noexcept {
    if (into_.empty()) return finish(); // nothing asked; recv(2) of nothing would look like the end
    return begin_io();
}

bool read_operation::try_now() noexcept {
    outcome_ = receive(into_.data(), into_.size());
    return outcome_ != -EAGAIN;
}

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

bool read_exactly_operation::begin() noexcept {
    if (into_.empty()) return finish();
    return begin_io();
}

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
        if (!watch_->may_read) return false; // drained: the next recv(2) would say so
        if (!spend()) {
            wants_turn_ = true;
            return false;
        }
    }
}

} // namespace dunlin
