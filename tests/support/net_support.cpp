#include <support/net_support.hpp>

#include <arpa/inet.h>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace dunlin::test {

namespace {

sockaddr_in to_sockaddr(const endpoint& where) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(where.port());
    std::memcpy(&address.sin_addr, where.bytes().data(), 4);
    return address;
}

unique_fd bound_socket(endpoint& where) {
    unique_fd made{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    REQUIRE(made.is_open());
    sockaddr_in address = to_sockaddr(endpoint::loopback_v4(0));
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(made.get(), generic, size) == 0);
    REQUIRE(::getsockname(made.get(), generic, &size) == 0);
    where = endpoint::loopback_v4(ntohs(address.sin_port));
    return made;
}

} // namespace

two_sockets connected_sockets(test_loop& loop) {
    auto [first, raw] = loop.tcp_pair();
    unique_fd second = raw.release();
    REQUIRE(::fcntl(second.get(), F_SETFL, O_NONBLOCK) == 0);
    return {std::move(first), tcp_socket{std::move(second)}};
}

void shrink_send_buffer(borrowed_fd socket) {
    const int least = 1;
    REQUIRE(::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &least, sizeof least) == 0);
}

tcp_listener listen_somewhere(listen_options options) {
    auto bound = tcp_listener::bind(endpoint::loopback_v4(0), options);
    REQUIRE(bound);
    return std::move(bound).assume_value();
}

endpoint where_it_listens(const tcp_listener& listener) {
    const auto where = listener.local_endpoint();
    REQUIRE(where);
    return where.assume_value();
}

raw_peer connect_raw(const endpoint& where) {
    unique_fd made{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    REQUIRE(made.is_open());
    const sockaddr_in address = to_sockaddr(where);
    REQUIRE(::connect(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
    return raw_peer{std::move(made)};
}

bool becomes_readable(borrowed_fd fd) {
    pollfd entry{fd.get(), POLLIN, 0};
    return ::poll(&entry, 1, 1000) == 1;
}

closed_port::closed_port() { bound_ = bound_socket(where_); }

full_listener::full_listener() {
    listening_ = bound_socket(where_);
    REQUIRE(::listen(listening_.get(), 0) == 0);
    // The first is queued; the kernel may let in one more before it drops what comes.
    const sockaddr_in address = to_sockaddr(where_);
    for (unique_fd& queued : queued_) {
        queued = unique_fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        static_cast<void>(
            ::connect(queued.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
    }
    REQUIRE(becomes_readable(listening_));
    REQUIRE(::fcntl(listening_.get(), F_SETFL, O_NONBLOCK) == 0);
}

void full_listener::accept_all() {
    while (unique_fd{::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC)}.is_open()) {
    }
}

std::string pattern(std::size_t size, std::uint32_t seed) {
    std::string made(size, '\0');
    std::uint32_t state = seed * 2654435761U + 1;
    for (char& each : made) {
        state = state * 1664525U + 1013904223U;
        each = static_cast<char>(state >> 24);
    }
    return made;
}

int start_child_process() {
    std::fflush(nullptr);
    const int child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
        ::dup2(nowhere, STDOUT_FILENO);
        ::dup2(nowhere, STDERR_FILENO);
        std::signal(SIGABRT, SIG_DFL); // Catch would tell of it
        ::alarm(10);
    }
    return child;
}

void end_child_process() { ::_exit(0); }

int wait_for_child_process(int child) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return status;
}

bool was_aborted(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT; }

} // namespace dunlin::test
