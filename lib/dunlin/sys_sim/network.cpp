#include <dunlin/sys_sim/network.hpp>

#include <dunlin/sys_sim/host.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace dunlin::sys_sim {

namespace {

constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t second = 1'000 * ms;
constexpr std::int64_t time_wait_length = 60 * second; // TCP_TIMEWAIT_LEN
constexpr std::uint16_t first_ephemeral = 32'768;      // net.ipv4.ip_local_port_range
constexpr std::uint16_t last_ephemeral = 60'999;
constexpr std::int64_t least_timeout = 200 * ms; // TCP_RTO_MIN
constexpr std::int64_t most_timeout = 120 * second;
constexpr std::int64_t syn_timeout = second; // RFC 6298
constexpr int syn_retries = 6;               // tcp(7), tcp_syn_retries

/// Whether two sockets of one host would listen to the same (inet_rcv_saddr_equal).
bool overlap(const place& a, bool a_is_v6_only, const place& b, bool b_is_v6_only) noexcept {
    if (a.is_v6 == b.is_v6) return is_any(a) || is_any(b) || is_same_address(a, b);
    const place& v6 = a.is_v6 ? a : b;
    const bool v6_only = a.is_v6 ? a_is_v6_only : b_is_v6_only;
    return is_any(v6) && !v6_only;
}

} // namespace

place without_mapping(const place& where) noexcept {
    static constexpr std::byte prefix[12] = {
        {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::byte{0xff}, std::byte{0xff}};
    if (!where.is_v6 || std::memcmp(where.bytes, prefix, 12) != 0) return where;
    place v4;
    std::copy_n(where.bytes + 12, 4, v4.bytes);
    v4.port = where.port;
    return v4;
}

place mapped(const place& where) noexcept {
    if (where.is_v6) return where;
    place v6 = any_v6();
    v6.bytes[10] = v6.bytes[11] = std::byte{0xff};
    std::copy_n(where.bytes, 4, v6.bytes + 12);
    v6.port = where.port;
    return v6;
}

network::~network() {
    for (auto& of_host : sockets_)
        of_host.clear();
}

// ---- sockets

void network::add(const std::shared_ptr<tcp>& socket) {
    const std::size_t number = socket->owner().number();
    if (sockets_.size() <= number) sockets_.resize(number + 1);
    sockets_[number].push_back(socket);
}

void network::remove(const tcp& socket) {
    const std::size_t number = socket.owner().number();
    if (number >= sockets_.size()) return;
    auto& all = sockets_[number];
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const auto& each) { return each.get() == &socket; });
    if (found == all.end()) return;
    std::swap(*found, all.back());
    all.pop_back();
}

void network::vanish(std::size_t host_number) {
    if (host_number >= sockets_.size()) return;
    const auto gone = std::move(sockets_[host_number]);
    sockets_[host_number].clear();
    for (const auto& socket : gone)
        socket->vanish();
    std::erase_if(time_waits_,
                  [&](const time_wait& each) { return each.host_number == host_number; });
}

void network::reset_all(std::size_t host_number) {
    if (host_number >= sockets_.size()) return;
    const auto all = sockets_[host_number]; // those that end leave the list
    for (const auto& socket : all) {
        if (socket->state() == tcp_state::closed || socket->state() == tcp_state::listening)
            continue;
        socket->break_connection();
        socket->fail(ECONNRESET);
    }
}

std::size_t network::socket_count(std::size_t host_number) const noexcept {
    return host_number < sockets_.size() ? sockets_[host_number].size() : 0;
}

// ---- ports

bool network::is_free(const tcp& asking, const place& where) const {
    forget_old_time_waits();
    const std::size_t number = asking.owner().number();
    if (number < sockets_.size())
        for (const auto& other : sockets_[number]) {
            if (other.get() == &asking || other->local().port != where.port) continue;
            if (!overlap(where, asking.takes_v6_only(), other->local(), other->takes_v6_only()))
                continue;
            if (asking.reuses_port() && other->reuses_port()) continue;
            if (asking.reuses_address() && other->reuses_address() &&
                other->state() != tcp_state::listening)
                continue;
            return false;
        }
    return std::none_of(time_waits_.begin(), time_waits_.end(), [&](const time_wait& old) {
        return old.host_number == number && old.local.port == where.port &&
               overlap(where, asking.takes_v6_only(), old.local, false) &&
               !(asking.reuses_address() && old.reuses_address);
    });
}

std::uint16_t network::any_port(const tcp& asking, const place& where) {
    constexpr unsigned count = last_ephemeral - first_ephemeral + 1;
    const auto begin = static_cast<unsigned>(kernel_.dice().below(count));
    place tried = where;
    for (unsigned i = 0; i < count; ++i) {
        tried.port = static_cast<std::uint16_t>(first_ephemeral + (begin + i) % count);
        if (is_free(asking, tried)) return tried.port;
    }
    return 0;
}

