#include <dunlin/net/detail/happy_eyeballs.hpp>

#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>

#include <algorithm>
#include <cstddef>
#include <new>
#include <optional>
#include <utility>

namespace dunlin::detail {

namespace {

/// What the attempts know of each other.
struct race {
    race(std::vector<endpoint> ordered, std::chrono::nanoseconds between) noexcept
        : addresses{std::move(ordered)}, delay{between} {}

    [[nodiscard]] bool has_more() const noexcept { return next < addresses.size(); }

    std::vector<endpoint> addresses;
    std::chrono::nanoseconds delay;
    std::size_t next = 0;      ///< The address that is tried next.
    std::size_t under_way = 0; ///< Attempts that have neither succeeded nor failed.
    time_point next_at;        ///< Not before then, unless an attempt fails.
    std::optional<tcp_socket> won;
    std::error_code why_not;
};

/// Whether it says that we have no way there (no IPv6, for one), and nothing of the server.
bool is_about_us(std::error_code why) noexcept {
    return why == std::errc::network_unreachable || why == std::errc::host_unreachable ||
           why == std::errc::address_not_available ||
           why == std::errc::address_family_not_supported || why == std::errc::network_down;
}

/// One of as many as there are addresses: waits until the next address is due, tries it, and, when
/// that fails, tries the one after it at once. So there are never more attempts at a time than
/// delays have passed. Ends with an error when all is decided: that is what stops the others.
io_task<> try_addresses(race& in) {
    while (in.has_more() && now() < in.next_at)
        co_await sleep_until(in.next_at).or_return(); // another may begin first, and set it anew
    while (in.has_more()) {
        const endpoint where = in.addresses[in.next++];
        in.next_at = now() + in.delay;
        ++in.under_way;
        auto connected = co_await tcp_socket::connect(where);
        --in.under_way;
        if (connected) {
            in.won.emplace(std::move(connected).assume_value());
            co_await fail(errc::closed); // of no account: `won` tells
        }
        const std::error_code why = connected.assume_error();
        if (why == errc::stopped) co_await fail(why);
        if (!in.why_not || is_about_us(in.why_not) || !is_about_us(why)) in.why_not = why;
    }
    if (in.under_way == 0 && in.why_not) co_await fail(in.why_not);
}

} // namespace

std::vector<endpoint> interleave(const std::vector<endpoint>& sorted) {
    std::vector<endpoint> ordered;
    std::vector<endpoint> others;
    for (const endpoint& each : sorted) {
        auto& family = each.is_v6() == sorted.front().is_v6() ? ordered : others;
        if (std::find(family.begin(), family.end(), each) == family.end()) family.push_back(each);
    }
    // Each of the others goes behind one of the first family, as long as there are any.
    for (std::size_t i = 0; i < others.size(); ++i) {
        const std::size_t place = std::min(2 * i + 1, ordered.size());
        ordered.insert(ordered.begin() + static_cast<std::ptrdiff_t>(place), others[i]);
    }
    return ordered;
}

io_task<tcp_socket> connect_first(std::vector<endpoint> ordered, std::chrono::nanoseconds delay) {
    try {
        race attempts{std::move(ordered), delay};
        std::vector<io_task<>> workers;
        workers.reserve(attempts.addresses.size());
        for (std::size_t i = 0; i < attempts.addresses.size(); ++i)
            workers.push_back(try_addresses(attempts));
        const auto raced = co_await when_all(std::move(workers));
        if (attempts.won) co_return std::move(*attempts.won);
        if (!raced) co_return raced.assume_error();
        co_return errc::bad_address; // there was none to try
    } catch (const std::bad_alloc&) {
        co_return std::make_error_code(std::errc::not_enough_memory);
    }
}

} // namespace dunlin::detail
