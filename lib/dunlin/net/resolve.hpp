// From names to endpoints.
//
//     const auto found = co_await resolve("example.org", "https").timeout(3s).or_return();
//     for (const endpoint& each : found) ...
//
// `tcp_socket::connect("example.org:443")` does this and tries what it finds.
#pragma once

#include <dunlin/loop/operation.hpp>
#include <dunlin/net/endpoint.hpp>
#include <dunlin/sys/resolver_error.hpp>
#include <dunlin/util/api.hpp>

#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace dunlin {

namespace detail {
class shared_lookup;
}

/// The awaiter behind `resolve`. Stopped, timed out or destroyed, it leaves the looking up to
/// itself: a late answer is dropped. Loop thread.
class [[nodiscard]] DUNLIN_API resolve_operation final : public operation,
                                                         public spellings<resolve_operation> {
public:
    using value_type = std::vector<endpoint>;
    resolve_operation(std::string_view host, std::string_view service) noexcept
        : host_{host}, service_{service} {}
    ~resolve_operation();

    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] std::error_code error() const noexcept override;
    std::vector<endpoint> take() noexcept { return std::move(found_); }

private:
    [[nodiscard]] bool start() noexcept;
    [[nodiscard]] bool give(std::span<const endpoint> found) noexcept;
    bool fail_with(std::error_code why) noexcept;
    void take_answer() noexcept;
    void let_go() noexcept;

    std::string_view host_;
    std::string_view service_;
    detail::shared_lookup* asked_ = nullptr;
    std::vector<endpoint> found_;
    std::error_code error_;
};

/// The addresses of `host`, each with the port of `service`, the best first: in the order of
/// getaddrinfo(3), which is that of RFC 6724. At least one.
///
/// `host` is an address or a name, `service` a port of one to five digits or a name of services(5)
/// for TCP. With an address and a port nobody is asked and nothing is waited for. Otherwise it is
/// getaddrinfo's business (so /etc/hosts and /etc/services count), on one thread that all lookups
/// of the process share and that works off one after the other: give it a timeout. Numbers that
/// getaddrinfo would guess at (`127.1`, `0x7f.1`, ` 80`, `+80`) are bad_address.
///
/// Errors: `bad_address` for what is neither, a `resolver_errc` (no_such_name …), `stopped`,
/// not_enough_memory, resource_unavailable_try_again if there can be no thread. The text is
/// borrowed until it has been awaited. Allocates the list, and while it waits the question.
[[nodiscard]] inline resolve_operation resolve(std::string_view host,
                                               std::string_view service) noexcept {
    return resolve_operation{host, service};
}

namespace detail {

/// `host:service` taken apart: the brackets around an IPv6 address are gone. A view of `text`.
struct host_and_service {
    constexpr host_and_service(std::string_view name, std::string_view port) noexcept
        : host{name}, service{port} {}

    std::string_view host;
    std::string_view service;
};

/// Errors: bad_address without a colon, for an empty part, for a bare IPv6 address and for brackets
/// around anything else.
[[nodiscard]] DUNLIN_API result<host_and_service>
split_host_and_service(std::string_view text) noexcept;

} // namespace detail
} // namespace dunlin
