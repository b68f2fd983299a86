// libuv with uv_try_write, which its fast users call first: what goes out at once needs no request
// and no callback, so all connections read into one buffer; only what is left over is copied into a
// request, and the connection's reading stops until that is written. (libuv has no way to give a
// buffer per read but a callback, and it asks for one only when something is there.)
#include "common.hpp"

#include <string.h>
#include <uv.h>

namespace {

enum { buffer_size = 65'536 };

/// What uv_try_write did not take; its bytes follow.
struct rest {
    uv_write_t request;
};
char* bytes_of(rest* kept) { return reinterpret_cast<char*>(kept + 1); }

char buffer[buffer_size];

uv_stream_t* stream_of(uv_tcp_t* handle) { return reinterpret_cast<uv_stream_t*>(handle); }
uv_handle_t* handle_of(void* handle) { return static_cast<uv_handle_t*>(handle); }

extern "C" void on_closed(uv_handle_t* handle) { free(handle); }

void close_connection(uv_stream_t* client) {
    if (!uv_is_closing(handle_of(client))) uv_close(handle_of(client), on_closed);
}

extern "C" void give_buffer(uv_handle_t*, size_t, uv_buf_t* into) {
    *into = uv_buf_init(buffer, buffer_size);
}

extern "C" void on_read(uv_stream_t* client, ssize_t n, const uv_buf_t*);

extern "C" void on_written(uv_write_t* request, int error) {
    uv_stream_t* const client = request->handle;
    free(reinterpret_cast<rest*>(request));
    if (error != 0 || uv_read_start(client, give_buffer, on_read) != 0) close_connection(client);
}

void keep(uv_stream_t* client, const char* from, size_t size) {
    uv_read_stop(client);
    rest* const kept = static_cast<rest*>(malloc(sizeof(rest) + size));
    if (kept == nullptr) return close_connection(client);
    memcpy(bytes_of(kept), from, size);
    const uv_buf_t what = uv_buf_init(bytes_of(kept), static_cast<unsigned>(size));
    if (uv_write(&kept->request, client, &what, 1, on_written) != 0) {
        free(kept);
        close_connection(client);
    }
}

extern "C" void on_read(uv_stream_t* client, ssize_t n, const uv_buf_t*) {
    if (n == 0) return; // there was nothing after all
    if (n < 0) return close_connection(client);
    const uv_buf_t what = uv_buf_init(buffer, static_cast<unsigned>(n));
    const int sent = uv_try_write(client, &what, 1);
    if (sent == n) return;
    if (sent < 0 && sent != UV_EAGAIN) return close_connection(client);
    const ssize_t taken = sent < 0 ? 0 : sent;
    keep(client, buffer + taken, static_cast<size_t>(n - taken));
}

extern "C" void on_connection(uv_stream_t* listener, int error) {
    if (error != 0) return; // libuv goes on by itself
    uv_tcp_t* const client = static_cast<uv_tcp_t*>(malloc(sizeof(uv_tcp_t)));
    if (client == nullptr) die("malloc");
    uv_tcp_init(listener->loop, client);
    if (uv_accept(listener, stream_of(client)) != 0 ||
        uv_read_start(stream_of(client), give_buffer, on_read) != 0)
        close_connection(stream_of(client));
}

} // namespace

int main(int argc, char** argv) {
    const unsigned short port = port_argument(argc, argv);
    prepare_process();
    uv_loop_t* const loop = uv_default_loop();
    uv_tcp_t listener;
    sockaddr_in address;
    uv_os_fd_t fd = -1;
    uv_ip4_addr("127.0.0.1", port, &address);
    uv_tcp_init(loop, &listener);
    if (uv_tcp_bind(&listener, reinterpret_cast<sockaddr*>(&address), 0) != 0 ||
        uv_tcp_nodelay(&listener, 1) != 0 || // inherited by what it accepts
        uv_listen(stream_of(&listener), backlog, on_connection) != 0 ||
        uv_fileno(handle_of(&listener), &fd) != 0) {
        fprintf(stderr, "libuv cannot listen on port %d\n", port);
        return 1;
    }
    say_listening(fd);
    return uv_run(loop, UV_RUN_DEFAULT);
}