bool network::is_connection_free(const tcp& asking, const place& from, const place& to) const {
    forget_old_time_waits();
    const std::size_t number = asking.owner().number();
    if (number < sockets_.size())
        for (const auto& other : sockets_[number])
            if (other.get() != &asking && other->state() != tcp_state::closed &&
                other->state() != tcp_state::listening && is_same_place(other->local(), from) &&
                is_same_place(other->remote(), to))
                return false;
    return std::none_of(time_waits_.begin(), time_waits_.end(), [&](const time_wait& old) {
        return old.host_number == number && is_same_place(old.local, from) &&
               is_same_place(old.remote, to);
    });
}

std::uint16_t network::any_port_to(const tcp& asking, const place& from, const place& to) {
    constexpr unsigned count = last_ephemeral - first_ephemeral + 1;
    const auto begin = static_cast<unsigned>(kernel_.dice().below(count));
    place tried = from;
    const std::size_t number = asking.owner().number();
    for (unsigned i = 0; i < count; ++i) {
        tried.port = static_cast<std::uint16_t>(first_ephemeral + (begin + i) % count);
        // A port that was bound to by hand is not taken for this.
        const bool is_taken =
            number < sockets_.size() && std::any_of(
                                            sockets_[number].begin(), sockets_[number].end(),
                                            [&](const auto& other) {
                                                return other.get() != &asking &&
                                                       other->local().port == tried.port &&
                                                       !other->port_is_shared_;
                                            });
        if (!is_taken && is_connection_free(asking, tried, to)) return tried.port;
    }
    return 0;
}

void network::keep_in_time_wait(const tcp& socket) {
    forget_old_time_waits();
    time_waits_.push_back({socket.owner().number(), socket.local(), socket.remote(),
                           socket.reuses_address(), kernel_.now() + time_wait_length});
}

void network::forget_old_time_waits() const {
    std::erase_if(time_waits_, [this](const time_wait& old) { return old.until <= kernel_.now(); });
}

std::size_t network::time_wait_count() const noexcept {
    forget_old_time_waits();
    return time_waits_.size();
}

