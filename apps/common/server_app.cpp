#include "server_app.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace apps {

namespace {

constexpr double a_year = 365.0 * 24 * 3600; // seconds
constexpr std::size_t a_billion = 1'000'000'000;

/// What is wrong with it; `CLI::Range` lets "nan" pass.
std::string refuse_nan(const std::string& given) {
    return std::isnan(std::strtod(given.c_str(), nullptr)) ? "it is not a number of seconds" : "";
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

dunlin::run_options run_options() {
    dunlin::run_options options;
    options.dump_on_sigusr1 = true;
    options.scheduler.log = log;
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
