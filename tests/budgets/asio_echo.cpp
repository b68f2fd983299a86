// An echo server on Boost.Asio's coroutines, with the headers that its own example includes: what
// dunlin_echo.cpp is compared with.
#include <utility> // which co_spawn.hpp of Boost 1.74 forgets

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/write.hpp>

using boost::asio::awaitable;
using boost::asio::use_awaitable;
using boost::asio::ip::tcp;

awaitable<void> session(tcp::socket socket) {
    char data[16'384];
    for (;;) {
        const std::size_t n =
            co_await socket.async_read_some(boost::asio::buffer(data), use_awaitable);
        co_await boost::asio::async_write(socket, boost::asio::buffer(data, n), use_awaitable);
    }
}

awaitable<void> server() {
    const auto executor = co_await boost::asio::this_coro::executor;
    tcp::acceptor acceptor{executor, {tcp::v4(), 8888}};
    for (;;) {
        tcp::socket client = co_await acceptor.async_accept(use_awaitable);
        boost::asio::co_spawn(executor, session(std::move(client)), boost::asio::detached);
    }
}

int main() {
    boost::asio::io_context context{1};
    boost::asio::signal_set signals{context, SIGINT, SIGTERM};
    signals.async_wait([&](auto, auto) { context.stop(); });
    boost::asio::co_spawn(context, server(), boost::asio::detached);
    context.run();
}
