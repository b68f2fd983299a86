// Connecting to names and listening at them: `resolve`, then the addresses it gave.
#include <dunlin/net/detail/happy_eyeballs.hpp>
#include <dunlin/net/resolve.hpp>
#include <dunlin/net/tcp_listener.hpp>
#include <dunlin/net/tcp_socket.hpp>

#include <new>
#include <string>
#include <vector>

namespace dunlin {

namespace {

io_task<tcp_socket> connect_by_name(std::string_view host, std::string_view service) {
    const auto found = co_await resolve(host, service).or_return();
    std::vector<endpoint> ordered;
    try {
        ordered = detail::interleave(found);
    } catch (const std::bad_alloc&) {
        co_return std::make_error_code(std::errc::not_enough_memory);
    }
    auto connected =
        co_await detail::connect_first(std::move(ordered), detail::attempt_delay).or_return();
    co_return std::move(connected);
}

io_task<tcp_listener> bind_by_name(std::string_view host, std::string_view service,
                                   listen_options options) {
    const auto found = co_await resolve(host, service).or_return();
    std::error_code why;
    for (const endpoint& each : found) {
        auto bound = tcp_listener::bind(each, options);
        if (bound) co_return std::move(bound).assume_value();
        if (!why) why = bound.assume_error();
    }
    co_return why;
}

} // namespace

io_task<tcp_socket> tcp_socket::connect(std::string where) {
    const auto parts = co_await or_return(detail::split_host_and_service(where));
    auto connected = co_await connect_by_name(parts.host, parts.service).or_return();
    co_return std::move(connected);
}

io_task<tcp_socket> tcp_socket::connect(std::string host, std::uint16_t port) {
    const std::string service = std::to_string(port);
    auto connected = co_await connect_by_name(host, service).or_return();
    co_return std::move(connected);
}

io_task<tcp_listener> tcp_listener::bind(std::string where, listen_options options) {
    const auto parts = co_await or_return(detail::split_host_and_service(where));
    auto bound = co_await bind_by_name(parts.host, parts.service, options).or_return();
    co_return std::move(bound);
}

io_task<tcp_listener> tcp_listener::bind(std::string host, std::uint16_t port,
                                         listen_options options) {
    const std::string service = std::to_string(port);
    auto bound = co_await bind_by_name(host, service, options).or_return();
    co_return std::move(bound);
}

} // namespace dunlin
