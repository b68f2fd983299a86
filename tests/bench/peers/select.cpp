// select(2) by hand, the way before poll: two sets of bits that are copied for every call, since it
// answers in place, and walked up to the highest descriptor. A descriptor that has no bit
// (FD_SETSIZE is 1,024) is closed at once: written behind the set, it would corrupt memory.
#include "common.hpp"

#include <string.h>
#include <sys/select.h>

namespace {

enum { buffer_size = 65'536, most_accepts = 64 };

/// What `send` did not take; its bytes follow. While a connection has one, nothing is read from it.
struct rest {
    size_t size;
    size_t sent;
};
char* bytes_of(rest* kept) { return reinterpret_cast<char*>(kept + 1); }

int listener;
int highest; // of the descriptors in the sets
fd_set readers;
fd_set writers;
rest* rests[FD_SETSIZE]; // by descriptor
char buffer[buffer_size];

void close_connection(int fd) {
    free(rests[fd]);
    rests[fd] = nullptr;
    FD_CLR(fd, &readers);
    FD_CLR(fd, &writers);
    close(fd);
    while (!FD_ISSET(highest, &readers) &&
           !FD_ISSET(highest, &writers)) // the listener at the latest
        --highest;
    FD_SET(listener, &readers); // if no descriptor was left for `accept`, there is one now
}

void keep(int fd, const char* from, size_t size) {
    rest* const kept = static_cast<rest*>(malloc(sizeof(rest) + size));
    if (kept == nullptr) return close_connection(fd);
    kept->size = size;
    kept->sent = 0;
    memcpy(bytes_of(kept), from, size);
    rests[fd] = kept;
    FD_CLR(fd, &readers);
    FD_SET(fd, &writers);
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
    FD_CLR(fd, &writers);
    FD_SET(fd, &readers);
}

void accept_some() {
    for (int i = 0; i < most_accepts; ++i) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                FD_CLR(listener, &readers);
            return; // EAGAIN, or a client that is gone again
        }
        if (fd >= FD_SETSIZE) {
            close(fd);
            continue;
        }
        FD_SET(fd, &readers);
        if (fd > highest) highest = fd;
    }
}

} // namespace

int main(int argc, char** argv) {
    const unsigned short port = port_argument(argc, argv);
    prepare_process();
    highest = listener = listen_on(port);
    FD_SET(listener, &readers);
    say_listening(listener);

    for (;;) {
        fd_set can_read = readers;
        fd_set can_write = writers;
        int n = select(highest + 1, &can_read, &can_write, nullptr, nullptr);
        if (n < 0) {
            if (errno != EINTR) die("select");
            continue; // the sets say nothing then
        }
        for (int fd = 0; n > 0; ++fd) {
            // None is in both sets.
            if (FD_ISSET(fd, &can_read)) {
                --n;
                if (fd == listener)
                    accept_some();
                else
                    echo(fd);
            } else if (FD_ISSET(fd, &can_write)) {
                --n;
                send_rest(fd);
            }
        }
    }
}
