// What the peers share: their command line (`PROGRAM PORT`), the line they print, and what a
// process that serves many connections sets up once. Nothing here runs per message or per
// connection, so it takes no part in what is compared.
//
// The peers on C interfaces are C but for the suffix: compiled by the compiler and with the options
// that compile dunlin, in whose place each of them stands.
#pragma once

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { backlog = 4096 };

[[noreturn]] inline void die(const char* what) {
    perror(what);
    exit(1);
}

/// Whether a port (0: any that is free) is the only argument; ends the program otherwise.
inline unsigned short port_argument(int argc, char** argv) {
    char* end = nullptr;
    const long port = argc == 2 ? strtol(argv[1], &end, 10) : -1;
    if (port < 0 || port > 65'535 || end == argv[1] || *end != '\0') {
        fprintf(stderr, "usage: %s PORT\n", argc > 0 ? argv[0] : "peer");
        exit(2);
    }
    return static_cast<unsigned short>(port);
}

extern "C" inline void end_politely(int) {
    _exit(0);
} // with 0, so that tools take it for a success

/// Every descriptor is less than this.
inline size_t most_descriptors() {
    rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) die("getrlimit");
    return limit.rlim_cur;
}

/// As many descriptors as are allowed, 20,000 at most; SIGTERM ends the program with 0, SIGPIPE
/// does not.
inline void prepare_process() {
    const rlim_t wanted = 20'000;
    rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) die("getrlimit");
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) die("setrlimit");
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGTERM, end_politely) == SIG_ERR)
        die("signal");
}

/// The one line by which others know that we serve, and where.
inline void say_listening(int fd) {
    sockaddr_in address;
    socklen_t size = sizeof address;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) die("getsockname");
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
}

/// A non-blocking listener. What it accepts inherits TCP_NODELAY, so that no connection costs a
/// call for it: tcp(7) does not say so, but Linux clones the listener's socket.
inline int listen_on(unsigned short port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int yes = 1;
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0) die("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0) die("SO_REUSEADDR");
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0) die("TCP_NODELAY");
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("bind");
    if (listen(fd, backlog) != 0) die("listen");
    return fd;
}
