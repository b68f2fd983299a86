// epoll by hand, level-triggered, as most loops on the bare kernel are: one receive and one send
// for each event, since what is left comes again with the next wait; the interest is switched to
// EPOLLOUT only while bytes are owed to a client that does not read.
#include "common.hpp"

#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>

namespace {

enum { buffer_size = 65'536, most_events = 512, most_accepts = 64 };

/// What `send` did not take; its bytes follow. While a connection has one, nothing is read from it.
struct rest {
    size_t size;
    size_t sent;
};
char* bytes_of(rest* kept) { return reinterpret_cast<char*>(kept + 1); }

int poller;
int listener;
bool is_paused; // no descriptor was left for `accept`; a connection that is closed frees one
rest** rests;   // by descriptor
char buffer[buffer_size];

void control(int operation, int fd, uint32_t interest) {
    epoll_event event = {};
    event.events = interest;
    event.data.fd = fd;
    if (epoll_ctl(poller, operation, fd, &event) != 0) die("epoll_ctl");
}

void close_connection(int fd) {
    free(rests[fd]);
    rests[fd] = nullptr;
    close(fd);
    if (is_paused) control(EPOLL_CTL_MOD, listener, EPOLLIN);
    is_paused = false;
}

void keep(int fd, const char* from, size_t size) {
    rest* const kept = static_cast<rest*>(malloc(sizeof(rest) + size));
    if (kept == nullptr) return close_connection(fd);
    kept->size = size;
    kept->sent = 0;
    memcpy(bytes_of(kept), from, size);
    rests[fd] = kept;
    control(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

void echo(int fd) {
    const ssize_t n = recv(fd, buffer, buffer_size, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) close_connection(fd);
        return;
    }
    const ssize_t sent = send(fd, buffer, static_cast<size_t>(n), MSG_NOSIGNAL);
    if (sent == n) return;
    if (sent < 0 && errno != EAGAIN) return close_connection(fd);
    const ssize_t taken = sent < 0 ? 0 : sent;
    keep(fd, buffer + taken, static_cast<size_t>(n - taken));
}

void send_rest(int fd) {
    rest* const kept = rests[fd];
    const ssize_t n = send(fd, bytes_of(kept) + kept->sent, kept->size - kept->sent, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN) close_connection(fd);
        return;
    }
    kept->sent += static_cast<size_t>(n);
    if (kept->sent < kept->size) return;
    free(kept);
    rests[fd] = nullptr;
    control(EPOLL_CTL_MOD, fd, EPOLLIN);
}

void accept_some() {
    for (int i = 0; i < most_accepts; ++i) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            is_paused = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
            if (is_paused) control(EPOLL_CTL_MOD, listener, 0);
            return; // EAGAIN, or a client that is gone again
        }
        control(EPOLL_CTL_ADD, fd, EPOLLIN);
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
            if (fd == listener)
                accept_some();
            else if (rests[fd] != nullptr)
                send_rest(fd);
            else
                echo(fd);
        }
    }
}
