// Socket options read back, their limits, and what bind(2) allows together.
#include "recorder.hpp"

#include <cerrno>

#include <netinet/in.h>
#include <netinet/tcp.h>

using namespace behaviour;

static constexpr const char* topic = "h_options";

SITUATION("what kind of socket it is") {
    t.tcp("a");
    t.get("a", SO_TYPE).is("1");
    t.get("a", SO_PROTOCOL).is("6");
    t.get("a", SO_DOMAIN).is("2");
    t.socket("u", AF_INET6, datagram);
    t.get("u", SO_TYPE).is("2");
    t.get("u", SO_PROTOCOL).is("17");
    t.get("u", SO_DOMAIN).is("10");
    t.pair("p", "q");
    t.get("p", SO_TYPE).is("1");
    t.get("p", SO_PROTOCOL).is("0");
    t.get("p", SO_DOMAIN).is("1");
}

SITUATION("options of a fresh TCP socket") {
    t.tcp("a");
    for (const int option : {SO_ERROR, SO_ACCEPTCONN, SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE,
                             SO_OOBINLINE, SO_BROADCAST})
        t.get("a", option).is("0");
    t.get("a", SO_RCVLOWAT).is("1");
    t.get_linger("a").is("0/0 s");
    t.get("a", IPPROTO_TCP, TCP_NODELAY).is("0");
    t.get("a", IPPROTO_TCP, TCP_CORK).is("0");
    t.get("a", IPPROTO_TCP, TCP_KEEPIDLE).is("7200");
    t.get("a", IPPROTO_TCP, TCP_KEEPINTVL).is("75");
    t.get("a", IPPROTO_TCP, TCP_KEEPCNT).is("9");
    t.get("a", IPPROTO_TCP, TCP_USER_TIMEOUT).is("0");
}

SITUATION("switches are 0 or 1 whatever they were set to") {
    t.tcp("a");
    for (const int option : {SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE, SO_OOBINLINE}) {
        t.set("a", option, 5).is(0);
        t.get("a", option).is("1");
        t.set("a", option, 0).is(0);
        t.get("a", option).is("0");
    }
    t.set("a", IPPROTO_TCP, TCP_NODELAY, 7).is(0);
    t.get("a", IPPROTO_TCP, TCP_NODELAY).is("1");
}

SITUATION("the keep-alive family and its limits") {
    t.tcp("a");
    t.set("a", IPPROTO_TCP, TCP_KEEPIDLE, 30).is(0);
    t.set("a", IPPROTO_TCP, TCP_KEEPINTVL, 10).is(0);
    t.set("a", IPPROTO_TCP, TCP_KEEPCNT, 4).is(0);
    t.get("a", IPPROTO_TCP, TCP_KEEPIDLE).is("30");
    t.get("a", IPPROTO_TCP, TCP_KEEPINTVL).is("10");
    t.get("a", IPPROTO_TCP, TCP_KEEPCNT).is("4");
    t.set("a", IPPROTO_TCP, TCP_KEEPIDLE, 0).fails(EINVAL);
    t.set("a", IPPROTO_TCP, TCP_KEEPIDLE, 32768).fails(EINVAL);
    t.set("a", IPPROTO_TCP, TCP_KEEPINTVL, 0).fails(EINVAL);
    t.set("a", IPPROTO_TCP, TCP_KEEPCNT, 128).fails(EINVAL);
    t.get("a", IPPROTO_TCP, TCP_KEEPIDLE).is("30");
    t.set("a", IPPROTO_TCP, TCP_USER_TIMEOUT, 5000).is(0);
    t.get("a", IPPROTO_TCP, TCP_USER_TIMEOUT).is("5000");
    t.set("a", IPPROTO_TCP, TCP_USER_TIMEOUT, -1).fails(EINVAL);
}

SITUATION("buffer sizes are doubled, and have a least") {
    t.tcp("a");
    t.set("a", SO_SNDBUF, 10000).is(0);
    t.get("a", SO_SNDBUF).is("20000");
    t.set("a", SO_RCVBUF, 10000).is(0);
    t.get("a", SO_RCVBUF).is("20000");
    t.set("a", SO_SNDBUF, 1).is(0);
    t.get("a", SO_SNDBUF).is("4608");
    t.set("a", SO_RCVBUF, 1).is(0);
    t.get("a", SO_RCVBUF).is("2304");
    t.pair("p", "q");
    t.set("p", SO_SNDBUF, 1);
    t.get("p", SO_SNDBUF).is("4608");
}

