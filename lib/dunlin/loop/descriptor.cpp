#include <dunlin/loop/descriptor.hpp>

#include <dunlin/sys/foreign.hpp>

#include <cerrno>

namespace dunlin {

using detail::direction;

bool descriptor::is_terminal() const noexcept { return sys::is_terminal(fd_.get().get()); }

bool read_some_operation::begin() noexcept {
    if (into_.empty()) return finish();
    return begin_distrusting();
}

bool read_some_operation::attempt() noexcept { return attempt_as<direction::input>(*this); }

bool read_some_operation::try_now() noexcept {
    outcome_ = detail::to_outcome(sys::read_some(watch_->fd, into_.data(), into_.size()));
    return outcome_ != -EAGAIN;
}

bool put_some_operation::begin() noexcept {
    if (bytes_.empty()) return finish();
    return begin_distrusting();
}

bool put_some_operation::attempt() noexcept { return attempt_as<direction::output>(*this); }

bool put_some_operation::try_now() noexcept {
    outcome_ = detail::to_outcome(sys::write_some(watch_->fd, bytes_.data(), bytes_.size()));
    return outcome_ != -EAGAIN;
}

} // namespace dunlin
