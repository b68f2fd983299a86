#include <dunlin/net/tcp_listener.hpp>

#include <dunlin/net/detail/raw_endpoint.hpp>
#include <dunlin/sys/socket.hpp>

#include <boost/outcome/try.hpp>

#include <type_traits>

namespace dunlin {

static_assert(std::is_trivially_destructible_v<listen_options>);

namespace {

result<void> make_ready(borrowed_fd socket, const endpoint& where, const sys::raw_address& raw,
                        const listen_options& options) noexcept {
    BOOST_OUTCOME_TRYV(sys::set_option(socket, sys::option::reuse_address, 1));
    if (options.reuse_port) {
        BOOST_OUTCOME_TRYV(sys::set_option(socket, sys::option::reuse_port, 1));
    }
    if (where.is_v6()) {
        BOOST_OUTCOME_TRYV(sys::set_option(socket, sys::option::v6_only, options.v6_only ? 1 : 0));
    }
    BOOST_OUTCOME_TRYV(sys::set_option(socket, sys::option::no_delay, 1));
    BOOST_OUTCOME_TRYV(sys::bind(socket, raw));
    return sys::listen(socket, options.backlog);
}

} // namespace

result<tcp_listener> tcp_listener::bind(const endpoint& where, listen_options options) noexcept {
    const sys::raw_address raw = detail::to_raw(where);
    auto made = sys::stream_socket(raw);
    if (!made) return made.assume_error();
    unique_fd socket = std::move(made).assume_value();
    if (auto ready = make_ready(socket, where, raw, options); !ready) return ready.assume_error();
    return tcp_listener{detail::watched_fd::of_tcp(std::move(socket))};
}

result<endpoint> tcp_listener::local_endpoint() const noexcept {
    if (!fd_.is_open()) return errc::closed;
    const auto raw = sys::local_address(fd_.get());
    if (!raw) return raw.assume_error();
    return detail::from_raw(raw.assume_value());
}

} // namespace dunlin
