#include <dunlin/net/any_stream.hpp>

namespace dunlin {

bool any_read_buffer_operation::begin() noexcept {
    return on_ == nullptr ? end_as_closed() : on_->begin_read(*this);
}

bool any_read_operation::begin() noexcept {
    return on_ == nullptr ? end_as_closed() : on_->begin_read(*this, into_);
}

bool any_write_operation::begin() noexcept {
    return on_ == nullptr ? end_as_closed() : on_->begin_write(*this, bytes_, moved_);
}

result<void> any_stream::shutdown_write() noexcept {
    if (inside_ == nullptr) return errc::closed;
    return inside_->shutdown_write();
}

} // namespace dunlin
