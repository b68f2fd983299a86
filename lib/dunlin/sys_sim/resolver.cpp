// Names, in place of sys/resolver.cpp: no thread, and the answer is an event of the kernel.
#include <dunlin/sys/resolver.hpp>

#include <dunlin/sys/resolver_error.hpp>
#include <dunlin/sys_sim/host.hpp>
#include <dunlin/sys_sim/kernel.hpp>
#include <dunlin/sys_sim/place.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <new>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <netdb.h>

namespace dunlin::sys {

namespace {

using sys_sim::kernel;

/// The services that a program may ask for by name; there is no /etc/services here.
int port_of(std::string_view service) noexcept {
    std::uint16_t port = 0;
    const auto read = std::from_chars(service.data(), service.data() + service.size(), port);
    if (read.ec == std::errc{} && read.ptr == service.data() + service.size()) return port;
    if (service == "echo") return 7;
    if (service == "domain") return 53;
    if (service == "http") return 80;
    if (service == "https") return 443;
    return -1;
}

bool read_address(const std::string& text, ip_address& into) noexcept {
    into = {};
    if (::inet_pton(AF_INET, text.c_str(), into.bytes) == 1) return true;
    into.is_v6 = parse_v6(text, into.bytes);
    return into.is_v6;
}

std::error_code to_error(int code) noexcept {
    if (code == EAI_SYSTEM) return {EIO, std::system_category()};
    if (code == EAI_MEMORY) return std::make_error_code(std::errc::not_enough_memory);
    return {code, resolver_category()};
}

void answer(const kernel::name_answer& known, lookup& asked) noexcept {
    const int port = port_of(asked.service);
    if (known.error != 0) {
        asked.error = to_error(known.error);
    } else if (port < 0) {
        asked.error = resolver_errc::no_such_service;
    } else if (known.addresses.empty()) {
        asked.error = resolver_errc::no_address;
    } else {
        try {
            for (ip_address each : known.addresses) {
                each.port = static_cast<std::uint16_t>(port);
                asked.addresses.push_back(each);
            }
        } catch (const std::bad_alloc&) {
            asked.error = std::make_error_code(std::errc::not_enough_memory);
        }
    }
}

/// Those that were not answered yet. A lookup may be withdrawn, and its memory be another's then.
std::vector<std::pair<lookup*, std::uint64_t>>& pending() {
    static std::vector<std::pair<lookup*, std::uint64_t>> all;
    return all;
}

} // namespace

int start_lookup(lookup& asked) noexcept {
    static std::uint64_t last = 0;
    kernel& in = kernel::current();
    const int failed = in.begin_call(sys_sim::call::getaddrinfo, -1);
    in.end_call(sys_sim::call::getaddrinfo, -1, -1, -failed, asked.host);
    if (failed == EAGAIN || failed == ENOMEM) return -failed; // no thread to ask on
    kernel::name_answer known;
    if (ip_address literal; read_address(asked.host, literal))
        known.addresses.push_back(literal);
    else
        known = in.find_name(asked.host);
    if (failed != 0) known.error = EAI_SYSTEM;
    const std::uint64_t number = ++last;
    asked.is_queued = true;
    pending().emplace_back(&asked, number);
    // A thread answers it: never before this call is over.
    in.at(in.now() + known.delay, [&in, known, number, &asked, host_number = in.here_number()] {
        const auto found = std::find(pending().begin(), pending().end(), std::pair{&asked, number});
        if (found == pending().end()) return;
        pending().erase(found);
        asked.is_queued = false;
        answer(known, asked);
        const std::size_t outer = in.here_number();
        in.enter(host_number);
        asked.answered();
        in.enter(outer);
    });
    return 0;
}

bool withdraw_lookup(lookup& asked) noexcept {
    const auto found = std::find_if(pending().begin(), pending().end(),
                                    [&](const auto& each) { return each.first == &asked; });
    if (found == pending().end()) return false;
    pending().erase(found);
    asked.is_queued = false;
    return true;
}

} // namespace dunlin::sys
