// dunlin: the session of its own examples under `serve`, with default options. What is put under
// load is apps/echo; this is the same server without a command line and a log, so that what its
// source and its program take can be compared with the other peers'.
#include <dunlin/dunlin.hpp>

#include "common.hpp"

#include <utility>

namespace {

dunlin::io_task<> session(dunlin::tcp_socket client) {
    while (auto data = co_await client.read().or_return())
        co_await client.write(data).or_return();
}

dunlin::io_task<> server(dunlin::endpoint where) {
    auto bound = dunlin::tcp_listener::bind(where, {.backlog = backlog}); // with TCP_NODELAY
    auto listener = co_await dunlin::or_return(std::move(bound));
    say_listening(listener.fd().get());
    co_await dunlin::serve(std::move(listener), session).or_return();
}

} // namespace

int main(int argc, char** argv) {
    const unsigned short port = port_argument(argc, argv);
    prepare_process();
    return dunlin::run(server(dunlin::endpoint::loopback_v4(port)));
}
