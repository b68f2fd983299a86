#include <support/raw_peer.hpp>

#include <support/catch.hpp>

#include <cerrno>
#include <sys/socket.h>
#include <sys/time.h>
#include <utility>

namespace dunlin::test {

raw_peer::raw_peer(unique_fd connected) : fd_{std::move(connected)} {
    const timeval longest{5, 0};
    REQUIRE(::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest) == 0);
    REQUIRE(::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest) == 0);
}

void raw_peer::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        INFO("errno " << errno);
        REQUIRE(n > 0);
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

std::size_t raw_peer::fill() {
    const std::string block(16384, '.');
    std::size_t sent = 0;
    for (;;) {
        const ssize_t n =
            ::send(fd_.get(), block.data(), block.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            REQUIRE(errno == EAGAIN);
            return sent;
        }
        sent += static_cast<std::size_t>(n);
    }
}

void raw_peer::send_urgent(char byte) {
    REQUIRE(::send(fd_.get(), &byte, 1, MSG_OOB | MSG_NOSIGNAL) == 1);
}

std::string raw_peer::receive(std::size_t most) {
    std::string bytes(most, '\0');
    const ssize_t n = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    INFO("errno " << errno);
    REQUIRE(n >= 0);
    bytes.resize(static_cast<std::size_t>(n));
    return bytes;
}

std::string raw_peer::receive_exactly(std::size_t size) {
    std::string bytes;
    while (bytes.size() < size) {
        const std::string more = receive(size - bytes.size());
        if (more.empty()) break;
        bytes += more;
    }
    return bytes;
}

std::string raw_peer::receive_all() {
    std::string bytes;
    for (;;) {
        const std::string more = receive();
        if (more.empty()) return bytes;
        bytes += more;
    }
}

std::optional<std::string> raw_peer::try_receive(std::size_t most) {
    std::string bytes(most, '\0');
    const ssize_t n = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return std::nullopt;
    REQUIRE(n >= 0);
    bytes.resize(static_cast<std::size_t>(n));
    return bytes;
}

void raw_peer::shutdown_write() { REQUIRE(::shutdown(fd_.get(), SHUT_WR) == 0); }

void raw_peer::reset() {
    const linger at_once{1, 0};
    REQUIRE(::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    fd_.close();
}

} // namespace dunlin::test
