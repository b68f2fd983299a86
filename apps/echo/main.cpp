// echo: an echo server, its client, and a load generator.
//
// This file is the command line; the server is in server.cpp, the client in client.cpp, what
// `echo bench` does in bench_command.cpp and what stands beside it.
#include "../common/server_app.hpp"
#include "bench_command.hpp"
#include "client.hpp"
#include "server.hpp"

#include <dunlin/dunlin.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

const char apps::program[] = "echo";

namespace {

struct place {
    std::string host = "127.0.0.1";
    std::string port = "8888";
};

/// The port as a number; names of services are not taken.
std::optional<std::uint16_t> port_of(const place& given) {
    const auto parsed = dunlin::endpoint::parse("0.0.0.0", std::string_view{given.port});
    if (!parsed) return std::nullopt;
    return parsed.value().port();
}

std::string to_words(const place& given) { return apps::to_words(given.host, given.port); }

int refuse_port(const char* what_failed, const place& given) {
    return apps::refuse(fmt::format("{} {}: \"{}\" is not a port from 0 to 65535", what_failed,
                                    to_words(given), given.port));
}

/// How the server is to be, as given.
struct manner {
    bool verbose = false;
    bool reuse_port = false;
    std::chrono::nanoseconds spin{0};
    apps::limits limits;
};

dunlin::io_task<int> serve(place given, std::uint16_t port, manner how) {
    dunlin::listen_options options;
    options.reuse_port = how.reuse_port;
    auto listener = co_await dunlin::tcp_listener::bind(given.host, port, options);
    if (!listener && listener.error() == dunlin::errc::stopped) co_return 0;
    if (!listener)
        co_return apps::refuse(
            fmt::format("cannot listen on {}: {}", to_words(given), listener.error().message()));
    co_await echo::serve(std::move(listener).value(), how.verbose, apps::options_of(how.limits))
        .or_return();
    co_return 0;
}

int run_server(const place& given, const manner& how) {
    const auto port = port_of(given);
    if (!port) return refuse_port("cannot listen on", given);
    return dunlin::run(serve(given, *port, how), apps::run_options(how.spin));
}

// What became of the conversation is told in our own words, so it is kept from `run`.
dunlin::task<int> talk(place given, std::uint16_t port) {
    std::string_view trouble_with = "connection";
    const auto talked = co_await echo::talk(given.host, port, trouble_with);
    if (talked) co_return 0;
    if (talked.error() == dunlin::errc::stopped) co_return 0;
    co_return apps::refuse(
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
    CLI::App app{"Sends back what it is sent: a server (the default), a client, and a load "
                 "generator."};
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
        to.add_flag("--reuse-port", how.reuse_port,
                    "share the port with other servers that say so, too");
        apps::add_spin(to, how.spin);
        apps::add_limits(to, how.limits, "what was sent to them");
    };
    add_server(app);
    CLI::App& server = *app.add_subcommand("server", "send back what clients send");
    add_server(server);
    CLI::App& client = *app.add_subcommand("client", "send standard input, print what comes back");
    add_place(client);
    const echo::bench::command bench{app};

    if (const auto code = apps::parse(app, argc, argv)) return *code;
    if (bench.was_called()) return bench.run();
    return client.parsed() ? run_client(given) : run_server(given, how);
}
