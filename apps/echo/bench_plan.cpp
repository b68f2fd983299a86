#include "bench_plan.hpp"

#include <dunlin/net/endpoint.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace echo::bench {

namespace {

using std::string_view;

std::string not_a_target(string_view word, string_view why) {
    return fmt::format("\"{}\" is not a target ([NAME=]HOST:PORT[/PID]): {}", word, why);
}

/// Reads host, port and process; gives what is wrong with them, or nothing.
std::string read_place(string_view word, string_view place, target_spec& into) {
    if (const auto slash = place.rfind('/'); slash != string_view::npos) {
        const string_view digits = place.substr(slash + 1);
        int pid = 0;
        const auto [end, why] = std::from_chars(digits.begin(), digits.end(), pid);
        if (why != std::errc{} || end != digits.end() || pid <= 0)
            return not_a_target(word, fmt::format("\"{}\" is not a process id", digits));
        into.pid = pid;
        place = place.substr(0, slash);
    }
    const auto colon = place.rfind(':');
    if (colon == string_view::npos || colon == 0) return not_a_target(word, "HOST:PORT is missing");
    const string_view port = place.substr(colon + 1);
    const auto parsed = dunlin::endpoint::parse("0.0.0.0", port);
    if (!parsed || parsed.value().port() == 0)
        return not_a_target(word, fmt::format("\"{}\" is not a port from 1 to 65535", port));
    string_view host = place.substr(0, colon);
    if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    if (host.empty()) return not_a_target(word, "HOST is missing");
    into.host = host;
    into.port = parsed.value().port();
    into.address = place;
    return {};
}

} // namespace

std::variant<targets_read, std::string> read_targets(const std::vector<std::string>& words) {
    targets_read read;
    auto& targets = read.targets;
    for (const string_view word : words) {
        const auto known = std::ranges::find(targets, word, &target_spec::name);
        if (known != targets.end()) {
            read.round.push_back(static_cast<std::size_t>(known - targets.begin()));
            continue;
        }
        target_spec next;
        const auto equals = word.find('=');
        const bool has_name = equals != string_view::npos;
        const string_view place = has_name ? word.substr(equals + 1) : word;
        if (auto wrong = read_place(word, place, next); !wrong.empty()) return wrong;
        next.name = has_name ? word.substr(0, equals) : string_view{next.address};
        if (next.name.empty()) return not_a_target(word, "the name before \"=\" is empty");
        const auto same = std::ranges::find(targets, next.name, &target_spec::name);
        read.round.push_back(static_cast<std::size_t>(same - targets.begin()));
        if (same == targets.end()) {
            targets.push_back(std::move(next));
        } else if (same->address != next.address) {
            return fmt::format("the name {} is given to two targets, {} and {}", next.name,
                               same->address, next.address);
        } else if (same->pid && next.pid && same->pid != next.pid) {
            return fmt::format("the target {} is given two processes, {} and {}", next.name,
                               *same->pid, *next.pid);
        } else if (!same->pid) {
            same->pid = next.pid;
        }
    }
    return read;
}

} // namespace echo::bench