SITUATION("lingering is read back") {
    t.tcp("a");
    t.linger("a", 1, 5).is(0);
    t.get_linger("a").is("1/5 s");
    t.linger("a", 0, 9).is(0);
    t.get_linger("a").is("0/5 s"); // switched off, the seconds stay
    t.linger("a", 1, 0).is(0);
    t.get_linger("a").is("1/0 s");
}

SITUATION("options that only tell, and options there are none of") {
    t.tcp("a");
    t.set("a", SO_TYPE, 1).fails(ENOPROTOOPT);
    t.set("a", SO_ERROR, 1).fails(ENOPROTOOPT);
    t.set("a", SO_PROTOCOL, 1).fails(ENOPROTOOPT);
    t.set("a", SO_ACCEPTCONN, 1).fails(ENOPROTOOPT);
    t.set("a", SOL_SOCKET, 9999, 1).fails(ENOPROTOOPT);
    t.get("a", SOL_SOCKET, 9999).fails(ENOPROTOOPT);
    t.set("a", IPPROTO_TCP, 9999, 1).fails(ENOPROTOOPT);
    t.get("a", IPPROTO_TCP, 9999).fails(ENOPROTOOPT);
    t.set("a", 77, 1, 1).fails(ENOPROTOOPT);
    t.get("a", 77, 1).fails(EOPNOTSUPP);
    t.get("a", IPPROTO_IPV6, IPV6_V6ONLY);
}

SITUATION("options of TCP where there is no TCP") {
    t.pair("p", "q");
    t.set("p", IPPROTO_TCP, TCP_NODELAY, 1).fails(EOPNOTSUPP);
    t.get("p", IPPROTO_TCP, TCP_NODELAY).fails(EOPNOTSUPP);
    t.socket("u", AF_INET, datagram);
    t.set("u", IPPROTO_TCP, TCP_NODELAY, 1);
    t.get("u", IPPROTO_TCP, TCP_NODELAY);
}

SITUATION("options after the connection is made") {
    t.tcp_pair();
    t.set("c", IPPROTO_TCP, TCP_NODELAY, 1).is(0);
    t.get("c", IPPROTO_TCP, TCP_NODELAY).is("1");
    t.get("s", IPPROTO_TCP, TCP_NODELAY).is("0");
    t.set("s", SO_KEEPALIVE, 1).is(0);
    t.get("s", SO_KEEPALIVE).is("1");
    t.reset("c");
    t.get("s", SO_KEEPALIVE).is("1");
    t.set("s", IPPROTO_TCP, TCP_NODELAY, 1).is(0);
}

SITUATION("V6ONLY is read back until the socket is bound") {
    t.socket("a", AF_INET6, stream);
    t.set("a", IPPROTO_IPV6, IPV6_V6ONLY, 1).is(0);
    t.get("a", IPPROTO_IPV6, IPV6_V6ONLY).is("1");
    t.bind("a", "[::1]:0");
    t.set("a", IPPROTO_IPV6, IPV6_V6ONLY, 0).fails(EINVAL);
    t.get("a", IPPROTO_IPV6, IPV6_V6ONLY).is("1");
}

namespace {

/// Who says REUSEADDR, who REUSEPORT, whether the first listens, and whether a second may at p1.
void bind_row(recorder& t, int first_option, int second_option, bool listening, bool may,
              const std::string& first = "127.0.0.1", const std::string& second = "127.0.0.1") {
    t.tcp("a");
    if (first_option != 0) t.set("a", first_option, 1);
    t.bind("a", first + ":0").is(0);
    t.getsockname("a").is(first + ":p1");
    if (listening) t.listen("a").is(0);
    t.tcp("b");
    if (second_option != 0) t.set("b", second_option, 1);
    if (!may) {
        t.bind("b", second + ":p1").fails(EADDRINUSE);
        return;
    }
    t.bind("b", second + ":p1").is(0);
    t.listen("b").is(0);
}

} // namespace

