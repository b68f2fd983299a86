// echo: an echo server and its client.
//
// This file is the command line; the server is in server.cpp, the client in client.cpp.
#include "client.hpp"
#include "server.hpp"

#include <dunlin/dunlin.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace {

struct place {
    std::string host = "127.0.0.1";
    std::string port = "8888";
};

/// One line on standard error, and the exit code.
int refuse(const std::string& why) {
    const std::string line = "echo: " + why + '\n';
    std::fwrite(line.data(), 1, line.size(),
                stderr); // it may be closed or full: nothing to be done
    return 1;
}

/// As people write it, an IPv6 address in brackets.
std::string to_words(const place& given) {
    const bool is_v6 = given.host.find(':') != std::string::npos;
    return is_v6 ? fmt::format("[{}]:{}", given.host, given.port)
                 : fmt::format("{}:{}", given.host, given.port);
}

/// The port as a number; names of services are not taken.
std::optional<std::uint16_t> port_of(const place& given) {
    const auto parsed = dunlin::endpoint::parse("0.0.0.0", std::string_view{given.port});
    if (!parsed) return std::nullopt;
    return parsed.value().port();
}

int refuse_port(const char* what_failed, const place& given) {
    return refuse(fmt::format("{} {}: \"{}\" is not a port from 0 to 65535", what_failed,
                              to_words(given), given.port));
}

constexpr double a_year = 365.0 * 24 * 3600; // seconds
constexpr std::size_t a_billion = 1'000'000'000;

/// What is wrong with it; `CLI::Range` lets "nan" pass.
std::string refuse_nan(const std::string& given) {
    return std::isnan(std::strtod(given.c_str(), nullptr)) ? "it is not a number of seconds" : "";
}

/// How the server is to be, as given.
struct manner {
    bool verbose = false;
    std::size_t max_connections = dunlin::serve_options{}.max_connections;
    double idle_timeout = 0; // seconds
    double drain = 1.5;
};

dunlin::serve_options options_of(const manner& given) {
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
    std::fprintf(stderr, "echo: %.*s\n", static_cast<int>(words.size()), words.data());
}

dunlin::io_task<int> serve(place given, std::uint16_t port, manner how) {
    auto listener = co_await dunlin::tcp_listener::bind(given.host, port);
    if (!listener && listener.error() == dunlin::errc::stopped) co_return 0;
    if (!listener)
        co_return refuse(
            fmt::format("cannot listen on {}: {}", to_words(given), listener.error().message()));
    co_await echo::serve(std::move(listener).value(), how.verbose, options_of(how)).or_return();
    co_return 0;
}

int run_server(const place& given, const manner& how) {
    const auto port = port_of(given);
    if (!port) return refuse_port("cannot listen on", given);
    dunlin::run_options options;
    options.dump_on_sigusr1 = true;
    options.scheduler.log = log;
    return dunlin::run(serve(given, *port, how), options);
}

// What became of the conversation is told in our own words, so it is kept from `run`.
dunlin::task<int> talk(place given, std::uint16_t port) {
    std::string_view trouble_with = "connection";
    const auto talked = co_await echo::talk(given.host, port, trouble_with);
    if (talked) co_return 0;
    if (talked.error() == dunlin::errc::stopped) co_return 0;
    co_return refuse(
        fmt::format("{} ({}): {}", trouble_with, to_words(given), talked.error().message()));
}

int run_client(const place& given) {
    const auto port = port_of(given);
    if (!port) return refuse_port("cannot connect to", given);
    return dunlin::run(talk(given, *port), {.dump_on_sigusr1 = true});
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN); // an output that nobody reads any more is an error, not the end
    CLI::App app{"Sends back what it is sent: a server (the default) and a client."};
    app.set_version_flag("--version", "echo (dunlin) " DUNLIN_VERSION_STRING);
    app.failure_message(CLI::FailureMessage::help);
    app.require_subcommand(0, 1);
    place given;
    manner how;

    const auto add_place = [&given](CLI::App& to) {
        to.add_option("--host", given.host, "name, IPv4 or IPv6 address")->capture_default_str();
        to.add_option("--port", given.port, "port; for the server, 0 picks a free one")
            ->capture_default_str();
    };
    const auto add_server = [&](CLI::App& to) {
        add_place(to);
        to.add_flag("--verbose", how.verbose, "say what happens to each connection");
        to.add_option("--max-connections", how.max_connections,
                      "accept no more than so many at once")
            ->check(CLI::Range(std::size_t{1}, a_billion))
            ->capture_default_str();
        to.add_option("--idle-timeout", how.idle_timeout,
                      "give up a client that is silent for so many seconds; 0: never")
            ->check(CLI::Range(0.0, a_year))
            ->check(refuse_nan)
            ->capture_default_str();
        to.add_option("--drain", how.drain,
                      "when stopping, seconds for clients that still take what was sent to them")
            ->check(CLI::Range(0.0, a_year))
            ->check(refuse_nan)
            ->capture_default_str();
    };
    add_server(app);
    CLI::App& server = *app.add_subcommand("server", "send back what clients send");
    add_server(server);
    CLI::App& client = *app.add_subcommand("client", "send standard input, print what comes back");
    add_place(client);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        return code == 0 ? 0 : 2;
    }
    return client.parsed() ? run_client(given) : run_server(given, how);
}
