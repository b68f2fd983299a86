// libevent's plain events, as its fast users (memcached) have them: one persistent read event a
// connection, which lies in that connection's own memory, and recv and send of our own. A
// bufferevent would ask how much is there before each read and copy every byte into a chain of
// buffers and out again.
#include "common.hpp"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <string.h>

namespace {

enum { buffer_size = 65'536, most_accepts = 64 };

/// `rest` is what `send` did not take. While there is one, nothing is read.
struct connection {
    event reading;
    event writing;
    char* rest;
    size_t size;
    size_t sent;
};

event_base* base;
event listening;
bool is_paused; // no descriptor was left for `accept`; a connection that is closed frees one
char buffer[buffer_size];

void close_connection(connection* client) {
    const int fd = event_get_fd(&client->reading);
    event_del(&client->reading);
    event_del(&client->writing);
    close(fd);
    free(client->rest);
    free(client);
    if (is_paused) event_add(&listening, nullptr);
    is_paused = false;
}

void keep(connection* client, const char* from, size_t size) {
    client->rest = static_cast<char*>(malloc(size));
    if (client->rest == nullptr) return close_connection(client);
    client->size = size;
    client->sent = 0;
    memcpy(client->rest, from, size);
    event_del(&client->reading);
    event_add(&client->writing, nullptr);
}

extern "C" void on_readable(int fd, short, void* argument) {
    connection* const client = static_cast<connection*>(argument);
    const ssize_t n = recv(fd, buffer, buffer_size, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) close_connection(client);
        return;
    }
    const ssize_t sent = send(fd, buffer, static_cast<size_t>(n), MSG_NOSIGNAL);
    if (sent == n) return;
    if (sent < 0 && errno != EAGAIN) return close_connection(client);
    const ssize_t taken = sent < 0 ? 0 : sent;
    keep(client, buffer + taken, static_cast<size_t>(n - taken));
}

extern "C" void on_writable(int fd, short, void* argument) {
    connection* const client = static_cast<connection*>(argument);
    const ssize_t n =
        send(fd, client->rest + client->sent, client->size - client->sent, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN) close_connection(client);
        return;
    }
    client->sent += static_cast<size_t>(n);
    if (client->sent < client->size) return;
    free(client->rest);
    client->rest = nullptr;
    event_del(&client->writing);
    event_add(&client->reading, nullptr);
}

extern "C" void on_connections(int listener, short, void*) {
    for (int i = 0; i < most_accepts; ++i) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            is_paused = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
            if (is_paused) event_del(&listening);
            return; // EAGAIN, or a client that is gone again
        }
        connection* const client = static_cast<connection*>(malloc(sizeof(connection)));
        if (client == nullptr) {
            close(fd);
            return;
        }
        client->rest = nullptr;
        event_assign(&client->reading, base, fd, EV_READ | EV_PERSIST, on_readable, client);
        event_assign(&client->writing, base, fd, EV_WRITE | EV_PERSIST, on_writable, client);
        event_add(&client->reading, nullptr);
    }
}

} // namespace

int main(int argc, char** argv) {
    const unsigned short port = port_argument(argc, argv);
    prepare_process();
    event_config* const config = event_config_new();
    if (config == nullptr) die("event_config_new");
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK); // one thread
    // A descriptor's interest is told to the kernel once a turn, whatever became of it meanwhile.
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    base = event_base_new_with_config(config);
    event_config_free(config);
    if (base == nullptr) die("event_base_new_with_config");

    const int listener = listen_on(port);
    event_assign(&listening, base, listener, EV_READ | EV_PERSIST, on_connections, nullptr);
    event_add(&listening, nullptr);
    say_listening(listener);
    return event_base_dispatch(base) == 0 ? 0 : 1;
}
