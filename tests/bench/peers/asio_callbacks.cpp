// Boost.Asio with callbacks: async_read_some and async_write by turns, a session that owns its
// socket and buffer and dies with the last callback. What its users do for one fast thread: a
// concurrency hint of 1 and no locks (BOOST_ASIO_DISABLE_THREADS), the executor known at compile
// time, lambdas that fit into the memory that Asio recycles, and no shared_ptr to count.
#define BOOST_ASIO_DISABLE_THREADS

#include <utility> // which Boost 1.74 forgets

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include "common.hpp"

#include <memory>

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using socket_type = asio::basic_stream_socket<tcp, asio::io_context::executor_type>;
using acceptor_type = asio::basic_socket_acceptor<tcp, asio::io_context::executor_type>;

class session {
public:
    explicit session(socket_type socket) : socket_{std::move(socket)} {}

    /// The one operation under way owns the session.
    static void read(std::unique_ptr<session> self) {
        session& s = *self;
        s.socket_.async_read_some(
            asio::buffer(s.data_),
            [self = std::move(self)](error_code error, std::size_t n) mutable {
                if (!error) write(std::move(self), n);
            });
    }

private:
    static void write(std::unique_ptr<session> self, std::size_t n) {
        session& s = *self;
        asio::async_write(s.socket_, asio::buffer(s.data_, n),
                          [self = std::move(self)](error_code error, std::size_t) mutable {
                              if (!error) read(std::move(self));
                          });
    }

    socket_type socket_;
    char data_[16'384]; // not initialised, so an idle one costs what it has used
};

void accept(acceptor_type& acceptor) {
    acceptor.async_accept([&acceptor](error_code error, socket_type socket) {
        if (!error) session::read(std::make_unique<session>(std::move(socket)));
        accept(acceptor);
    });
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
    accept(acceptor);
    context.run();
}
