#include <dunlin/net/connect.hpp>

#include <dunlin/net/detail/raw_endpoint.hpp>
#include <dunlin/net/tcp_socket.hpp>
#include <dunlin/sys/socket.hpp>
#include <dunlin/util/planted.hpp>

#include <cerrno>
#include <cstring>
#include <type_traits>

namespace dunlin {

using detail::direction;

static_assert(std::is_trivially_destructible_v<connect_options>);

namespace {

/// Whether the kernel connected the socket to itself: an ephemeral port can meet its own SYN.
bool is_connected_to_itself(borrowed_fd socket, const sys::raw_address& peer) noexcept {
    const auto local = sys::local_address(socket);
    return local && local.assume_value().size == peer.size &&
           std::memcmp(local.assume_value().storage, peer.storage, peer.size) == 0;
}

/// Gives our end its address; 0 or -errno.
int bind_to(borrowed_fd socket, const endpoint& from) noexcept {
    if (from == endpoint{}) return 0;
    if (from.port() == 0) { // of every family: see ip(7)
        const auto set = sys::set_option(socket, sys::option::bind_address_no_port, 1);
        if (!set) return -set.assume_error().value();
    }
    const auto bound = sys::bind(socket, detail::to_raw(from));
    return bound ? 0 : -bound.assume_error().value();
}

} // namespace

/// 0 when it is under way, or done; else -errno.
detail::outcome connect_operation::start() noexcept {
    const sys::raw_address raw = detail::to_raw(where_);
    auto made = sys::stream_socket(raw);
    if (!made) return -made.assume_error().value();
    unique_fd socket = std::move(made).assume_value();
    if (const auto set = sys::set_option(socket, sys::option::no_delay, 1); !set)
        return -set.assume_error().value();
    if (const int failed = bind_to(socket, options_.from); failed != 0) return failed;
    const int started = sys::connect(socket.get(), raw);
    if (started < 0 && started != -EINPROGRESS) return started;
    // Only now: epoll reports a socket that was never connected as hung up.
    socket_ = detail::watched_fd::of_tcp(std::move(socket));
    watch_ = socket_.attach();
    if (const detail::outcome why = detail::why_no_watch(*watch_); why != 0) return why;
    watch_->may_go(direction_) = started == 0;
    return 0;
}

bool connect_operation::begin() noexcept {
    outcome_ = start();
    if (outcome_ < 0) return finish();
    return begin_as<direction::output>(*this);
}

leaf_description connect_operation::describe() const noexcept {
    leaf_description words = described_as("connect");
    static_assert(sizeof words.target == sizeof(sys::place_text));
    static_cast<void>(sys::format_place(detail::to_ip(where_), words.target));
    return words;
}

bool connect_operation::attempt() noexcept { return attempt_as<direction::output>(*this); }

bool connect_operation::try_now() noexcept {
    if (const int error = sys::take_error(watch_->fd);
        error != 0 && !DUNLIN_PLANTED(connect_error_ignored)) {
        outcome_ = error > 0 ? -error : error;
        return true;
    }
    const borrowed_fd socket{watch_->fd};
    const auto peer = sys::peer_address(socket);
    if (!peer) {
        if (peer.assume_error() == std::errc::not_connected) return false; // still under way
        outcome_ = -peer.assume_error().value();
        return true;
    }
    outcome_ = is_connected_to_itself(socket, peer.assume_value()) ? -ECONNREFUSED : 0;
    watch_->may_go(direction_) = true;
    return true;
}

} // namespace dunlin
