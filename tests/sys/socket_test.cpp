// The typed system calls under the sockets: flags from birth, numbers above the standard ones,
// limits of one call.
#include <support/net_support.hpp>

#include <dunlin/sys/socket.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

sys::raw_address loopback(std::uint16_t port) {
    sys::ip_address address;
    address.bytes[0] = std::byte{127};
    address.bytes[3] = std::byte{1};
    address.port = port;
    return sys::to_raw(address);
}

bool is_born_right(borrowed_fd fd) {
    return (::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0 &&
           (::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0;
}

} // namespace

TEST_CASE("sockets are non-blocking and close-on-exec from birth", "[sys][socket]") {
    const auto made = sys::stream_socket(loopback(0));
    REQUIRE(made);
    CHECK(is_born_right(made.value()));
    unique_fd first;
    unique_fd second;
    REQUIRE(sys::socket_pair(first, second) == 0);
    CHECK(is_born_right(first));
    CHECK(is_born_right(second));
}

TEST_CASE("no socket takes the place of standard input, output or error", "[sys][socket]") {
    CHECK(status_of_child([] {
              for (int standard = 0; standard < 3; ++standard)
                  ::close(standard);
              unique_fd first;
              unique_fd second;
              if (sys::socket_pair(first, second) != 0) ::_exit(1);
              if (first.get() < 3 || second.get() < 3) ::_exit(2);
              const auto made = sys::stream_socket(loopback(0));
              if (!made || made.assume_value().get() < 3) ::_exit(3);
              if (!sys::bind(made.assume_value(), loopback(0))) ::_exit(4);
              if (!sys::listen(made.assume_value(), 1)) ::_exit(5);
              const auto where = sys::local_address(made.assume_value());
              const auto client = sys::stream_socket(loopback(0));
              if (!where || !client) ::_exit(6);
              static_cast<void>(sys::connect(client.assume_value().get(), where.assume_value()));
              if (!becomes_readable(made.assume_value())) ::_exit(7);
              const unique_fd accepted{sys::accept(made.assume_value().get())};
              if (accepted.get() < 3 || !is_born_right(accepted)) ::_exit(8);
              if (::fcntl(0, F_GETFD) >= 0 || ::fcntl(1, F_GETFD) >= 0) ::_exit(9);
          }) == 0);
}

TEST_CASE("one call sends 1,024 pieces at most, and says how many bytes", "[sys][socket]") {
    unique_fd first;
    unique_fd second;
    REQUIRE(sys::socket_pair(first, second) == 0);
    const std::byte one{42};
    const std::vector<sys::slice> pieces(3000, sys::slice{&one, 1});
    CHECK(sys::send(first.get(), pieces.data(), pieces.size()) == 1024);
    std::vector<std::byte> into(4096);
    CHECK(sys::receive(second.get(), into.data(), into.size()) == 1024);
    CHECK(sys::receive(second.get(), into.data(), into.size()) == -EAGAIN);
}

TEST_CASE("a call on no socket is an error value", "[sys][socket]") {
    std::byte one[1] = {};
    CHECK(sys::receive(-1, one, 1) == -EBADF);
    CHECK(sys::send(-1, one, 1) == -EBADF);
    CHECK(sys::accept(-1) == -EBADF);
    CHECK(sys::connect(-1, loopback(1)) == -EBADF);
    CHECK(sys::shutdown_write(-1) == -EBADF);
    CHECK(sys::take_error(-1) == -EBADF);
    CHECK(sys::local_address(borrowed_fd{-1}).error() == std::errc::bad_file_descriptor);
    CHECK(sys::get_option(borrowed_fd{-1}, sys::option::no_delay).error() ==
          std::errc::bad_file_descriptor);
    int pipe[2];
    REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
    const unique_fd out{pipe[0]};
    const unique_fd in{pipe[1]};
    CHECK(sys::receive(out.get(), one, 1) == -ENOTSOCK);
    CHECK(sys::set_option(out, sys::option::no_delay, 1).error() == std::errc::not_a_socket);
}

TEST_CASE("a refused connect leaves its error on the socket once", "[sys][socket]") {
    const closed_port nobody;
    const auto made = sys::stream_socket(loopback(0));
    REQUIRE(made);
    const int started = sys::connect(made.value().get(), loopback(nobody.where().port()));
    REQUIRE((started == -EINPROGRESS || started == -ECONNREFUSED));
    if (started == -ECONNREFUSED) return;
    REQUIRE(becomes_readable(made.value()));
    CHECK(sys::take_error(made.value().get()) == ECONNREFUSED);
    CHECK(sys::take_error(made.value().get()) == 0);
    CHECK(sys::peer_address(made.value()).error() == std::errc::not_connected);
}
