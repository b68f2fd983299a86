// The consumer that is built against an installed dunlin: an event loop, a listener, no warnings.
#include <dunlin/dunlin.hpp>

dunlin::io_task<> listen_once() {
    auto where = co_await dunlin::or_return(dunlin::endpoint::parse("127.0.0.1:0"));
    auto listener = co_await dunlin::or_return(dunlin::tcp_listener::bind(where));
}

int main() { return dunlin::run(listen_once()); }