tcp* network::find_listener(std::size_t host_number, const place& where, const tcp& from) const {
    if (host_number >= sockets_.size()) return nullptr;
    tcp* best = nullptr;
    std::vector<tcp*> equals; // those that share the port by SO_REUSEPORT
    int best_score = -1;
    for (const auto& each : sockets_[host_number]) {
        if (each->state() != tcp_state::listening || each->local().port != where.port) continue;
        if (!overlap(each->local(), each->takes_v6_only(), where, false)) continue;
        const int score = (is_any(each->local()) ? 0 : 2) + (each->is_v6() == where.is_v6 ? 1 : 0);
        if (score > best_score) {
            best_score = score;
            best = each.get();
            equals.clear();
        }
        if (score == best_score) equals.push_back(each.get());
    }
    // By a hash of the two places, as Linux does.
    if (equals.size() > 1)
        best = equals[(from.local().port * 2'654'435'761U >> 16) % equals.size()];
    return best;
}

// ---- routes

std::optional<std::size_t> network::host_of(std::size_t from, const place& where) const {
    if (kernel_.host_at(from).has_address(where)) return from;
    for (std::size_t number = 0; number < kernel_.host_count(); ++number)
        if (number != from && !where.is_v6 && where.bytes[0] == std::byte{127})
            continue;
        else if (number != from) {
            const auto& own = kernel_.host_at(number).addresses();
            if (std::any_of(own.begin(), own.end(),
                            [&](const place& each) { return is_same_address(each, where); }))
                return number;
        }
    return std::nullopt;
}

void network::send(tcp& from, segment what) {
    const std::size_t here = from.owner().number();
    if (from.owner().is_down) return;
    what.to = from.peer_;
    const std::size_t there = from.other_host();
    line_between& between = links_[key(here, there)];
    const link_quality& quality = between.quality;
    random_source& dice = kernel_.dice();
    std::int64_t delay = quality.latency;
    if (quality.jitter > 0)
        delay += static_cast<std::int64_t>(dice.below(static_cast<std::uint64_t>(quality.jitter)));
    if (kernel_.strikes(fault::late, here))
        delay += static_cast<std::int64_t>(
            dice.below(static_cast<std::uint64_t>(50 * (quality.latency + ms))));
    // A piece of a transfer that was cut short comes a moment later.
    if (what.what == segment::kind::data && kernel_.strikes(fault::short_transfer, here))
        delay += static_cast<std::int64_t>(dice.below(50'000));
    if (delay == 0 && quality.bandwidth == 0 && !quality.is_cut && from.line.empty() &&
        !kernel_.host_at(there).is_down) {
        immediate_.push_back({from.self(), std::move(what)});
        if (open_batches_ == 0) deliver_immediate();
        return;
    }
    std::int64_t departure = kernel_.now();
    if (quality.bandwidth != 0) {
        departure =
            std::max(departure, between.is_busy_until) +
            static_cast<std::int64_t>((what.bytes.size() + 66) * second / quality.bandwidth);
        between.is_busy_until = departure;
    }
    const std::int64_t arrival = std::max(departure + delay, from.last_arrival);
    from.last_arrival = arrival;
    from.line.push_back({std::move(what), arrival});
    if (from.line.size() == 1) plan(from, arrival);
}

void network::plan(tcp& from, std::int64_t when) {
    kernel_.at(when, [this, socket = from.self()] { arrive(socket); });
}

void network::arrive(const std::shared_ptr<tcp>& from) {
    if (from->line.empty()) return; // it has vanished
    const std::size_t here = from->owner().number();
    const std::size_t there = from->other_host();
    const segment::kind what = from->line.front().what.what;
    const bool is_lost = links_[key(here, there)].quality.is_cut || kernel_.host_at(there).is_down;
    if (is_lost) {
        if (from->stuck_since < 0) from->stuck_since = kernel_.now();
        const bool opens = what == segment::kind::syn;
        const std::int64_t first = opens ? syn_timeout : least_timeout;
        const std::int64_t wait = std::min(first << std::min(from->losses, 20), most_timeout);
        ++from->losses;
        if (opens ? from->losses > syn_retries + 1
                  : kernel_.now() - from->stuck_since >= from->patience()) {
            from->line.clear();
            from->give_up();
            return;
        }
        plan(*from, kernel_.now() + wait);
        return;
    }
    from->stuck_since = -1;
    from->losses = 0;
    segment arrived = std::move(from->line.front().what);
    from->line.pop_front();
    if (!from->line.empty()) plan(*from, std::max(kernel_.now(), from->line.front().arrival));
    const batch together{*this};
    deliver(from, arrived);
}

void network::deliver_immediate() {
    if (is_delivering_) return;
    is_delivering_ = true;
    while (!immediate_.empty()) {
        waiting next = std::move(immediate_.front());
        immediate_.pop_front();
        deliver(next.from, next.what);
    }
    is_delivering_ = false;
}

void network::deliver(const std::shared_ptr<tcp>& from, segment& what) {
    if (what.what == segment::kind::syn) {
        deliver_syn(from, what);
        return;
    }
    const std::shared_ptr<tcp> to = what.to.lock();
    if (to != nullptr && to->state() != tcp_state::closed) {
        const bool is_expected =
            what.what == segment::kind::syn_ack
                ? to->state() == tcp_state::syn_sent && is_same_place(to->remote(), from->local())
                : to->peer() == from;
        if (is_expected) {
            to->receive_segment(what);
            return;
        }
    }
    const bool is_current =
        !from->peer_.owner_before(what.to) && !what.to.owner_before(from->peer_);
    if (!is_current || from->state() == tcp_state::closed) return;
    // Nobody is there any more, or he has closed: RFC 9293, 3.10.7.1.
    const bool asks_for_it = what.what == segment::kind::data || what.what == segment::kind::fin ||
                             what.what == segment::kind::handshake_ack ||
                             what.what == segment::kind::syn_ack;
    if (asks_for_it) answer_with_reset(*from);
}

void network::deliver_syn(const std::shared_ptr<tcp>& from, segment& what) {
    if (from->state() != tcp_state::syn_sent) return; // given up meanwhile
    const std::size_t there = from->other_host();
    const place to = from->remote();
    if (tcp* const listener = find_listener(there, to, *from)) {
        if (listener->receive_syn(what, from->local(), to)) return;
        // A full queue drops it without a word; it comes again (listen(2)).
        if (from->stuck_since < 0) from->stuck_since = kernel_.now();
        if (++from->losses > syn_retries + 1) {
            from->give_up();
            return;
        }
        const std::int64_t again = kernel_.now() + (syn_timeout << (from->losses - 1));
        from->line.push_front({std::move(what), again});
        plan(*from, again);
        return;
    }
    if (there < sockets_.size())
        for (const auto& each : sockets_[there])
            if (each->state() == tcp_state::syn_sent && is_same_place(each->local(), to) &&
                is_same_place(each->remote(), from->local())) {
                each->open_simultaneously(from, what.window);
                return;
            }
    answer_with_reset(*from);
}

void network::answer_with_reset(tcp& to) {
    const link_quality& back = links_[key(to.other_host(), to.owner().number())].quality;
    if (back.latency == 0 && !back.is_cut) {
        segment reset{.what = segment::kind::reset};
        to.receive_segment(reset);
        return;
    }
    kernel_.at(kernel_.now() + back.latency, [socket = to.self()] {
        segment reset{.what = segment::kind::reset};
        socket->receive_segment(reset);
    });
}

} // namespace dunlin::sys_sim
