// Names, and the system calls that lead to a connection: bind, listen, connect, accept.
#include <dunlin/sys_sim/tcp.hpp>

#include <dunlin/sys_sim/host.hpp>
#include <dunlin/sys_sim/kernel.hpp>
#include <dunlin/sys_sim/network.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

#include <netinet/in.h>

namespace dunlin::sys_sim {

namespace {

constexpr std::size_t somaxconn = 4096;

/// 0, or a negative errno; families differ in what they find too short.
long read_address(const sys::raw_address& raw, int family, place& into) {
    ::sa_family_t its_family = AF_UNSPEC;
    if (raw.size < sizeof its_family) return -EINVAL;
    std::memcpy(&its_family, raw.storage, sizeof its_family);
    if (family == AF_INET) {
        if (raw.size < sizeof(::sockaddr_in)) return -EINVAL;
        if (its_family != AF_INET) return -EAFNOSUPPORT;
    } else {
        constexpr std::uint32_t without_scope = 24; // SIN6_LEN_RFC2133
        if (raw.size < without_scope) return -EINVAL;
        if (its_family != AF_INET6) return -EAFNOSUPPORT;
    }
    sys::raw_address whole = raw;
    whole.size = std::max<std::uint32_t>(whole.size, family == AF_INET ? sizeof(::sockaddr_in)
                                                                       : sizeof(::sockaddr_in6));
    place read;
    if (!sys::from_raw(whole, read)) return -EINVAL;
    into = without_mapping(read);
    return 0;
}

} // namespace

tcp::tcp(host& owner, int family) : socket_file{owner} {
    family_ = family;
    protocol_ = IPPROTO_TCP;
    send_buffer_ = 16'384;     // net.ipv4.tcp_wmem
    receive_buffer_ = 131'072; // net.ipv4.tcp_rmem
    local_ = remote_ = family == AF_INET6 ? any_v6() : any_v4();
}

tcp::~tcp() = default;

bool tcp::is_v6() const noexcept { return family_ == AF_INET6; }

// ---- names

long tcp::name(sys::raw_address& into) const {
    into = sys::to_raw(is_v6() ? mapped(local_) : local_);
    return 0;
}

long tcp::peer_name(sys::raw_address& into) const {
    if (remote_.port == 0 || state_ == tcp_state::closed || state_ == tcp_state::syn_sent ||
        state_ == tcp_state::listening)
        return -ENOTCONN;
    into = sys::to_raw(is_v6() ? mapped(remote_) : remote_);
    return 0;
}

long tcp::check_local(const place& where) const {
    return is_any(where) || owner().has_address(where) ? 0 : -EADDRNOTAVAIL;
}

long tcp::bind(const sys::raw_address& address) {
    place wanted;
    if (const long failed = read_address(address, family_, wanted); failed != 0) return failed;
    if (is_v6() && !wanted.is_v6 && v6_only_) return -EINVAL;
    if (const long failed = check_local(wanted); failed != 0) return failed;
    if (state_ != tcp_state::closed || has_port_) return -EINVAL;
    port_is_bound_ = wanted.port != 0;
    if (wanted.port == 0 && binds_no_port_) {
        local_ = wanted;
        address_is_bound_ = !is_any(wanted);
        return 0;
    }
    if (wanted.port == 0) {
        wanted.port = net().any_port(*this, wanted);
        if (wanted.port == 0) return -EADDRINUSE;
    } else if (!net().is_free(*this, wanted)) {
        port_is_bound_ = false;
        return -EADDRINUSE;
    }
    local_ = wanted;
    has_port_ = true;
    port_is_shared_ = false;
    address_is_bound_ = !is_any(wanted);
    net().add(self());
    return 0;
}

long tcp::listen(int backlog) {
    if (phase_ != phase::unconnected ||
        (state_ != tcp_state::closed && state_ != tcp_state::listening))
        return -EINVAL;
    backlog_ = std::min(static_cast<std::size_t>(static_cast<unsigned>(backlog)), somaxconn);
    if (state_ == tcp_state::listening) return 0;
    if (!has_port_) {
        const std::uint16_t port = net().any_port(*this, local_);
        if (port == 0) return -EADDRINUSE;
        local_.port = port;
        has_port_ = true;
        port_is_shared_ = false;
        net().add(self());
    } else if (!net().is_free(*this, local_)) {
        return -EADDRINUSE;
    }
    state_ = tcp_state::listening;
    is_listening_ = true;
    shut_ = 0;
    return 0;
}

// ---- connecting

bool tcp::is_connecting() const noexcept { return state_ == tcp_state::syn_sent; }

long tcp::connect(const sys::raw_address& address) {
    ::sa_family_t its_family = AF_UNSPEC;
    if (address.size < sizeof its_family) return -EINVAL;
    std::memcpy(&its_family, address.storage, sizeof its_family);
    if (its_family == AF_UNSPEC) {
        const network::batch together{net()};
        disconnect();
        phase_ = phase::unconnected;
        return 0;
    }
    switch (phase_) {
    case phase::connected:
        return -EISCONN;
    case phase::disconnecting:
        return -EINVAL;
    case phase::connecting:
        return is_connecting() ? -EALREADY : finish_connect();
    case phase::unconnected:
        break;
    }
    if (state_ != tcp_state::closed) return -EISCONN;
    place to;
    if (const long failed = read_address(address, family_, to); failed != 0) return failed;
    if (is_v6() && !to.is_v6 && v6_only_) return -ENETUNREACH;
    if (is_any(to)) { // means this host (ip(7))
        const std::uint16_t port = to.port;
        to = to.is_v6 ? loopback_v6() : loopback_v4();
        to.port = port;
    }
    const auto there = net().host_of(owner().number(), to);
    if (!there && owner().addresses().empty()) return -ENETUNREACH;
    place from = local_;
    if (!address_is_bound_) {
        const std::uint16_t port = local_.port;
        if (there && *there == owner().number()) {
            const bool is_loopback =
                to.is_v6 ? is_same_address(to, loopback_v6()) : to.bytes[0] == std::byte{127};
            from = is_loopback ? (to.is_v6 ? loopback_v6() : loopback_v4()) : to;
        } else {
            const auto& own = owner().addresses();
            const auto found = std::find_if(
                own.begin(), own.end(), [&](const place& each) { return each.is_v6 == to.is_v6; });
            if (found == own.end()) return -ENETUNREACH;
            from = *found;
        }
        from.port = port;
    }
    if (!has_port_) {
        from.port = net().any_port_to(*this, from, to);
        if (from.port == 0) return -EADDRNOTAVAIL;
    } else if (!net().is_connection_free(*this, from, to)) {
        return -EADDRNOTAVAIL;
    }
    const bool is_known = has_port_;
    if (!has_port_) port_is_shared_ = true;
    has_port_ = true;
    local_ = from;
    remote_ = to;
    shut_ = 0;
    error_ = 0;
    state_ = tcp_state::syn_sent;
    phase_ = phase::connecting;
    if (!is_known) net().add(self());
    if (!there) { // nobody has this address: nothing ever comes back
        owner().in().at(owner().in().now() + 127'000'000'000, [weak = weak_from_this()] {
            const auto still = std::static_pointer_cast<tcp>(weak.lock());
            if (still != nullptr && still->is_connecting()) still->give_up();
        });
        return -EINPROGRESS;
    }
    other_host_ = *there;
    // Answers are worked off when the call is over, as Linux does while the socket is locked.
    const network::batch together{net()};
    transmit(segment::kind::syn);
    return -EINPROGRESS;
}

