// An echo server on dunlin: what it costs to compile is compared with asio_echo.cpp.
#include <dunlin/dunlin.hpp>

#include <utility>

dunlin::io_task<> session(dunlin::tcp_socket client) {
    while (auto data = co_await client.read().or_return())
        co_await client.write(data).or_return();
}

dunlin::io_task<> server() {
    auto where = co_await dunlin::or_return(dunlin::endpoint::parse("127.0.0.1:8888"));
    auto listener = co_await dunlin::or_return(dunlin::tcp_listener::bind(where));
    dunlin::task_group sessions{dunlin::on_child_error::carry_on};
    for (;;) {
        auto client = co_await listener.accept().or_return();
        sessions.spawn(session, std::move(client));
    }
}

int main() { return dunlin::run(server()); }
