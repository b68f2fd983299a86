// What the tests of the epoll object share: pipes, pairs of connected sockets, short questions.
#pragma once

#include <dunlin/sys/epoll.hpp>

#include <support/catch.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace epoll_test {

using dunlin::borrowed_fd;
using dunlin::epoll;
using dunlin::epoll_flags;
using dunlin::unique_fd;
using namespace std::chrono_literals;

inline epoll make_epoll() {
    auto made = epoll::create();
    REQUIRE(made);
    return std::move(made).value();
}

struct pipe_ends {
    unique_fd reader, writer;
};

inline pipe_ends make_pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    return {unique_fd{ends[0]}, unique_fd{ends[1]}};
}

inline unique_fd tcp_socket() {
    unique_fd made{::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    REQUIRE(made.is_open());
    return made;
}

/// Binds to a free port of the loopback interface; listens if asked to.
inline sockaddr_in bind_to_loopback(borrowed_fd socket) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(socket.get(), generic, size) == 0);
    REQUIRE(::getsockname(socket.get(), generic, &size) == 0);
    return address;
}

struct tcp_pair {
    unique_fd here, there;
};

/// Two connected, non-blocking TCP sockets.
inline tcp_pair make_tcp_pair() {
    const unique_fd listener = tcp_socket();
    const sockaddr_in address = bind_to_loopback(listener);
    REQUIRE(::listen(listener.get(), 1) == 0);
    unique_fd there{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    REQUIRE(::connect(there.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
    unique_fd here{::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    REQUIRE(here.is_open());
    REQUIRE(::fcntl(there.get(), F_SETFL, O_NONBLOCK) == 0);
    return {std::move(here), std::move(there)};
}

inline void put(borrowed_fd fd, std::string_view text) {
    REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

/// Reads at most `most` bytes that are there; an error is a failed test.
inline std::string take(borrowed_fd fd, std::size_t most) {
    std::string text(most, '\0');
    const ssize_t n = ::read(fd.get(), text.data(), most);
    REQUIRE(n >= 0);
    text.resize(static_cast<std::size_t>(n));
    return text;
}

/// How many events there are now; the last one's flags go to `seen`.
inline std::size_t look(epoll& set, epoll_flags* seen = nullptr) {
    std::array<epoll::event, 8> events;
    const auto n = set.wait(events, 0ns);
    REQUIRE(n);
    if (seen != nullptr) *seen = n.value() > 0 ? events[n.value() - 1].flags() : epoll_flags::none;
    return n.value();
}

/// Waits until the only descriptor of a level-triggered set shows at least `wanted`.
inline epoll_flags wait_for(epoll& set, epoll_flags wanted) {
    const auto limit = std::chrono::steady_clock::now() + 10s;
    std::array<epoll::event, 1> events;
    for (;;) {
        const auto n = set.wait(events, 10s);
        REQUIRE(n);
        REQUIRE(n.value() == 1);
        if (events[0].flags().has(wanted)) return events[0].flags();
        REQUIRE(std::chrono::steady_clock::now() < limit);
    }
}

inline void must(const dunlin::result<void>& outcome) {
    INFO((outcome ? std::string{"success"} : outcome.error().message()));
    REQUIRE(outcome.has_value());
}

/// The kernel's error of an outcome that must have failed.
template <class T>
std::errc error_of(const dunlin::result<T>& outcome) {
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().category() == std::system_category());
    return static_cast<std::errc>(outcome.error().value());
}

inline bool is_close_on_exec(borrowed_fd fd) {
    return (::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0;
}

} // namespace epoll_test
