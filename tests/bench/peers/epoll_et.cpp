// The floor: epoll by hand, edge-triggered, every connection registered once. Who writes for speed
// on the bare kernel writes this: receive until a short read shows that nothing is left, send at
// once from the one shared buffer, and keep memory for a connection only while it owes bytes to a
// client that does not read.
#include "common.hpp"

#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>

namespace {

enum {
    buffer_size = 65'536,
    most_reads = 4, // full buffers from one connection before the others have their turn
    most_events = 512,
    most_accepts = 64,
};

/// What `send` did not take; its bytes follow. While a connection has one, nothing is read from it.
struct rest {
    size_t size;
    size_t sent;
};
char* bytes_of(rest* kept) { return reinterpret_cast<char*>(kept + 1); }

int poller;
int listener;
bool is_paused; // no descriptor was left for `accept`; a connection that is closed frees one
rest** rests;   // by descriptor; eight bytes a connection are all that we keep
char buffer[buffer_size];

void control(int operation, int fd, uint32_t interest) {
    epoll_event event = {};
    event.events = interest;
    event.data.fd = fd;
    if (epoll_ctl(poller, operation, fd, &event) != 0) die("epoll_ctl");
}

[[gnu::noinline, gnu::cold]] void close_connection(int fd) {
    free(rests[fd]);
    rests[fd] = nullptr;
    close(fd); // which takes it out of the epoll set
    if (is_paused) control(EPOLL_CTL_MOD, listener, EPOLLIN);
    is_paused = false;
}

[[gnu::noinline, gnu::cold]] void keep(int fd, const char* from, size_t size) {
    rest* const kept = static_cast<rest*>(malloc(sizeof(rest) + size));
    if (kept == nullptr) return close_connection(fd);
    kept->size = size;
    kept->sent = 0;
    memcpy(bytes_of(kept), from, size);
    rests[fd] = kept;
}

/// Echoes what is there. With `to_the_end` a short read does not count as the last one: it may be
/// that the edge that tells of more, or of the end, has come already.
[[gnu::always_inline]] inline void echo(int fd, bool to_the_end) {
    for (int i = 0; i < most_reads; ++i) {
        const ssize_t n = recv(fd, buffer, buffer_size, 0);
        if (n <= 0) {
            if (n == 0 || errno != EAGAIN) close_connection(fd);
            return;
        }
        const size_t size = static_cast<size_t>(n);
        ssize_t sent = send(fd, buffer, size, MSG_NOSIGNAL);
        if (sent != n) {
            if (sent < 0 && errno != EAGAIN) return close_connection(fd);
            if (sent < 0) sent = 0;
            return keep(fd, buffer + sent, size - static_cast<size_t>(sent));
        }
        if (size < buffer_size && !to_the_end) return;
    }
    // It sends faster than we read. Looking at it anew puts it behind those who are waiting.
    control(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

/// Sends more of the rest, and goes on reading once that is gone.
[[gnu::noinline, gnu::cold]] void send_rest(int fd) {
    rest* const kept = rests[fd];
    const ssize_t n = send(fd, bytes_of(kept) + kept->sent, kept->size - kept->sent, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN) close_connection(fd);
        return;
    }
    kept->sent += static_cast<size_t>(n);
    if (kept->sent < kept->size) return; // a short send: there will be an edge
    free(kept);
    rests[fd] = nullptr;
    echo(fd, true);
}

void accept_some() {
    for (int i = 0; i < most_accepts; ++i) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            is_paused = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
            if (is_paused) control(EPOLL_CTL_MOD, listener, 0);
            return; // EAGAIN, or a client that is gone again
        }
        control(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    }
}

} // namespace

int main(int argc, char** argv) {
    const unsigned short port = port_argument(argc, argv);
    prepare_process();
    rests = static_cast<rest**>(calloc(most_descriptors(), sizeof *rests));
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (rests == nullptr || poller < 0) die("epoll_create1");
    listener = listen_on(port);
    control(EPOLL_CTL_ADD, listener, EPOLLIN);
    say_listening(listener);

    static epoll_event events[most_events];
    for (;;) {
        const int n = epoll_wait(poller, events, most_events, -1);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < n; ++i) {
            const int fd = events[i].data.fd;
            const uint32_t is = events[i].events;
            if (fd == listener) {
                accept_some();
            } else if (rests[fd] == nullptr) {
                // A new connection's first edge says no more than that it can be sent to.
                if (is & ~static_cast<uint32_t>(EPOLLOUT)) echo(fd, is & ~(EPOLLIN | EPOLLOUT));
            } else if (is & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
                send_rest(fd);
            }
        }
    }
}
