#include "server.hpp"

#include "../common/words.hpp"

#include <fmt/format.h>

#include <string>

namespace echo {

using apps::say;

namespace {

// An empty buffer ends the loop: the client has finished. The socket closes itself.
dunlin::io_task<> session(dunlin::tcp_socket client) {
    while (auto data = co_await client.read().or_return())
        co_await client.write(data).or_return();
}

/// The same, telling what happens.
dunlin::io_task<> told_session(dunlin::tcp_socket client) {
    const auto peer = client.peer_endpoint();
    const std::string name = peer ? peer.value().to_string() : "a client that is gone already";
    say(fmt::format("new connection from {}", name));
    for (;;) {
        auto data = co_await client.read();
        if (!data) {
            const bool was_asked = data.error() == dunlin::errc::stopped;
            say(was_asked ? fmt::format("stopped serving {}", name)
                          : fmt::format("lost {}: {}", name, data.error().message()));
            co_await dunlin::fail(data.error());
        }
        if (data.value().is_end()) break;
        say(fmt::format("received {} bytes from {}", data.value().size(), name));
        auto sent = co_await client.write(data.value());
        if (!sent) {
            say(fmt::format("lost {}: {}", name, sent.error().message()));
            co_await dunlin::fail(sent.error());
        }
        say(fmt::format("sent {} bytes to {}", data.value().size(), name));
    }
    say(fmt::format("client closed {}", name));
}

} // namespace

dunlin::io_task<> serve(dunlin::tcp_listener listener, bool verbose,
                        dunlin::serve_options options) {
    // Said in here, where a signal is heard already.
    const auto where = co_await dunlin::or_return(listener.local_endpoint());
    say(fmt::format("listening on {}", where.to_string()));

    dunlin::serve_counters counters;
    options.counters = &counters;
    const auto handler = verbose ? told_session : session;
    co_await dunlin::serve(std::move(listener), handler, options).or_return();
    if (verbose)
        say(fmt::format("stopped; {} cut off", counters.cut == 1
                                                   ? "1 client was"
                                                   : fmt::format("{} clients were", counters.cut)));
}

} // namespace echo
