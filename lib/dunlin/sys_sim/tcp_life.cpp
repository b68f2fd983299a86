// How a TCP connection begins and ends.
#include <dunlin/sys_sim/tcp.hpp>

#include <dunlin/sys_sim/host.hpp>
#include <dunlin/sys_sim/kernel.hpp>
#include <dunlin/sys_sim/network.hpp>

#include <algorithm>
#include <cerrno>
#include <tuple>
#include <utility>

namespace dunlin::sys_sim {

namespace {

constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t second = 1'000 * ms;
constexpr std::int64_t least_timeout = 200 * ms; // TCP_RTO_MIN

} // namespace

// ---- the beginning of a connection

void tcp::become_established() {
    // Linux grows the buffers to the speed of the connection; here they get one size.
    if (!send_buffer_is_set_) send_buffer_ = 2'626'560;
}

bool tcp::receive_syn(segment& arrived, const place& from, const place& to) {
    if (accept_queue_.size() > backlog_) return false; // sk_acceptq_is_full
    const std::shared_ptr<tcp> asking = arrived.from.lock();
    if (asking == nullptr) return false; // it is gone, which who delivers this prevents
    auto child = std::make_shared<tcp>(owner(), family_);
    child->state_ = tcp_state::syn_received;
    child->phase_ = phase::connected;
    child->is_dead_ = true; // until it is accepted
    child->local_ = to;
    child->remote_ = from;
    child->peer_ = asking;
    child->has_port_ = true;
    child->other_host_ = asking->owner().number();
    child->peer_window_ = arrived.window;
    child->listener_ = self();
    child->reuses_address_ = reuses_address_;
    child->reuses_port_ = reuses_port_;
    child->keeps_alive_ = keeps_alive_;
    child->no_delay_ = no_delay_;
    child->v6_only_ = v6_only_;
    child->lingers_ = lingers_;
    child->linger_seconds_ = linger_seconds_;
    child->receive_buffer_ = receive_buffer_;
    child->receive_buffer_is_set_ = receive_buffer_is_set_;
    child->send_buffer_ = send_buffer_;
    child->send_buffer_is_set_ = send_buffer_is_set_;
    child->keep_idle_ = keep_idle_;
    child->keep_interval_ = keep_interval_;
    child->keep_count_ = keep_count_;
    child->user_timeout_ = user_timeout_;
    child->become_established();
    embryos_.push_back(child);
    net().add(child);
    child->transmit(segment::kind::syn_ack);
    return true;
}

void tcp::queue_at_listener() {
    const auto listener = listener_.lock();
    if (listener == nullptr || listener->state_ != tcp_state::listening) {
        reset_peer();
        be_done();
        return;
    }
    const auto child = self();
    if (listener->accept_queue_.size() > listener->backlog_) {
        // As if the last part of the handshake had been lost: it is sent again.
        owner().in().at(owner().in().now() + second, [child] {
            if (child->state_ == tcp_state::syn_received) child->queue_at_listener();
        });
        return;
    }
    std::erase(listener->embryos_, child);
    state_ = fin_came_ ? tcp_state::close_wait : tcp_state::established;
    listener->accept_queue_.push_back(child);
    listener->wake(wakes_readers);
    push();
}

void tcp::open_simultaneously(const std::shared_ptr<tcp>& with, std::size_t its_window) {
    for (const auto& [one, other, window] :
         {std::tuple{this, with.get(), its_window}, std::tuple{with.get(), this, window()}}) {
        one->peer_ = other->self();
        one->other_host_ = other->owner().number();
        one->peer_window_ = window;
        one->state_ = tcp_state::established;
        one->line.clear();
        one->become_established();
    }
    wake(0);
    if (with.get() != this) with->wake(0);
}

// ---- the end of a connection

void tcp::be_done() {
    state_ = tcp_state::closed;
    shut_ = ends_both;
    unsent_.clear();
    sent_ = 0;
    fin_is_due_ = false;
    if (const auto listener = listener_.lock(); listener != nullptr)
        std::erase(listener->embryos_, self());
    if (!is_dead_) {
        release_port();
        wake(0);
    } else if (const auto listener = listener_.lock();
               listener == nullptr ||
               std::find(listener->accept_queue_.begin(), listener->accept_queue_.end(), self()) ==
                   listener->accept_queue_.end()) {
        leave_network();
    }
}

void tcp::enter_time_wait() {
    net().keep_in_time_wait(*this);
    be_done();
}

void tcp::leave_network() {
    const auto kept = self();
    net().remove(*this);
}

/// What was bound by hand stays bound until the socket is closed (SOCK_BINDPORT_LOCK).
void tcp::release_port() {
    if (port_is_bound_) return;
    has_port_ = false;
    leave_network();
}

void tcp::give_up() {
    if (state_ == tcp_state::closed) return;
    line.clear();
    be_done();
    fail(ETIMEDOUT);
}

void tcp::fail(int error_number) {
    error_ = error_number;
    if (!is_dead_) wake(EPOLLERR);
}

void tcp::vanish() {
    line.clear();
    unsent_.clear();
    sent_ = 0;
    accept_queue_.clear();
    embryos_.clear();
    state_ = tcp_state::closed;
    const auto peer = peer_.lock();
    peer_.reset();
    if (peer != nullptr) peer->note_vanished_peer();
}

/// What is unacknowledged is sent again and again, and what is held back by a closed window probed
/// for (RFC 9293, 3.8.6.1): the first that arrives at a host without the connection is answered
/// with a reset. What is still under way does that by itself.
void tcp::note_vanished_peer() {
    const bool has_fin = fin_is_due_ && state_ != tcp_state::fin_wait_2;
    const bool has_more = has_fin || is_opening() || !unsent_.is_empty();
    if (state_ == tcp_state::closed || !line.empty() || !has_more) return;
    kernel& in = owner().in();
    in.at(in.now() + least_timeout, [weak = weak_from_this()] {
        const auto still = std::static_pointer_cast<tcp>(weak.lock());
        if (still != nullptr && still->state_ != tcp_state::closed && still->line.empty())
            still->send_again();
    });
}

bool tcp::is_opening() const noexcept {
    return state_ == tcp_state::syn_sent || state_ == tcp_state::syn_received;
}

void tcp::send_again() {
    if (is_opening()) {
        transmit(state_ == tcp_state::syn_sent ? segment::kind::syn : segment::kind::syn_ack);
        return;
    }
    sent_ = 0;
    fin_is_sent_ = false;
    peer_window_ = std::max<std::size_t>(peer_window_, 1);
    push();
}

void tcp::break_connection() {
    if (state_ == tcp_state::closed || state_ == tcp_state::listening) return;
    const network::batch together{net()};
    reset_peer();
    error_ = 0; // who broke it has heard
    be_done();
}

} // namespace dunlin::sys_sim