long tcp::finish_connect() {
    if (state_ == tcp_state::closed) {
        const int failed = take_error();
        phase_ = phase::unconnected;
        disconnect();
        return failed != 0 ? -failed : -ECONNABORTED;
    }
    phase_ = phase::connected;
    return 0;
}

/// Back to where a new socket stands; what was bound by hand stays bound.
void tcp::disconnect() {
    const tcp_state before = state_;
    if (before == tcp_state::listening) {
        stop_listening();
    } else if (is_to_end_now()) {
        reset_peer();
        error_ = ECONNRESET;
    } else if (before == tcp_state::syn_sent) {
        error_ = ECONNRESET;
        line.clear();
    }
    peer_.reset();
    state_ = tcp_state::closed;
    shut_ = 0;
    fin_came_ = false;
    fin_is_due_ = fin_is_sent_ = false;
    received_.clear();
    unsent_.clear();
    sent_ = 0;
    has_urgent_ = false;
    remote_ = is_v6() ? any_v6() : any_v4();
    if (!address_is_bound_) {
        const std::uint16_t port = local_.port;
        local_ = remote_;
        local_.port = port;
    }
    release_port();
    if (error_ != 0 && !is_dead_) wake(EPOLLERR);
}

/// tcp_need_reset
bool tcp::is_to_end_now() const noexcept {
    return state_ == tcp_state::established || state_ == tcp_state::close_wait ||
           state_ == tcp_state::fin_wait_1 || state_ == tcp_state::fin_wait_2 ||
           state_ == tcp_state::syn_received;
}

long tcp::accept(std::shared_ptr<socket_file>& into) {
    if (state_ != tcp_state::listening) return -EINVAL;
    if (accept_queue_.empty()) return -EAGAIN;
    const std::shared_ptr<tcp> child = accept_queue_.front();
    accept_queue_.pop_front();
    child->is_dead_ = false;
    child->listener_.reset();
    into = child;
    return 0;
}

void tcp::stop_listening() {
    const auto queued = std::move(accept_queue_);
    const auto embryos = std::move(embryos_);
    accept_queue_.clear();
    embryos_.clear();
    is_listening_ = false;
    const auto end = [](const std::shared_ptr<tcp>& child) {
        if (child->state_ == tcp_state::closed) {
            child->leave_network();
            return;
        }
        child->listener_.reset();
        child->reset_peer();
        child->be_done();
    };
    std::for_each(queued.begin(), queued.end(), end);
    std::for_each(embryos.begin(), embryos.end(), end);
}

} // namespace dunlin::sys_sim
