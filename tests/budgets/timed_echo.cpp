// The echo server with a timeout on every read, for what that costs; it prints nothing.
#include <dunlin/dunlin.hpp>

using namespace std::chrono_literals;

dunlin::io_task<> session(dunlin::tcp_socket client) {
    while (auto data = co_await client.read().timeout(30s).or_return())
        co_await client.write(data).or_return();
}

dunlin::io_task<> server() {
    auto listener =
        co_await dunlin::or_return(dunlin::tcp_listener::bind(dunlin::endpoint::loopback_v4(0)));
    co_await dunlin::serve(std::move(listener), session).or_return();
}

int main() { return dunlin::run(server()); }