SITUATION("bind: none says anything, the first is only bound") { bind_row(t, 0, 0, false, false); }
SITUATION("bind: both say REUSEADDR, the first is only bound") {
    bind_row(t, SO_REUSEADDR, SO_REUSEADDR, false, true);
}
SITUATION("bind: both say REUSEADDR, the first listens") {
    bind_row(t, SO_REUSEADDR, SO_REUSEADDR, true, false);
}
SITUATION("bind: the second says REUSEADDR, the first is only bound") {
    bind_row(t, 0, SO_REUSEADDR, false, false);
}
SITUATION("bind: the first says REUSEADDR, the second not") {
    bind_row(t, SO_REUSEADDR, 0, false, false);
}
SITUATION("bind: both say REUSEPORT, the first listens") {
    bind_row(t, SO_REUSEPORT, SO_REUSEPORT, true, true);
}
SITUATION("bind: one says REUSEADDR, the other REUSEPORT") {
    bind_row(t, SO_REUSEADDR, SO_REUSEPORT, false, false);
}
SITUATION("bind: the second says REUSEPORT, the first listens") {
    bind_row(t, 0, SO_REUSEPORT, true, false);
}

SITUATION("both bound with REUSEADDR, and only one may listen") {
    for (const char* a : {"a", "b"}) {
        t.tcp(a);
        t.set(a, SO_REUSEADDR, 1);
    }
    t.bind("a", "127.0.0.1:0").is(0);
    t.getsockname("a").is("127.0.0.1:p1");
    t.bind("b", "127.0.0.1:p1").is(0);
    t.listen("a").is(0);
    t.listen("b").fails(EADDRINUSE);
    t.close("a");
    t.listen("b").is(0);
}

SITUATION("bind: the wildcard and a specific address are in each other's way") {
    bind_row(t, 0, 0, true, false, "0.0.0.0", "127.0.0.1");
}
SITUATION("bind: a specific address and then the wildcard") {
    bind_row(t, 0, 0, true, false, "127.0.0.1", "0.0.0.0");
}
SITUATION("bind: a listening wildcard and a specific address, both with REUSEADDR") {
    bind_row(t, SO_REUSEADDR, SO_REUSEADDR, true, false, "0.0.0.0", "127.0.0.1");
}

SITUATION("bind: another address of this machine at the same port") {
    t.tcp("a");
    t.bind("a", "127.0.0.1:0");
    t.getsockname("a").is("127.0.0.1:p1");
    t.listen("a");
    t.tcp("b");
    t.set("b", SO_REUSEADDR, 1);       // whatever once waited at that port there
    t.bind("b", "127.0.9.2:p1").is(0); // not one that load generators use
    t.listen("b").is(0);
}

SITUATION("bind: port 0 gives everyone another port") {
    t.tcp("a");
    t.bind("a", "127.0.0.1:0");
    t.getsockname("a").is("127.0.0.1:p1");
    t.tcp("b");
    t.bind("b", "127.0.0.1:0");
    t.getsockname("b").is("127.0.0.1:p2");
}

SITUATION("bind: a closed socket's port is free at once") {
    t.listener("l");
    t.close("l");
    t.tcp("b");
    t.bind("b", "127.0.0.1:p1").is(0);
    t.listen("b").is(0);
}

SITUATION("bind: a port with live connections, its listener gone") {
    t.tcp_pair(); // the listener said REUSEADDR, so did what it accepted
    t.close("l");
    t.tcp("b");
    t.bind("b", "127.0.0.1:p1").fails(EADDRINUSE);
    t.set("b", SO_REUSEADDR, 1);
    t.bind("b", "127.0.0.1:p1").is(0);
    t.listen("b").is(0);
    t.connected("c2", "s2", "b");
}

SITUATION("bind: UDP and TCP have ports of their own") {
    t.listener("l");
    t.socket("u", AF_INET, datagram);
    t.set("u", SO_REUSEADDR, 1);
    t.bind("u", "127.0.0.1:p1").is(0);
}

SITUATION("bind: UDP, the same port twice") {
    t.socket("a", AF_INET, datagram);
    t.bind("a", "127.0.0.1:0");
    t.getsockname("a").is("127.0.0.1:p1");
    t.socket("b", AF_INET, datagram);
    t.bind("b", "127.0.0.1:p1").fails(EADDRINUSE);
    t.set("a", SO_REUSEADDR, 1);
    t.set("b", SO_REUSEADDR, 1);
    t.bind("b", "127.0.0.1:p1").is(0);
}
