// chat: lines between all who are connected.
//
// This file is the command line; the server is in server.cpp, who is there in room.cpp.
#include "../common/server_app.hpp"
#include "server.hpp"

#include <dunlin/dunlin.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <csignal>
#include <cstdint>
#include <string>

const char apps::program[] = "chat";

namespace {

/// The server, as given.
struct wishes {
    std::string host = "127.0.0.1";
    std::uint16_t port = 8889;
    apps::limits limits;
};

dunlin::io_task<int> serve(wishes given) {
    auto listener = co_await dunlin::tcp_listener::bind(given.host, given.port);
    if (!listener && listener.error() == dunlin::errc::stopped) co_return 0;
    if (!listener)
        co_return apps::refuse(fmt::format("cannot listen on {}: {}",
                                           apps::to_words(given.host, std::to_string(given.port)),
                                           listener.error().message()));
    co_await chat::serve(std::move(listener).value(), apps::options_of(given.limits)).or_return();
    co_return 0;
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN); // an output that nobody reads any more is an error, not the end
    CLI::App app{"Passes what one client says to all others, line by line."};
    app.set_version_flag("--version", "chat (dunlin) " DUNLIN_VERSION_STRING);
    app.failure_message(CLI::FailureMessage::help);
    wishes given;
    given.limits.max_connections = 10'000;
    app.add_option("--host", given.host, "name, IPv4 or IPv6 address")->capture_default_str();
    app.add_option("--port", given.port, "port; 0 picks a free one")->capture_default_str();
    apps::add_limits(app, given.limits, "what was said to them");
    if (const auto code = apps::parse(app, argc, argv)) return *code;
    return dunlin::run(serve(given), apps::run_options());
}
