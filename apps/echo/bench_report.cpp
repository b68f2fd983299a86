#include "bench_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <optional>
#include <string_view>

namespace echo::bench {

namespace {

struct quantile_name {
    std::string_view name;
    double part;
};
constexpr std::array quantiles{quantile_name{"p50", 0.5}, quantile_name{"p90", 0.9},
                               quantile_name{"p99", 0.99}, quantile_name{"p99.9", 0.999}};

double rate(const target_result& of) {
    return of.seconds > 0 ? static_cast<double>(of.messages) / of.seconds : 0;
}
double megabytes(const plan& how, const target_result& of) {
    return rate(of) * static_cast<double>(how.size) / 1e6;
}
double micro(double nanoseconds) { return nanoseconds / 1e3; }

// ---- JSON

/// A string as RFC 8259 writes it.
std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            out += {'\\', c};
        else if (static_cast<unsigned char>(c) < 0x20)
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
            out += c;
    }
    return out + '"';
}

std::string number(double value) { return fmt::format("{:.9g}", value); }
std::string number(std::uint64_t value) { return fmt::format("{}", value); }
std::string number(bool value) { return value ? "true" : "false"; }
template <class T>
std::string number(const std::optional<T>& value) {
    return value ? number(*value) : "null";
}

/// Writes `{"name":value,…}`, or the like with brackets.
class json_list {
public:
    explicit json_list(char open, char close) : close_{close}, text_{open} {}

    void add(std::string_view value) {
        if (text_.size() > 1) text_ += ',';
        text_ += value;
    }
    void add(std::string_view name, std::string_view value) {
        add(fmt::format("{}:{}", quoted(name), value));
    }
    [[nodiscard]] std::string done() const { return text_ + close_; }

private:
    char close_;
    std::string text_;
};

std::string latencies_of(const histogram& of) {
    json_list out{'{', '}'};
    const auto value = [&](double nanoseconds) {
        return of.count() > 0 ? number(micro(nanoseconds)) : "null";
    };
    for (const auto& [name, part] : quantiles)
        out.add(name, value(of.quantile(part)));
    out.add("max", value(static_cast<double>(of.longest())));
    return out.done();
}

std::string turns_of(const target_result& of) {
    json_list out{'[', ']'};
    for (const turn_result& each : of.turns) {
        json_list turn{'{', '}'};
        const auto latency = [&](double nanoseconds) {
            return each.messages > 0 ? number(micro(nanoseconds)) : "null";
        };
        turn.add("begun", number(each.begun));
        turn.add("seconds", number(each.seconds));
        turn.add("messages", number(each.messages));
        turn.add("cpu_seconds", number(each.cpu_seconds));
        turn.add("p50", latency(each.p50));
        turn.add("p99", latency(each.p99));
        out.add(turn.done());
    }
    return out.done();
}

void add_served(json_list& to, const std::vector<std::uint64_t>& served) {
    if (served.empty()) {
        for (const auto* name : {"least_served", "mean_served", "most_served"})
            to.add(name, "null");
        return;
    }
    const auto [least, most] = std::ranges::minmax(served);
    const auto sum = std::accumulate(served.begin(), served.end(), std::uint64_t{0});
    to.add("least_served", number(least));
    to.add("mean_served", number(static_cast<double>(sum) / static_cast<double>(served.size())));
    to.add("most_served", number(most));
}

std::string target_to_json(const plan& how, const target_spec& spec, const target_result& of) {
    json_list out{'{', '}'};
    out.add("name", quoted(spec.name));
    out.add("address", quoted(spec.address));
    out.add("messages", number(of.messages));
    out.add("seconds", number(of.seconds));
    out.add("rate", number(rate(of)));
    out.add("megabytes_per_second", number(megabytes(how, of)));
    out.add("latency_us", latencies_of(of.latencies));
    out.add("errors", number(of.errors));
    json_list words{'[', ']'};
    for (const std::string& each : of.error_words)
        words.add(quoted(each));
    out.add("error_words", words.done());
    add_served(out, of.served);
    out.add("cpu_seconds", number(of.cpu_seconds));
    out.add("idle_opened", number(std::uint64_t{of.idle_opened}));
    out.add("idle_open_seconds", number(of.idle_open_seconds));
    out.add("turns", turns_of(of));
    return out.done();
}

