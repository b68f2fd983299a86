#include "server_app.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <system_error>

namespace apps {

namespace {

constexpr double a_year = 365.0 * 24 * 3600; // seconds
constexpr std::size_t a_billion = 1'000'000'000;

constexpr std::chrono::milliseconds longest_spin{10};

/// A whole number and its unit, with nothing between; 0 needs none.
std::optional<std::chrono::nanoseconds> parse_span(std::string_view given) {
    std::int64_t number = 0;
    const char* const end = given.data() + given.size();
    const auto read = std::from_chars(given.data(), end, number);
    if (read.ec != std::errc{} || number < 0 || number > 1'000'000'000) return std::nullopt;
    const std::string_view unit{read.ptr, static_cast<std::size_t>(end - read.ptr)};
    if (unit == "ns" || (unit.empty() && number == 0)) return std::chrono::nanoseconds{number};
    if (unit == "us") return std::chrono::microseconds{number};
    if (unit == "ms") return std::chrono::milliseconds{number};
    return std::nullopt;
}

void log(dunlin::log_level, std::string_view words, std::source_location) noexcept {
    std::fprintf(stderr, "%s: %.*s\n", program, static_cast<int>(words.size()), words.data());
}

} // namespace

int refuse(const std::string& why) {
    const std::string line = fmt::format("{}: {}\n", program, why);
    // It may be closed or full: nothing to be done.
    std::fwrite(line.data(), 1, line.size(), stderr);
    return 1;
}

std::string refuse_nan(const std::string& given) {
    return std::isnan(std::strtod(given.c_str(), nullptr)) ? "it is not a number" : "";
}

std::string to_words(const std::string& host, const std::string& port) {
    const bool is_v6 = host.find(':') != std::string::npos;
    return is_v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

void add_limits(CLI::App& to, limits& into, const std::string& what_they_take) {
    to.add_option("--max-connections", into.max_connections, "accept no more than so many at once")
        ->check(CLI::Range(std::size_t{1}, a_billion))
        ->capture_default_str();
    to.add_option("--idle-timeout", into.idle_timeout,
                  "give up a client that is silent for so many seconds; 0: never")
        ->check(CLI::Range(0.0, a_year))
        ->check(refuse_nan)
        ->capture_default_str();
    to.add_option("--drain", into.drain,
                  "when stopping, seconds for clients that still take " + what_they_take)
        ->check(CLI::Range(0.0, a_year))
        ->check(refuse_nan)
        ->capture_default_str();
}

dunlin::serve_options options_of(const limits& given) {
    const auto span = [](double seconds) {
        return std::chrono::ceil<std::chrono::nanoseconds>(std::chrono::duration<double>{seconds});
    };
    dunlin::serve_options options;
    options.max_connections = given.max_connections;
    options.idle_timeout = span(given.idle_timeout);
    options.drain = span(given.drain);
    return options;
}

void add_spin(CLI::App& to, std::chrono::nanoseconds& into) {
    const auto take = [&into](const std::string& given) {
        const auto span = parse_span(given);
        if (!span)
            throw CLI::ValidationError{
                "--spin", fmt::format("\"{}\" is not a span: a number and ns, us or ms", given)};
        if (*span > longest_spin)
            throw CLI::ValidationError{"--spin", fmt::format("{} is more than 10ms", given)};
        into = *span;
    };
    to.add_option_function<std::string>(
          "--spin", take, "poll for so long, as in 50us, before going to sleep; takes a core")
        ->type_name("SPAN")
        ->default_str("0");
}

dunlin::run_options run_options(std::chrono::nanoseconds spin) {
    dunlin::run_options options;
    options.dump_on_sigusr1 = true;
    options.scheduler.log = log;
    options.scheduler.spin = spin;
    return options;
}

std::optional<int> parse(CLI::App& app, int argc, char** argv) {
    try {
        app.parse(argc, argv);
        return std::nullopt;
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
}

} // namespace apps
