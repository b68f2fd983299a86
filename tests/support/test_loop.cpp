#include <support/test_loop.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace dunlin::test {

test_loop::test_loop(scheduler_options options)
    : open_before_{open_descriptors()}, scheduler_{std::in_place, options} {
    REQUIRE(scheduler::current() == &*scheduler_);
}

test_loop::~test_loop() {
    scheduler_.reset();
    CHECK(open_descriptors() == open_before_);
}

std::size_t test_loop::turn(std::chrono::nanoseconds max_wait) {
    const auto done = scheduler_->poll_once(max_wait);
    REQUIRE(done);
    return done.assume_value();
}

std::size_t test_loop::run_until_idle(std::size_t most) {
    for (std::size_t turns = 1; turns <= most; ++turns) {
        const auto events = scheduler_->counters().events;
        if (turn() == 0 && scheduler_->counters().events == events) return turns;
    }
    FAIL("not idle after " << most << " turns");
    return most;
}

test_loop::connection test_loop::socket_pair() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    unique_fd ours{ends[0]};
    raw_peer theirs{unique_fd{ends[1]}};
    REQUIRE(::fcntl(ours.get(), F_SETFL, O_NONBLOCK) == 0);
    return {tcp_socket{std::move(ours)}, std::move(theirs)};
}

test_loop::connection test_loop::tcp_pair() {
    const unique_fd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    REQUIRE(listener.is_open());
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listener.get(), generic, size) == 0);
    REQUIRE(::getsockname(listener.get(), generic, &size) == 0);
    REQUIRE(::listen(listener.get(), 1) == 0);
    unique_fd theirs{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    REQUIRE(::connect(theirs.get(), generic, size) == 0);
    unique_fd ours{::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    REQUIRE(ours.is_open());
    for (const int each : {ours.get(), theirs.get()}) {
        const int on = 1;
        REQUIRE(::setsockopt(each, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    }
    return {tcp_socket{std::move(ours)}, raw_peer{std::move(theirs)}};
}

} // namespace dunlin::test
