// The system calls on a connection: bytes, and its end. Those before are in tcp_connect.cpp; what
// segments do to it is in tcp.cpp.
#include <dunlin/sys_sim/tcp.hpp>

#include <dunlin/sys_sim/host.hpp>
#include <dunlin/sys_sim/kernel.hpp>
#include <dunlin/sys_sim/network.hpp>

#include <algorithm>
#include <cstring>

#include <sys/epoll.h>

namespace dunlin::sys_sim {

// ---- bytes

long tcp::receive(void* into, std::size_t size, int flags) {
    const network::batch together{net()};
    if (state_ == tcp_state::listening) return -ENOTCONN;
    if ((flags & MSG_OOB) != 0) {
        if (urgent_inline_ || !has_urgent_ || urgent_is_read_) return -EINVAL;
        if (state_ == tcp_state::closed && !fin_came_) return -ENOTCONN;
        if (size == 0) return 0;
        *static_cast<char*>(into) = urgent_byte_;
        if ((flags & MSG_PEEK) == 0) urgent_is_read_ = true;
        return 1;
    }
    // A read ends before the mark; one that begins at it leaves the urgent byte out.
    std::size_t skipped = 0;
    std::size_t readable = received_.size();
    if (has_urgent_ && !urgent_inline_) {
        if (urgent_at_ == 0)
            skipped = 1;
        else
            readable = std::min(readable, urgent_at_);
    } else if (has_urgent_ && urgent_at_ != 0) {
        readable = std::min(readable, urgent_at_);
    }
    if (size == 0 && readable > skipped) return 0;
    if (readable > skipped) {
        const std::size_t n = received_.peek(into, std::min(size, readable - skipped), skipped);
        if ((flags & MSG_PEEK) != 0) return static_cast<long>(n);
        received_.drop(n + skipped);
        if (has_urgent_) {
            if (urgent_at_ < n + skipped)
                has_urgent_ = false;
            else
                urgent_at_ -= n + skipped;
        }
        report_window();
        return static_cast<long>(n);
    }
    if (skipped != 0 && (flags & MSG_PEEK) == 0) {
        received_.drop(1);
        has_urgent_ = false;
        report_window();
    }
    if (fin_came_) return 0;
    if (const int failed = take_error(); failed != 0) return -failed;
    if ((shut_ & ends_receiving) != 0) return 0;
    if (state_ == tcp_state::closed) return -ENOTCONN;
    return -EAGAIN;
}

long tcp::send(const void* data, std::size_t size, int flags) {
    const network::batch together{net()};
    const auto refuse = [&](int failed) -> long {
        if (failed == EPIPE) {
            if (const int pending = take_error(); pending != 0) failed = pending;
            if (failed == EPIPE && (flags & MSG_NOSIGNAL) == 0) owner().send_signal(SIGPIPE);
        }
        return -failed;
    };
    if (state_ != tcp_state::established &&
        state_ != tcp_state::close_wait) { // sk_stream_wait_connect
        if (const int failed = take_error(); failed != 0) return refuse(failed);
        if (state_ != tcp_state::syn_sent && state_ != tcp_state::syn_received)
            return refuse(EPIPE);
        return -EAGAIN;
    }
    if (error_ != 0 || (shut_ & ends_sending) != 0) return refuse(EPIPE);
    if (size == 0) return 0;
    std::size_t room = send_room();
    if (room == 0) {
        wants_room_ = true;
        return -EAGAIN;
    }
    kernel& in = owner().in();
    room = std::min(room, size);
    const bool is_cut_short = room > 1 && in.strikes(fault::short_transfer, owner().number());
    if (is_cut_short) room = 1 + in.dice().below(room - 1);
    if (room < size) wants_room_ = true;
    unsent_.push({static_cast<const char*>(data), room});
    if ((flags & MSG_OOB) != 0 && room == size) urgent_end_ = unsent_.size();
    more_follows_ = (flags & MSG_MORE) != 0;
    push();
    if (is_cut_short)
        in.at(in.now() + 1 + static_cast<std::int64_t>(in.dice().below(50'000)),
              [weak = weak_from_this()] {
                  if (const auto still = std::static_pointer_cast<tcp>(weak.lock()))
                      still->note_room();
              });
    return static_cast<long>(room);
}

void tcp::name_of_peer(sys::raw_address& into) const {
    into = sys::to_raw(is_v6() ? mapped(remote_) : remote_);
}

long tcp::unread() const {
    if (state_ == tcp_state::listening) return -EINVAL;
    if (has_urgent_ && !urgent_inline_ && urgent_at_ < received_.size()) {
        // Up to the mark; what is behind it only once that is passed.
        return static_cast<long>(urgent_at_);
    }
    return static_cast<long>(received_.size());
}

long tcp::unsent() const {
    if (state_ == tcp_state::listening) return -EINVAL;
    if (state_ == tcp_state::syn_sent || state_ == tcp_state::syn_received) return 0;
    return static_cast<long>(unsent_.size()) + (fin_is_sent_ && is_to_end_now() ? 0 : 0);
}

// ---- ends

long tcp::shutdown(int how) {
    if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
    const network::batch together{net()};
    const unsigned ends = static_cast<unsigned>(how) + 1;
    if (phase_ == phase::connecting)
        phase_ = state_ == tcp_state::syn_sent || state_ == tcp_state::closed ? phase::disconnecting
                                                                              : phase::connected;
    long outcome = 0;
    switch (state_) {
    case tcp_state::listening:
        if ((ends & ends_receiving) == 0) break;
        disconnect();
        phase_ = phase::unconnected;
        break;
    case tcp_state::syn_sent:
        disconnect();
        phase_ = phase::unconnected;
        break;
    case tcp_state::closed:
        outcome = -ENOTCONN;
        shut_ |= ends;
        break;
    default:
        shut_ |= ends;
        if ((ends & ends_sending) == 0) break;
        if (state_ == tcp_state::established || state_ == tcp_state::close_wait) {
            state_ = state_ == tcp_state::established ? tcp_state::fin_wait_1 : tcp_state::last_ack;
            fin_is_due_ = true;
            push();
        }
        break;
    }
    wake(0);
    return outcome;
}

void tcp::close() {
    const auto kept = self();
    const network::batch together{net()};
    is_dead_ = true;
    more_follows_ = is_corked_ = false;
    if (owner().is_down) {
        vanish();
        return;
    }
    shut_ = ends_both;
    switch (state_) {
    case tcp_state::listening:
        stop_listening();
        state_ = tcp_state::closed;
        leave_network();
        return;
    case tcp_state::closed:
        leave_network();
        return;
    case tcp_state::syn_sent:
        line.clear();
        be_done();
        return;
    default:
        break;
    }
    if (!received_.is_empty()) { // it was not read: the peer has to know (RFC 2525, 2.17)
        reset_peer();
        be_done();
    } else if (lingers_ && linger_seconds_ == 0) {
        if (is_to_end_now()) reset_peer();
        be_done();
    } else if (state_ == tcp_state::established || state_ == tcp_state::close_wait) {
        state_ = state_ == tcp_state::established ? tcp_state::fin_wait_1 : tcp_state::last_ack;
        fin_is_due_ = true;
        push();
    }
    received_.clear();
    if (state_ == tcp_state::fin_wait_2)
        owner().in().at(owner().in().now() + 60'000'000'000, [weak = weak_from_this()] {
            const auto still = std::static_pointer_cast<tcp>(weak.lock());
            if (still != nullptr && still->state_ == tcp_state::fin_wait_2) still->be_done();
        });
}

} // namespace dunlin::sys_sim
