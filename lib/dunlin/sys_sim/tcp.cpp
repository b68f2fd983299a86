// What segments do to a TCP socket, and which it sends. How a connection begins and ends is in
// tcp_life.cpp, the system calls are in tcp_connect.cpp and tcp_calls.cpp.
#include <dunlin/sys_sim/tcp.hpp>

#include <dunlin/sys_sim/host.hpp>
#include <dunlin/sys_sim/kernel.hpp>
#include <dunlin/sys_sim/network.hpp>

#include <algorithm>
#include <utility>

namespace dunlin::sys_sim {

namespace {

constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t second = 1'000 * ms;
constexpr std::size_t biggest_segment = 65'483;         // the loopback's MSS
constexpr std::int64_t fin_wait_length = 60 * second;   // tcp_fin_timeout
constexpr std::int64_t default_patience = 924 * second; // tcp_retries2 = 15: about a quarter hour

} // namespace

// ---- small questions

network& tcp::net() const noexcept { return owner().in().net(); }

std::shared_ptr<tcp> tcp::self() { return std::static_pointer_cast<tcp>(shared_from_this()); }

std::size_t tcp::send_room() const noexcept {
    const auto capacity = static_cast<std::size_t>(send_buffer_) / 2;
    return capacity > unsent_.size() ? capacity - unsent_.size() : 0;
}

/// Half of it is for what the kernel adds to the bytes, where it was asked for (socket(7)).
std::size_t tcp::receive_capacity() const noexcept {
    const auto size = static_cast<std::size_t>(receive_buffer_);
    return receive_buffer_is_set_ ? size / 2 : size;
}

std::size_t tcp::window() const noexcept {
    const std::size_t capacity = receive_capacity();
    return capacity > received_.size() ? capacity - received_.size() : 0;
}

bool tcp::is_readable() const noexcept {
    const bool is_at_mark = has_urgent_ && urgent_at_ == 0 && !urgent_inline_;
    return received_.size() >= low_mark_ + (is_at_mark ? 1U : 0U);
}

/// __sk_stream_is_writeable: a third of the buffer is free.
bool tcp::has_room_to_report() const noexcept { return send_room() >= unsent_.size() / 2; }

std::int64_t tcp::patience() const noexcept {
    return user_timeout_ > 0 ? user_timeout_ * ms : default_patience;
}

std::uint32_t tcp::events() {
    if (state_ == tcp_state::listening)
        return accept_queue_.empty() ? 0U : static_cast<std::uint32_t>(EPOLLIN | EPOLLRDNORM);
    std::uint32_t bits = 0;
    if (shut_ == ends_both || state_ == tcp_state::closed) bits |= EPOLLHUP;
    if ((shut_ & ends_receiving) != 0) bits |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
    if (state_ != tcp_state::syn_sent && state_ != tcp_state::syn_received) {
        if (is_readable()) bits |= EPOLLIN | EPOLLRDNORM;
        if ((shut_ & ends_sending) != 0 || has_room_to_report())
            bits |= EPOLLOUT | EPOLLWRNORM;
        else
            wants_room_ = true;
        if (has_urgent_ && !urgent_is_read_) bits |= EPOLLPRI;
    }
    if (error_ != 0) bits |= EPOLLERR;
    return bits;
}

// ---- sending

void tcp::transmit(segment::kind what) {
    segment made{.what = what};
    made.window = advertised_ = window();
    if (what == segment::kind::syn || what == segment::kind::syn_ack) made.from = self();
    net().send(*this, std::move(made));
}

void tcp::push() {
    if (state_ != tcp_state::established && state_ != tcp_state::close_wait &&
        state_ != tcp_state::fin_wait_1 && state_ != tcp_state::closing &&
        state_ != tcp_state::last_ack)
        return;
    kernel& in = owner().in();
    const bool holds_back = (is_corked_ || more_follows_) && !fin_is_due_;
    while (unsent_.size() > sent_ && peer_window_ > sent_) {
        if (holds_back && unsent_.size() - sent_ < biggest_segment) break;
        std::size_t size =
            std::min({unsent_.size() - sent_, peer_window_ - sent_, biggest_segment});
        if (in.strikes(fault::short_transfer, owner().number())) size = 1 + in.dice().below(size);
        segment made{.what = segment::kind::data};
        // The urgent byte is the last of its segment.
        if (urgent_end_ > sent_ && urgent_end_ <= sent_ + size) {
            size = urgent_end_ - sent_;
            made.is_urgent = true;
            urgent_end_ = 0;
        }
        made.bytes = std::string{unsent_.view(sent_, size)};
        sent_ += size;
        net().send(*this, std::move(made));
    }
    send_fin_if_due();
}

void tcp::send_fin_if_due() {
    if (!fin_is_due_ || fin_is_sent_ || unsent_.size() != sent_) return;
    fin_is_sent_ = true;
    transmit(segment::kind::fin);
}

void tcp::acknowledge(std::size_t bytes, bool fin) {
    segment made{.what = segment::kind::ack};
    made.acknowledged = bytes;
    made.acknowledges_fin = fin;
    made.window = advertised_ = window();
    net().send(*this, std::move(made));
}

/// Tells the peer of room that reading has made, once it is worth a segment (RFC 9293, 3.8.6.2.2).
void tcp::report_window() {
    if (state_ == tcp_state::closed || state_ == tcp_state::listening) return;
    const std::size_t room = window();
    const std::size_t worth = receive_capacity() / 2;
    if (room > advertised_ && (room - advertised_ >= worth || received_.is_empty()))
        acknowledge(0, false);
}

/// tcp_check_space: who found no room hears of it.
void tcp::note_room() {
    if (!wants_room_ || !has_room_to_report()) return;
    wants_room_ = false;
    wake(wakes_writers);
}

void tcp::note_acknowledgement(const segment& arrived) {
    unsent_.drop(arrived.acknowledged);
    sent_ -= arrived.acknowledged;
    peer_window_ = arrived.window;
    if (arrived.acknowledges_fin) {
        if (state_ == tcp_state::fin_wait_1) {
            state_ = tcp_state::fin_wait_2;
            shut_ |= ends_sending;
            if (!is_dead_) {
                wake(0);
            } else {
                owner().in().at(owner().in().now() + fin_wait_length, [weak = weak_from_this()] {
                    const auto still = std::static_pointer_cast<tcp>(weak.lock());
                    if (still != nullptr && still->state_ == tcp_state::fin_wait_2)
                        still->be_done();
                });
            }
        } else if (state_ == tcp_state::closing) {
            enter_time_wait();
            return;
        } else if (state_ == tcp_state::last_ack) {
            be_done();
            return;
        }
    }
    push();
    note_room();
}

void tcp::reset_peer() {
    unsent_.clear();
    sent_ = 0;
    fin_is_due_ = false;
    net().send(*this, segment{.what = segment::kind::reset});
}

// ---- receiving

void tcp::receive_segment(segment& arrived) {
    const auto kept = self();
    switch (arrived.what) {
    case segment::kind::syn:
        break;
    case segment::kind::syn_ack:
        if (state_ != tcp_state::syn_sent) break;
        peer_ = arrived.from;
        peer_window_ = arrived.window;
        state_ = tcp_state::established;
        become_established();
        transmit(segment::kind::handshake_ack);
        wake(0);
        push();
        break;
    case segment::kind::handshake_ack:
        peer_window_ = arrived.window;
        if (state_ == tcp_state::syn_received) queue_at_listener();
        break;
    case segment::kind::data:
        receive_data(arrived);
        break;
    case segment::kind::fin:
        receive_fin();
        break;
    case segment::kind::reset:
        receive_reset();
        break;
    case segment::kind::ack:
        note_acknowledgement(arrived);
        break;
    }
}

void tcp::receive_data(segment& arrived) {
    const bool has_sent_fin = state_ == tcp_state::fin_wait_1 || state_ == tcp_state::fin_wait_2;
    if (has_sent_fin && (shut_ & ends_receiving) != 0) {
        // Nobody will ever read it, and the peer has to know (RFC 9293, 3.10.7.4).
        reset_peer();
        error_ = ECONNRESET;
        be_done();
        if (!is_dead_) wake(EPOLLERR);
        return;
    }
    if (arrived.is_urgent) {
        // An older urgent byte that is next to be read is passed over (tcp_check_urg).
        if (has_urgent_ && urgent_at_ == 0 && !urgent_inline_ && !received_.is_empty())
            received_.drop(1);
        has_urgent_ = true;
        urgent_is_read_ = false;
        urgent_at_ = received_.size() + arrived.bytes.size() - 1;
        urgent_byte_ = arrived.bytes.back();
    }
    received_.push(arrived.bytes);
    acknowledge(arrived.bytes.size(), false);
    const bool is_enough = received_.size() >= low_mark_ || arrived.is_urgent; // tcp_data_ready
    if (state_ != tcp_state::syn_received && is_enough) wake(wakes_readers);
}

void tcp::receive_fin() {
    shut_ |= ends_receiving;
    fin_came_ = true;
    switch (state_) {
    case tcp_state::syn_received:
    case tcp_state::established:
        // Before its handshake is complete it waits at the listener, and is told there.
        if (state_ == tcp_state::established) state_ = tcp_state::close_wait;
        acknowledge(0, true);
        break;
    case tcp_state::fin_wait_1:
        state_ = tcp_state::closing;
        acknowledge(0, true);
        break;
    case tcp_state::fin_wait_2:
        acknowledge(0, true);
        enter_time_wait();
        return;
    default:
        break;
    }
    if (!is_dead_) {
        wake(0);
        wake(wakes_readers);
    }
}

void tcp::receive_reset() {
    switch (state_) {
    case tcp_state::closed:
    case tcp_state::listening:
        return;
    case tcp_state::syn_sent:
        error_ = ECONNREFUSED;
        break;
    case tcp_state::close_wait:
        error_ = EPIPE;
        break;
    default:
        error_ = ECONNRESET;
        break;
    }
    be_done();
    if (!is_dead_) wake(EPOLLERR);
}

} // namespace dunlin::sys_sim
