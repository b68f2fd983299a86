// echo: an echo server and its client.
//
// This file is the command line; the server is in server.cpp, the client in client.cpp.
#include "client.hpp"
#include "server.hpp"
#include "words.hpp"

#include <dunlin/dunlin.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <csignal>
#include <string>

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

/// Where that is, or in words what is wrong with it.
struct found {
    dunlin::result<dunlin::endpoint> where = dunlin::errc::bad_address;
    std::string problem;
};

found find(const place& given) {
    found answer;
    const std::string host = given.host == "localhost" ? "127.0.0.1" : given.host;
    answer.where = dunlin::endpoint::parse(host, std::string_view{given.port});
    if (answer.where) return answer;
    const bool host_is_fine = dunlin::endpoint::parse(host, std::uint16_t{0}).has_value();
    answer.problem =
        host_is_fine
            ? fmt::format("port \"{}\" of {}: not a number from 0 to 65535", given.port, host)
            : fmt::format("\"{}\" port {}: not an IPv4 or IPv6 address or localhost", given.host,
                          given.port);
    return answer;
}

int run_server(const place& given, bool verbose) {
    const auto [where, problem] = find(given);
    if (!where) return refuse("cannot listen on " + problem);
    auto listener = dunlin::tcp_listener::bind(where.value());
    if (!listener)
        return refuse(fmt::format("cannot listen on {}: {}", where.value().to_string(),
                                  listener.error().message()));
    return dunlin::run(echo::serve(std::move(listener).value(), verbose));
}

// What became of the conversation is told in our own words, so it is kept from `run`.
dunlin::task<int> talk(dunlin::endpoint where) {
    std::string_view trouble_with = "connection";
    const auto talked = co_await echo::talk(where, trouble_with);
    if (talked) co_return 0;
    if (talked.error() == dunlin::errc::stopped) co_return 0;
    co_return refuse(
        fmt::format("{} ({}): {}", trouble_with, where.to_string(), talked.error().message()));
}

int run_client(const place& given) {
    const auto [where, problem] = find(given);
    if (!where) return refuse("cannot connect to " + problem);
    return dunlin::run(talk(where.value()));
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN); // an output that nobody reads any more is an error, not the end
    CLI::App app{"Sends back what it is sent: a server (the default) and a client."};
    app.set_version_flag("--version", "echo (dunlin) " DUNLIN_VERSION_STRING);
    app.failure_message(CLI::FailureMessage::help);
    app.require_subcommand(0, 1);
    place given;
    bool verbose = false;

    const auto add_place = [&given](CLI::App& to) {
        to.add_option("--host", given.host, "IPv4 or IPv6 address, or localhost")
            ->capture_default_str();
        to.add_option("--port", given.port, "port; for the server, 0 picks a free one")
            ->capture_default_str();
    };
    const auto add_server = [&](CLI::App& to) {
        add_place(to);
        to.add_flag("--verbose", verbose, "say what happens to each connection");
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
    return client.parsed() ? run_client(given) : run_server(given, verbose);
}
