// An echo server written by hand on `dunlin::epoll`, the way tutorials do it: one loop, a queue of
// messages per connection, and the interest of each switched between reading and writing.
//
// This is the "before" of our story. Everything that it keeps in its head (who waits for what, what
// is still to be sent) apps/echo leaves to coroutines. See docs/epoll.md.
#include <dunlin/sys/epoll.hpp>
#include <dunlin/version.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include <fcntl.h>
#include <netdb.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

namespace {

using dunlin::borrowed_fd;
using dunlin::epoll;
using dunlin::epoll_flags;
using dunlin::result;
using dunlin::unique_fd;
using namespace std::chrono_literals;

std::error_code last_error() { return {errno, std::system_category()}; }

/// One line on standard output, at once. That nobody reads it is no reason to stop serving.
template <class... Args>
void say(fmt::format_string<Args...> text, Args&&... args) {
    const std::string line = fmt::format(text, std::forward<Args>(args)...) + '\n';
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fflush(stdout);
    std::clearerr(stdout);
}

std::string place_text(std::string_view host, std::string_view port) {
    const bool is_ipv6 = host.find(':') != host.npos;
    return is_ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::string address_text(const sockaddr_storage& address, socklen_t size) {
    std::array<char, NI_MAXHOST> host;
    std::array<char, NI_MAXSERV> port;
    if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, host.data(), host.size(),
                      port.data(), port.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return "an unknown address";
    return place_text(host.data(), port.data());
}

/// A listening socket, or the reason in words why there is none.
struct listening {
    unique_fd socket;
    std::string problem;
};

listening listen_on(const std::string& host, const std::string& port) {
    unsigned number = 0;
    const auto [end, bad] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (bad != std::errc{} || end != port.data() + port.size() || number > 65'535)
        return {{}, "the port must be a number from 0 to 65535"};

    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const char* const address = host == "localhost" ? "127.0.0.1" : host.c_str();
    if (::getaddrinfo(address, port.c_str(), &hints, &found) != 0)
        return {{}, "not an IPv4 or IPv6 address"};

    const int yes = 1;
    unique_fd socket{::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    const bool works =
        socket.is_open() &&
        ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        ::bind(socket.get(), found->ai_addr, found->ai_addrlen) == 0 &&
        ::listen(socket.get(), SOMAXCONN) == 0;
    const std::error_code why = last_error();
    ::freeaddrinfo(found);
    if (!works) return {{}, why.message()};
    return {std::move(socket), {}};
}

/// A client, and what it has sent and not yet got back. While there is anything of the latter we
/// look out for `out` and read no more, so a client that does not read costs one message, not all
/// memory.
struct connection {
    unique_fd socket;
    std::string peer;
    std::deque<std::string> queue;
    std::size_t sent = 0; // of the queue's first message
};

class server {
public:
    server(epoll set, unique_fd listener, unique_fd signals, std::chrono::duration<double> timeout)
        : set_{std::move(set)}, listener_{std::move(listener)}, signals_{std::move(signals)},
          timeout_{timeout} {}

    /// Serves until a signal comes.
    result<void> run() {
        if (auto added = set_.add(signals_, epoll_flags::in); !added) return added;
        if (auto added = set_.add(listener_, epoll_flags::in); !added) return added;
        std::array<epoll::event, 64> events;
        for (;;) {
            say("waiting for events");
            const bool paused = !accepting_;
            const auto n = set_.wait(events, paused ? std::min(timeout_, retry) : timeout_);
            if (!n) return n.error();
            if (n.value() > 0)
                say("number of events: {}", n.value());
            else if (!paused || timeout_ <= retry)
                say("timed out");
            // An event cannot belong to an earlier owner of its number: in one batch each
            // descriptor comes once, and only its own event closes it.
            for (std::size_t i = 0; i < n.value(); ++i) {
                const borrowed_fd fd = events[i].fd();
                if (fd == signals_.borrow()) {
                    send_what_fits();
                    return dunlin::success();
                }
                if (fd == listener_.borrow())
                    accept_one();
                else
                    serve(connections_.at(fd.get()));
            }
            // While we could not accept, a closed connection or some time may have changed that.
            if (paused && (n.value() == 0 || has_room_)) resume_accepting();
        }
    }

private:
    static constexpr std::chrono::duration<double> retry = 250ms;

    void accept_one() {
        sockaddr_storage address{};
        socklen_t size = sizeof address;
        unique_fd client{::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC)};
        if (!client.is_open()) {
            // Whoever is in the queue stays there. Level-triggered, the listener would report them
            // again at once and for ever, so it leaves the set for a while.
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                pause_accepting();
            return; // anything else: this client is gone already, and the next one is reported
        }
        std::string peer = address_text(address, size);
        if (const auto added = set_.add(client, epoll_flags::in); !added) {
            say("cannot watch {}: {}", peer, added.error().message());
            return;
        }
        say("new connection from {}", peer);
        const int number = client.get();
        connections_.emplace(number, connection{std::move(client), std::move(peer), {}, 0});
    }

    void pause_accepting() {
        say("cannot accept: {}; waiting for a connection to end", last_error().message());
        accepting_ = !set_.remove(listener_);
        has_room_ = false;
    }

    void resume_accepting() { accepting_ = set_.add(listener_, epoll_flags::in).has_value(); }

    /// Does what the connection waits for, whatever was reported: a hang-up or an error shows as
    /// the outcome of the call, after the data that came before it.
    void serve(connection& client) {
        if (client.queue.empty())
            receive(client);
        else
            send(client);
    }

    void receive(connection& client) {
        const ssize_t n = ::recv(client.socket.get(), room_.data(), room_.size(), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0) return close(client); // the end, or a reset; nothing is left to be sent
        say("received {} bytes from {}", n, client.peer);
        client.queue.emplace_back(room_.data(), static_cast<std::size_t>(n));
        look_out_for(client, epoll_flags::out);
    }

    void send(connection& client) {
        const std::string& message = client.queue.front();
        const ssize_t n = ::send(client.socket.get(), message.data() + client.sent,
                                 message.size() - client.sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n < 0) return close(client);
        say("sent {} bytes to {}", n, client.peer);
        client.sent += static_cast<std::size_t>(n);
        if (client.sent < message.size()) return; // the rest when there is room
        client.queue.pop_front();
        client.sent = 0;
        if (!client.queue.empty()) return;
        say("queue empty");
        look_out_for(client, epoll_flags::in);
    }

    /// The last attempt before the end: what has been received is sent back, as far as nobody must
    /// wait.
    void send_what_fits() {
        for (const auto& [number, client] : connections_) {
            if (client.queue.empty()) continue;
            const std::string_view rest =
                std::string_view{client.queue.front()}.substr(client.sent);
            ::send(number, rest.data(), rest.size(), MSG_NOSIGNAL);
        }
    }

    void look_out_for(connection& client, epoll_flags flags) {
        if (!set_.modify(client.socket, flags)) close(client);
    }

    void close(connection& client) {
        say("client closed {}", client.peer);
        static_cast<void>(
            set_.remove(client.socket)); // before close: a duplicate may live elsewhere
        connections_.erase(client.socket.get());
        has_room_ = true;
    }

    epoll set_;
    unique_fd listener_;
    unique_fd signals_;
    std::chrono::duration<double> timeout_;
    std::unordered_map<int, connection> connections_;
    std::array<char, 65'536> room_{};
    bool accepting_ = true; // the listener is in the set
    bool has_room_ = true;  // a connection has ended since accepting failed
};

/// A descriptor that is readable when SIGINT or SIGTERM came. In the set with all others it cannot
/// be missed, as a flag that is looked at before the wait can.
unique_fd stop_signals() {
    sigset_t both;
    ::sigemptyset(&both);
    ::sigaddset(&both, SIGINT);
    ::sigaddset(&both, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &both, nullptr);
    return unique_fd{::signalfd(-1, &both, SFD_CLOEXEC | SFD_NONBLOCK)};
}

/// Standard descriptors that were closed would become sockets, and our lines go to a client.
void open_standard_descriptors() {
    int number = 0;
    do
        number = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    while (number >= 0 && number <= 2);
    unique_fd{number}.close();
}

int fail(std::string_view what, std::string_view why) {
    const std::string line = fmt::format("echo_epoll: {}: {}\n", what, why);
    std::fputs(line.c_str(), stderr); // it may be closed or full: nothing to be done
    return 1;
}

} // namespace

int main(int argc, char* argv[]) {
    open_standard_descriptors();
    std::signal(SIGPIPE, SIG_IGN); // standard output may be a pipe that nobody reads any more

    std::string host = "127.0.0.1";
    std::string port = "8888";
    double timeout = 10;
    CLI::App app{"An echo server on epoll, written by hand", "echo_epoll"};
    app.add_option("--host", host, "address to listen on")->capture_default_str();
    app.add_option("--port", port, "port to listen on; 0 picks a free one")->capture_default_str();
    app.add_option("--timeout", timeout, "seconds to wait for events before saying so")
        ->check(CLI::Range(0.001, 1e9))
        ->capture_default_str();
    app.set_version_flag("--version", "echo_epoll " DUNLIN_VERSION_STRING);
    app.failure_message(CLI::FailureMessage::help);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& stop) { // --help and --version, too
        return app.exit(stop) == 0 ? 0 : 2;
    }

    auto [listener, problem] = listen_on(host, port);
    if (!listener.is_open()) return fail("cannot listen on " + place_text(host, port), problem);

    unique_fd signals = stop_signals();
    if (!signals.is_open()) return fail("cannot wait for signals", last_error().message());
    auto set = epoll::create();
    if (!set) return fail("cannot wait for events", set.error().message());

    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
    say("listening on {}", address_text(address, size));

    server echo{std::move(set).value(), std::move(listener), std::move(signals),
                std::chrono::duration<double>{timeout}};
    if (const auto served = echo.run(); !served)
        return fail("cannot wait for events", served.error().message());
    return 0;
}
