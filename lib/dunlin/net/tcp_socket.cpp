#include <dunlin/net/tcp_socket.hpp>

#include <dunlin/net/detail/raw_endpoint.hpp>
#include <dunlin/sys/socket.hpp>

#include <boost/outcome/try.hpp>

#include <limits>
#include <new>

namespace dunlin {

namespace {

result<void> shut_down(const detail::watched_fd& fd) noexcept {
    if (!fd.is_open()) return errc::closed;
    if (const int failed = sys::shutdown_write(fd.get().get()); failed < 0)
        return detail::to_error(failed);
    return success();
}

result<void> set(const detail::watched_fd& fd, sys::option which, int value) noexcept {
    if (!fd.is_open()) return errc::closed;
    return sys::set_option(fd.get(), which, value);
}

result<int> get(const detail::watched_fd& fd, sys::option which) noexcept {
    if (!fd.is_open()) return errc::closed;
    return sys::get_option(fd.get(), which);
}

/// Options are ints; what is larger asks for the largest.
template <class T>
int to_int(T value) noexcept {
    constexpr T most = std::numeric_limits<int>::max();
    return static_cast<int>(value < most ? value : most);
}

} // namespace

result<void> tcp_writer::shutdown_write() noexcept { return shut_down(fd_); }

void tcp_writer::close() noexcept {
    // The reader may go on, so the end of the stream is said, not left to the close.
    if (fd_.is_open()) static_cast<void>(shut_down(fd_));
    fd_.close();
}

result<void> tcp_socket::shutdown_write() noexcept { return shut_down(fd_); }

std::pair<tcp_reader, tcp_writer> tcp_socket::split() && {
    if (!fd_.is_open()) return {};
    if (detail::why_no_watch(*fd_.attach()) != 0) throw std::bad_alloc{};
    tcp_writer writer{fd_.share_ownership()};
    return {tcp_reader{std::move(fd_)}, std::move(writer)};
}

result<endpoint> tcp_socket::peer_endpoint() const noexcept {
    if (!fd_.is_open()) return errc::closed;
    const auto raw = sys::peer_address(fd_.get());
    if (!raw) return raw.assume_error();
    return detail::from_raw(raw.assume_value());
}

result<endpoint> tcp_socket::local_endpoint() const noexcept {
    if (!fd_.is_open()) return errc::closed;
    const auto raw = sys::local_address(fd_.get());
    if (!raw) return raw.assume_error();
    return detail::from_raw(raw.assume_value());
}

result<void> tcp_socket::set_no_delay(bool on) noexcept {
    return set(fd_, sys::option::no_delay, on ? 1 : 0);
}

result<bool> tcp_socket::no_delay() const noexcept {
    const auto value = get(fd_, sys::option::no_delay);
    if (!value) return value.assume_error();
    return value.assume_value() != 0;
}

result<void> tcp_socket::set_keep_alive(bool on) noexcept {
    return set(fd_, sys::option::keep_alive, on ? 1 : 0);
}

result<void> tcp_socket::set_keep_alive(std::chrono::seconds idle, std::chrono::seconds interval,
                                        int probes) noexcept {
    BOOST_OUTCOME_TRYV(set(fd_, sys::option::keep_alive_idle, to_int(idle.count())));
    BOOST_OUTCOME_TRYV(set(fd_, sys::option::keep_alive_interval, to_int(interval.count())));
    BOOST_OUTCOME_TRYV(set(fd_, sys::option::keep_alive_count, probes));
    return set_keep_alive(true);
}

result<bool> tcp_socket::keep_alive() const noexcept {
    const auto value = get(fd_, sys::option::keep_alive);
    if (!value) return value.assume_error();
    return value.assume_value() != 0;
}

result<void> tcp_socket::set_send_buffer(std::size_t bytes) noexcept {
    return set(fd_, sys::option::send_buffer, to_int(bytes));
}

result<void> tcp_socket::set_receive_buffer(std::size_t bytes) noexcept {
    return set(fd_, sys::option::receive_buffer, to_int(bytes));
}

result<std::size_t> tcp_socket::send_buffer() const noexcept {
    const auto value = get(fd_, sys::option::send_buffer);
    if (!value) return value.assume_error();
    return static_cast<std::size_t>(value.assume_value());
}

result<std::size_t> tcp_socket::receive_buffer() const noexcept {
    const auto value = get(fd_, sys::option::receive_buffer);
    if (!value) return value.assume_error();
    return static_cast<std::size_t>(value.assume_value());
}

result<void> tcp_socket::set_user_timeout(std::chrono::milliseconds longest) noexcept {
    return set(fd_, sys::option::user_timeout, to_int(longest.count()));
}

result<void> tcp_socket::set_reset_on_close(bool on) noexcept {
    if (!fd_.is_open()) return errc::closed;
    return sys::set_reset_on_close(fd_.get(), on);
}

std::uint64_t tcp_socket::watch_key() noexcept {
    const detail::watch& w = *fd_.attach();
    return detail::why_no_watch(w) == 0 ? detail::watch_table::key_of(w) : task_context::no_key;
}

result<std::pair<tcp_socket, tcp_socket>> socket_pair() noexcept {
    unique_fd first;
    unique_fd second;
    if (const int failed = sys::socket_pair(first, second); failed < 0)
        return detail::to_error(failed);
    return std::pair{tcp_socket{std::move(first)}, tcp_socket{std::move(second)}};
}

} // namespace dunlin
