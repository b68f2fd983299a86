#include <dunlin/sys_sim/unix_stream.hpp>

#include <dunlin/sys_sim/host.hpp>
#include <dunlin/sys_sim/kernel.hpp>

#include <algorithm>
#include <cstring>

#include <sys/epoll.h>
#include <sys/un.h>

namespace dunlin::sys_sim {

namespace {

// What a piece costs beside its bytes (the truesize of an skb), roughly.
constexpr std::size_t piece_cost = 768;

} // namespace

unix_stream::unix_stream(host& owner) : socket_file{owner} {
    family_ = AF_UNIX;
    send_buffer_ = receive_buffer_ = 212'992;
}

void unix_stream::make_pair(unix_stream& first, unix_stream& second) noexcept {
    first.peer_ = &second;
    second.peer_ = &first;
}

bool unix_stream::has_room() const noexcept {
    return sent_ * 4 <= static_cast<std::size_t>(send_buffer_);
}

std::uint32_t unix_stream::events() {
    std::uint32_t bits = 0;
    if (error_ != 0) bits |= EPOLLERR;
    if (shut_ == ends_both) bits |= EPOLLHUP;
    if ((shut_ & ends_receiving) != 0) bits |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
    if (!received_.is_empty()) bits |= EPOLLIN | EPOLLRDNORM;
    if (has_room()) bits |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
    return bits;
}

void unix_stream::close() {
    if (peer_ == nullptr) return;
    unix_stream& peer = *peer_;
    peer_ = nullptr;
    peer.shut_ = ends_both;
    if (!received_.is_empty()) peer.error_ = ECONNRESET;
    peer.peer_ = nullptr;
    peer.wake(0);
    // What was not read is freed, and with it the room it took.
    while (!whole_.empty()) {
        peer.piece_freed(whole_.front());
        whole_.pop_front();
    }
}

void unix_stream::piece_freed(std::size_t size) {
    sent_ -= std::min(sent_, size);
    if (has_room()) wake(wakes_writers);
}

long unix_stream::receive(void* into, std::size_t size, int flags) {
    if ((flags & MSG_OOB) != 0) return -EINVAL;
    if (received_.is_empty()) {
        if (const int failed = take_error(); failed != 0) return -failed;
        return (shut_ & ends_receiving) != 0 ? 0 : -EAGAIN;
    }
    if ((flags & MSG_PEEK) != 0) return static_cast<long>(received_.peek(into, size));
    const std::size_t n = received_.pop(into, size);
    std::size_t left = n;
    while (left > 0) {
        const std::size_t taken = std::min(left, pieces_.front());
        pieces_.front() -= taken;
        left -= taken;
        if (pieces_.front() != 0) break;
        pieces_.pop_front();
        const std::size_t freed = whole_.front();
        whole_.pop_front();
        if (peer_ != nullptr) peer_->piece_freed(freed);
    }
    return static_cast<long>(n);
}

long unix_stream::send(const void* data, std::size_t size, int flags) {
    if ((flags & MSG_OOB) != 0) return -EOPNOTSUPP;
    kernel& in = owner().in();
    if ((shut_ & ends_sending) != 0 || peer_ == nullptr || (peer_->shut_ & ends_receiving) != 0) {
        if ((flags & MSG_NOSIGNAL) == 0) owner().send_signal(SIGPIPE);
        return -EPIPE;
    }
    if (size == 0) return 0;
    if (const int failed = take_error(); failed != 0) return -failed;
    std::size_t taken = 0;
    while (taken < size && sent_ < static_cast<std::size_t>(send_buffer_)) {
        const std::size_t room = static_cast<std::size_t>(send_buffer_) / 2 - 64;
        const std::size_t piece = std::min({size - taken, room, std::size_t{32'768}});
        peer_->received_.push({static_cast<const char*>(data) + taken, piece});
        peer_->pieces_.push_back(piece);
        peer_->whole_.push_back(piece + piece_cost);
        sent_ += piece + piece_cost;
        taken += piece;
        if (in.strikes(fault::short_transfer, owner().number())) break;
    }
    if (taken == 0) return -EAGAIN;
    peer_->wake(wakes_readers);
    if (taken < size &&
        has_room()) // cut short by chance: say that there is room, as if it came back
        in.at(in.now() + 1 + static_cast<std::int64_t>(in.dice().below(50'000)),
              [self = weak_from_this()] {
                  if (const auto still = self.lock()) still->wake(wakes_writers);
              });
    return static_cast<long>(taken);
}

long unix_stream::shutdown(int how) {
    if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
    const unsigned ends = static_cast<unsigned>(how) + 1;
    shut_ |= ends;
    wake(0);
    if (peer_ != nullptr) {
        if ((ends & ends_receiving) != 0) peer_->shut_ |= ends_sending;
        if ((ends & ends_sending) != 0) peer_->shut_ |= ends_receiving;
        peer_->wake(0);
    }
    return 0;
}

long unix_stream::name(sys::raw_address& into) const {
    const ::sa_family_t family = AF_UNIX;
    std::memcpy(into.storage, &family, sizeof family);
    into.size = sizeof family;
    return 0;
}

long unix_stream::peer_name(sys::raw_address& into) const {
    return peer_ != nullptr ? name(into) : -ENOTCONN;
}

long unix_stream::unread() const { return static_cast<long>(received_.size()); }
long unix_stream::unsent() const { return static_cast<long>(sent_); }

} // namespace dunlin::sys_sim
