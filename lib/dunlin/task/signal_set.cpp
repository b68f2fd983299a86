#include <dunlin/task/signal_set.hpp>

#include <dunlin/sys/signals.hpp>
#include <dunlin/util/planted.hpp>

#include <cerrno>

namespace dunlin {

using detail::direction;

bool signal_operation::begin() noexcept { return begin_as<direction::input>(*this); }

bool signal_operation::attempt() noexcept { return attempt_as<direction::input>(*this); }

bool signal_operation::try_now() noexcept {
    sys::signal_record record;
    outcome_ = detail::to_outcome(sys::read_signal(watch_->fd, record));
    if (outcome_ == -EAGAIN) {
        note_empty();
        return false;
    }
    came_ = received_signal{record.number, record.code, record.pid, record.uid, record.value};
    return true;
}

result<signal_set> signal_set::create(std::span<const int> numbers) noexcept {
    const auto bits = sys::to_signal_bits(numbers);
    if (!bits) return bits.assume_error();
    auto opened = sys::make_signalfd(bits.assume_value());
    if (!opened) return opened.assume_error();
    return signal_set{std::move(opened).assume_value(), bits.assume_value(),
                      sys::block_signals(bits.assume_value())};
}

signal_set& signal_set::operator=(signal_set&& other) noexcept {
    if (this == &other) return *this;
    // What both have stays blocked, and is the new one's to let through.
    other.blocked_ |= blocked_ & other.all_;
    blocked_ &= ~other.all_;
    close();
    fd_ = std::move(other.fd_);
    all_ = other.all_;
    blocked_ = std::exchange(other.blocked_, 0);
    return *this;
}

void signal_set::close() noexcept {
    fd_.close();
    if (blocked_ != 0 && !DUNLIN_PLANTED(mask_not_restored))
        sys::unblock_signals(std::exchange(blocked_, 0));
}

} // namespace dunlin
