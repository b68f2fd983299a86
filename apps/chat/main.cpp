// chat: lines between all who are connected.
//
// This file is the command line; the server is in server.cpp, who is there in room.cpp.
#include "server.hpp"

#include <dunlin/dunlin.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace {

constexpr double a_year = 365.0 * 24 * 3600; // seconds

/// The server, as given.
struct wishes {
    std::string host = "127.0.0.1";
    std::uint16_t port = 8889;
    std::size_t max_connections = 10'000;
    double idle_timeout = 0; // seconds
    double drain = 1.5;
};

/// One line on standard error, and the exit code.
int refuse(const std::string& why) {
    const std::string line = "chat: " + why + '\n';
    std::fwrite(line.data(), 1, line.size(),
                stderr); // it may be closed or full: nothing to be done
    return 1;
}

/// As people write it, an IPv6 address in brackets.
std::string place_of(const wishes& given) {
    const bool is_v6 = given.host.find(':') != std::string::npos;
    return is_v6 ? fmt::format("[{}]:{}", given.host, given.port)
                 : fmt::format("{}:{}", given.host, given.port);
}

dunlin::serve_options options_of(const wishes& given) {
    const auto span = [](double seconds) {
        return std::chrono::ceil<std::chrono::nanoseconds>(std::chrono::duration<double>{seconds});
    };
    dunlin::serve_options options;
    options.max_connections = given.max_connections;
    options.idle_timeout = span(given.idle_timeout);
    options.drain = span(given.drain);
    return options;
}

/// What the library has to say: that accepting pauses, that it drains.
void log(dunlin::log_level, std::string_view words, std::source_location) noexcept {
    std::fprintf(stderr, "chat: %.*s\n", static_cast<int>(words.size()), words.data());
}

dunlin::io_task<int> serve(wishes given) {
    auto listener = co_await dunlin::tcp_listener::bind(given.host, given.port);
    if (!listener && listener.error() == dunlin::errc::stopped) co_return 0;
    if (!listener)
        co_return refuse(
            fmt::format("cannot listen on {}: {}", place_of(given), listener.error().message()));
    co_await chat::serve(std::move(listener).value(), options_of(given)).or_return();
    co_return 0;
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN); // an output that nobody reads any more is an error, not the end
    CLI::App app{"Passes what one client says to all others, line by line."};
    app.set_version_flag("--version", "chat (dunlin) " DUNLIN_VERSION_STRING);
    app.failure_message(CLI::FailureMessage::help);
    wishes given;
    app.add_option("--host", given.host, "name, IPv4 or IPv6 address")->capture_default_str();
    app.add_option("--port", given.port, "port; 0 picks a free one")->capture_default_str();
    app.add_option("--max-connections", given.max_connections,
                   "accept no more than so many at once")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--idle-timeout", given.idle_timeout,
                   "give up a client that is silent for so many seconds; 0: never")
        ->check(CLI::Range(0.0, a_year))
        ->capture_default_str();
    app.add_option("--drain", given.drain,
                   "when stopping, seconds for clients that still take what was said to them")
        ->check(CLI::Range(0.0, a_year))
        ->capture_default_str();
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        return code == 0 ? 0 : 2;
    }

    dunlin::run_options options;
    options.dump_on_sigusr1 = true;
    options.scheduler.log = log;
    return dunlin::run(serve(given), options);
}
