// Boost.Asio with coroutines: its own echo example, a session in an endless loop, with its buffer
// in the session's frame as there. What its users do for one fast thread: a concurrency hint of 1
// and no locks (BOOST_ASIO_DISABLE_THREADS), the executor known at compile time. Asio recycles the
// small frames of single operations; the session's, of 16 KiB, comes from malloc.
#define BOOST_ASIO_DISABLE_THREADS
// Boost 1.74 looks for the coroutines that Clang had before the standard's.
#define BOOST_ASIO_HAS_CO_AWAIT 1
#define BOOST_ASIO_HAS_STD_COROUTINE 1

#include <utility> // which co_spawn.hpp of Boost 1.74 forgets

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "common.hpp"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using executor_type = asio::io_context::executor_type;
using socket_type = asio::basic_stream_socket<tcp, executor_type>;
using acceptor_type = asio::basic_socket_acceptor<tcp, executor_type>;
using task = asio::awaitable<void, executor_type>;
constexpr asio::use_awaitable_t<executor_type> use_awaitable;

task session(socket_type socket) {
    char data[16'384];
    for (;;) {
        error_code error; // without exceptions, which would cost most in churn
        const std::size_t n = co_await socket.async_read_some(
            asio::buffer(data), asio::redirect_error(use_awaitable, error));
        if (error) co_return;
        co_await asio::async_write(socket, asio::buffer(data, n),
                                   asio::redirect_error(use_awaitable, error));
        if (error) co_return;
    }
}

task server(acceptor_type acceptor) {
    for (;;) {
        error_code error;
        socket_type client =
            co_await acceptor.async_accept(asio::redirect_error(use_awaitable, error));
        if (!error)
            asio::co_spawn(acceptor.get_executor(), session(std::move(client)), asio::detached);
    }
}

} // namespace

int main(int argc, char** argv) {
    const unsigned short port = port_argument(argc, argv);
    prepare_process();
    asio::io_context context{1};
    acceptor_type acceptor{context, tcp::v4()};
    acceptor.set_option(tcp::acceptor::reuse_address{true});
    acceptor.set_option(tcp::no_delay{true}); // inherited by what it accepts
    acceptor.bind({asio::ip::address_v4::loopback(), port});
    acceptor.listen(backlog);
    say_listening(acceptor.native_handle());
    asio::co_spawn(context.get_executor(), server(std::move(acceptor)), asio::detached);
    context.run();
}
