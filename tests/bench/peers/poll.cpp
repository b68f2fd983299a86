// poll(2) by hand. Its users keep the array that the kernel walks at every call short and without
// gaps, take a closed connection's place with the last one, and stop looking once as many were
// found as are ready.
#include "common.hpp"

#include <poll.h>
#include <string.h>

namespace {

enum { buffer_size = 65'536, most_accepts = 64 };

/// What `send` did not take; its bytes follow. While a connection has one, nothing is read from it.
struct rest {
    size_t size;
    size_t sent;
};
char* bytes_of(rest* kept) { return reinterpret_cast<char*>(kept + 1); }

size_t count;    // of those below: the listener comes first, then the connections
pollfd* waiting; // what the kernel is asked
rest** rests;    // at the same places
char buffer[buffer_size];

void add(int fd) {
    waiting[count] = {fd, POLLIN, 0};
    rests[count++] = nullptr;
}

/// The last one comes into its place.
void close_connection(size_t at) {
    free(rests[at]);
    close(waiting[at].fd);
    --count;
    waiting[at] = waiting[count];
    rests[at] = rests[count];
    waiting[0].events = POLLIN; // if no descriptor was left for `accept`, there is one now
}

void keep(size_t at, const char* from, size_t size) {
    rest* const kept = static_cast<rest*>(malloc(sizeof(rest) + size));
    if (kept == nullptr) return close_connection(at);
    kept->size = size;
    kept->sent = 0;
    memcpy(bytes_of(kept), from, size);
    rests[at] = kept;
    waiting[at].events = POLLOUT;
}

void echo(size_t at) {
    const int fd = waiting[at].fd;
    const ssize_t n = recv(fd, buffer, buffer_size, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) close_connection(at);
        return;
    }
    const ssize_t sent = send(fd, buffer, static_cast<size_t>(n), MSG_NOSIGNAL);
    if (sent == n) return;
    if (sent < 0 && errno != EAGAIN) return close_connection(at);
    const ssize_t taken = sent < 0 ? 0 : sent;
    keep(at, buffer + taken, static_cast<size_t>(n - taken));
}

void send_rest(size_t at) {
    rest* const kept = rests[at];
    const ssize_t n =
        send(waiting[at].fd, bytes_of(kept) + kept->sent, kept->size - kept->sent, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN) close_connection(at);
        return;
    }
    kept->sent += static_cast<size_t>(n);
    if (kept->sent < kept->size) return;
    free(kept);
    rests[at] = nullptr;
    waiting[at].events = POLLIN;
}

void accept_some() {
    for (int i = 0; i < most_accepts; ++i) {
        const int fd = accept4(waiting[0].fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                waiting[0].events = 0;
            return; // EAGAIN, or a client that is gone again
        }
        add(fd);
    }
}

} // namespace

int main(int argc, char** argv) {
    const unsigned short port = port_argument(argc, argv);
    prepare_process();
    waiting = static_cast<pollfd*>(calloc(most_descriptors(), sizeof *waiting));
    rests = static_cast<rest**>(calloc(most_descriptors(), sizeof *rests));
    if (waiting == nullptr || rests == nullptr) die("calloc");
    add(listen_on(port));
    say_listening(waiting[0].fd);

    for (;;) {
        int n = poll(waiting, count, -1);
        if (n < 0) {
            if (errno != EINTR) die("poll");
            continue; // the answers are the last ones then
        }
        const short is_new = waiting[0].revents;
        if (is_new != 0) --n;
        // From the end, as what then takes a closed one's place has been looked at already.
        for (size_t at = count - 1; n > 0; --at) {
            if (waiting[at].revents == 0) continue;
            --n;
            if (rests[at] != nullptr)
                send_rest(at);
            else
                echo(at);
        }
        if (is_new != 0) accept_some();
    }
}