// ---- the table

using row = std::vector<std::string>;

row headings() {
    row out{"target", "messages", "seconds", "messages/s", "MB/s"};
    for (const auto& each : quantiles)
        out.emplace_back(each.name);
    out.insert(out.end(), {"max", "CPU", "errors"});
    return out;
}

row row_of(const plan& how, const target_spec& spec, const target_result& of) {
    row out{spec.name, fmt::format("{}", of.messages), fmt::format("{:.2f}", of.seconds),
            fmt::format("{:.0f}", rate(of)), fmt::format("{:.2f}", megabytes(how, of))};
    const auto latency = [&](double nanoseconds) {
        return of.latencies.count() > 0 ? fmt::format("{:.1f}", micro(nanoseconds)) : "-";
    };
    for (const auto& each : quantiles)
        out.push_back(latency(of.latencies.quantile(each.part)));
    out.push_back(latency(static_cast<double>(of.latencies.longest())));
    const bool has_cpu = of.cpu_seconds && of.messages > 0;
    out.push_back(
        has_cpu ? fmt::format("{:.2f}", *of.cpu_seconds * 1e6 / static_cast<double>(of.messages))
                : "-");
    out.push_back(fmt::format("{}", of.errors));
    return out;
}

std::string about(const plan& how) {
    std::string out =
        how.churn ? fmt::format("{} workers that connect, echo {} bytes and close", how.connections,
                                how.size)
                  : fmt::format("{} connection{}, {} message{} of {} bytes in flight on each",
                                how.connections, how.connections == 1 ? "" : "s", how.depth,
                                how.depth == 1 ? "" : "s", how.size);
    if (how.idle > 0) out += fmt::format(", {} idle beside", how.idle);
    if (how.turn && (how.rounds > 1 || how.round.size() > 1))
        out += fmt::format(", turns of {:g} ms",
                           std::chrono::duration<double, std::milli>(*how.turn).count());
    return out + "; latencies and CPU per message in microseconds";
}

} // namespace

std::string to_json(const plan& how, const results& of) {
    json_list out{'{', '}'};
    std::optional<double> turn;
    if (how.turn) turn = std::chrono::duration<double>(*how.turn).count();
    out.add("connections", number(std::uint64_t{how.connections}));
    out.add("size", number(std::uint64_t{how.size}));
    out.add("depth", number(std::uint64_t{how.depth}));
    out.add("idle", number(std::uint64_t{how.idle}));
    out.add("churn", number(how.churn));
    out.add("turn_seconds", number(turn));
    json_list targets{'[', ']'};
    for (std::size_t i = 0; i < of.targets.size(); ++i)
        targets.add(target_to_json(how, how.targets[i], of.targets[i]));
    out.add("targets", targets.done());
    out.add("interrupted", number(of.is_interrupted));
    return out.done();
}

std::string to_table(const plan& how, const results& of) {
    std::vector<row> rows{headings()};
    for (std::size_t i = 0; i < of.targets.size(); ++i)
        rows.push_back(row_of(how, how.targets[i], of.targets[i]));
    std::vector<std::size_t> widths(rows.front().size());
    for (const row& each : rows)
        for (std::size_t i = 0; i < each.size(); ++i)
            widths[i] = std::max(widths[i], each[i].size());
    std::string out = about(how) + '\n';
    for (const row& each : rows) {
        fmt::format_to(std::back_inserter(out), "{:<{}}", each.front(), widths.front());
        for (std::size_t i = 1; i < each.size(); ++i)
            fmt::format_to(std::back_inserter(out), "  {:>{}}", each[i], widths[i]);
        out += '\n';
    }
    return out;
}

std::vector<std::string> to_lines(const plan& how, const results& of) {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < of.targets.size(); ++i) {
        const target_spec& spec = how.targets[i];
        const target_result& result = of.targets[i];
        const std::string whose =
            spec.name == spec.address ? spec.name : fmt::format("{} ({})", spec.name, spec.address);
        for (const std::string& each : result.error_words)
            lines.push_back(fmt::format("{}: {}", whose, each));
        const auto more = result.errors - result.error_words.size();
        if (more > 0)
            lines.push_back(fmt::format("{}: {} more error{}", whose, more, more == 1 ? "" : "s"));
    }
    return lines;
}

} // namespace echo::bench
