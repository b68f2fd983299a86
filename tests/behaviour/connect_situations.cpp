// connect(2), listen(2) and accept(2) in every state, and the addresses there.
#include "recorder.hpp"

#include <cerrno>

#include <netinet/in.h>

using namespace behaviour;

static constexpr const char* topic = "e_connect";

SITUATION("addresses of a fresh, bound and listening socket") {
    t.tcp("a");
    t.getsockname("a").is("0.0.0.0:0");
    t.getpeername("a").fails(ENOTCONN);
    t.bind("a", "127.0.0.1:0");
    t.getsockname("a").is("127.0.0.1:p1");
    t.getpeername("a").fails(ENOTCONN);
    t.listen("a");
    t.getsockname("a").is("127.0.0.1:p1");
    t.getpeername("a").fails(ENOTCONN);
}

SITUATION("addresses of a connected socket, until and after its end") {
    t.tcp_pair();
    t.getpeername("c").is("127.0.0.1:p1");
    t.getsockname("s").is("127.0.0.1:p1");
    t.getsockname("c").is("127.0.0.1:p2");
    t.getpeername("s").is("127.0.0.1:p2");
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.getpeername("s").is(0);
    t.getpeername("c").is(0);
    t.shutdown("s", SHUT_WR);
    t.settle();
    t.getpeername("s").fails(ENOTCONN); // it is closed, though not by us
    t.getpeername("c").fails(ENOTCONN);
    t.getsockname("c").is("127.0.0.1:p2");
}

SITUATION("addresses after a refused connect") {
    t.tcp("closed");
    t.bind("closed", "127.0.0.1:0");
    t.getsockname("closed").is("127.0.0.1:p1");
    t.tcp("c");
    t.connect("c", "127.0.0.1:p1");
    t.settle();
    t.getpeername("c").fails(ENOTCONN);
    t.getsockname("c");
    t.so_error("c").is("ECONNREFUSED");
    t.tcp("d");
    t.bind("d", "127.0.0.1:0");
    t.getsockname("d");
    t.connect("d", "127.0.0.1:p1");
    t.settle();
    t.getsockname("d"); // its own port stays
}

SITUATION("addresses after a reset") {
    t.tcp_pair();
    t.reset("c");
    t.getpeername("s").fails(ENOTCONN);
    t.getsockname("s").is("127.0.0.1:p1");
}

SITUATION("a fresh socket has no connection") {
    t.tcp("a");
    t.recv("a").fails(ENOTCONN);
    t.send("a", "x").fails(EPIPE);
    t.shutdown("a", SHUT_WR).fails(ENOTCONN);
    t.shutdown("a", SHUT_RDWR).fails(ENOTCONN);
    t.accept("s", "a").fails(EINVAL);
    t.readable_bytes("a").is("0");
    t.unsent_bytes("a").is("0");
    t.so_error("a").is("0");
    t.recv("a", 1, MSG_OOB).fails(EINVAL);
    t.recv("a", 0).is(0); // not ENOTCONN
}

SITUATION("a listening socket has no connection either") {
    t.listener("l");
    t.recv("l").fails(ENOTCONN);
    t.send("l", "x").fails(EPIPE);
    t.readable_bytes("l").fails(EINVAL);
    t.unsent_bytes("l").fails(EINVAL);
    t.poll("l").is("0");
    t.connect("l", "127.0.0.1:p1").fails(EISCONN);
    t.get("l", SO_ACCEPTCONN).is("1");
}

SITUATION("a connected socket accepts, listens and binds nothing") {
    t.tcp_pair();
    t.accept("x", "s").fails(EINVAL);
    t.listen("s").fails(EINVAL);
    t.bind("c", "127.0.0.1:0").fails(EINVAL);
    t.connect("s", "127.0.0.1:p1").fails(EISCONN);
    t.get("s", SO_ACCEPTCONN).is("0");
}

SITUATION("listening without an address picks a port on all of them") {
    t.tcp("l");
    t.listen("l").is(0);
    t.getsockname("l").is("0.0.0.0:p1");
    t.tcp("c");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.poll("c", EPOLLOUT, 1000).is("OUT");
    t.accept("s", "l").is(2);
}

SITUATION("the unspecified address connects to this machine") {
    t.listener("l");
    t.tcp("c");
    t.connect("c", "*:p1").fails(EINPROGRESS);
    t.poll("c", EPOLLOUT, 1000).is("OUT");
    t.getpeername("c").is("127.0.0.1:p1");
}

SITUATION("all of 127/8 is this machine; a listener of one address has that only") {
    t.listener("l");
    t.tcp("w");
    t.bind("w", "*:0");
    t.getsockname("w").is("0.0.0.0:p2");
    t.listen("w");
    t.tcp("c");
    t.connect("c", "127.0.0.2:p1").fails(EINPROGRESS);
    t.settle();
    t.so_error("c").is("ECONNREFUSED");
    t.tcp("d");
    t.connect("d", "127.0.0.2:p2").fails(EINPROGRESS);
    t.settle();
    t.so_error("d").is("0");
    t.getpeername("d").is("127.0.0.2:p2");
    t.accept("s", "w");
    t.getsockname("s").is("127.0.0.2:p2");
}

SITUATION("connecting from an address of one's choice") {
    t.listener("l");
    t.tcp("c");
    t.bind("c", "127.0.0.3:0").is(0);
    t.getsockname("c").is("127.0.0.3:p2");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.accept("s", "l").is("127.0.0.3:p2");
}

SITUATION("an address without a port gets one when it connects") {
    t.listener("l");
    t.tcp("c");
    t.get("c", IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT).is("0");
    t.set("c", IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1).is(0);
    t.get("c", IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT).is("1");
    t.bind("c", "127.0.0.3:0").is(0);
    t.getsockname("c").is("127.0.0.3:0");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.getsockname("c").is("127.0.0.3:p2");
    t.accept("s", "l").is("127.0.0.3:p2");
}

SITUATION("connecting from a wildcard address settles on one") {
    t.listener("l");
    t.tcp("c");
    t.bind("c", "*:0").is(0);
    t.getsockname("c").is("0.0.0.0:p2");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.getsockname("c").is("127.0.0.1:p2");
}

SITUATION("connecting to port 0") {
    t.tcp("c");
    t.connect("c", "127.0.0.1:0").fails(EINPROGRESS);
    t.settle();
    t.so_error("c").is("ECONNREFUSED");
    t.poll("c").is("IN+OUT+HUP+RDHUP");
}

SITUATION("addresses of another family") {
    t.tcp("c");
    t.connect("c", "[::1]:9").fails(EAFNOSUPPORT);
    t.bind("c", "[::1]:0").fails(EAFNOSUPPORT);
    t.socket("six", AF_INET6, stream);
    t.connect("six", "127.0.0.1:9").fails(EINVAL); // shorter than one of IPv6
    t.bind("six", "127.0.0.1:0").fails(EINVAL);
}

SITUATION("a connection that no room is for: in progress, and no bit") {
    t.listener("l", 0);
    t.tcp("c1");
    t.connect("c1", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.tcp("c2");
    t.epoll("e");
    t.add("e", "c2", EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    t.wait("e").is("c2:OUT+HUP");
    t.connect("c2", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.wait("e").is(0);
    t.connect("c2", "127.0.0.1:p1").fails(EALREADY);
    t.getsockname("c2").is(0);
    t.getpeername("c2").fails(ENOTCONN);
    t.recv("c2").fails(EAGAIN);
    t.send("c2", "x").fails(EAGAIN);
    t.readable_bytes("c2").is("0");
    t.so_error("c2").is("0");
    t.listen("c2").fails(EINVAL);
    t.bind("c2", "127.0.0.1:0").fails(EINVAL);
}

SITUATION("a connection in progress that is shut down") {
    t.listener("l", 0);
    t.tcp("c1");
    t.connect("c1", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.tcp("c2");
    t.connect("c2", "127.0.0.1:p1").fails(EINPROGRESS);
    t.shutdown("c2", SHUT_WR);
    t.poll("c2").is("OUT+ERR+HUP");
    t.so_error("c2").is("ECONNRESET");
    t.recv("c2").fails(ENOTCONN);
    t.connect("c2", "127.0.0.1:p1").fails(EINPROGRESS);
}

SITUATION("a refused socket can connect again, elsewhere") {
    t.listener("l");
    t.tcp("closed");
    t.bind("closed", "127.0.0.1:0");
    t.getsockname("closed").is("127.0.0.1:p2");
    t.tcp("c");
    t.connect("c", "127.0.0.1:p2").fails(EINPROGRESS);
    t.settle();
    t.so_error("c").is("ECONNREFUSED");
    t.connect("c", "127.0.0.1:p1").fails(ECONNABORTED); // the refused one ends only now
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.poll("c").is("OUT");
    t.so_error("c").is("0");
}

SITUATION("the family UNSPEC takes a connection apart, and the socket is as new") {
    t.tcp_pair();
    t.connect("c", "unspec").is(0);
    t.settle();
    t.poll("c").is("OUT+ERR+HUP");
    t.so_error("c").is("ECONNRESET"); // its own reset is its own error too
    t.poll("c").is("OUT+HUP");
    t.getpeername("c").fails(ENOTCONN);
    t.getsockname("c").is("0.0.0.0:p2");    // the port is named still
    t.poll("s").is("IN+OUT+ERR+HUP+RDHUP"); // it was a reset
    t.recv("s").fails(ECONNRESET);
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.poll("c").is("OUT");
    t.accept("s2", "l");
}

SITUATION("the same two ends twice") {
    t.tcp_pair();
    t.getsockname("c").is("127.0.0.1:p2");
    t.tcp("again");
    t.set("again", SO_REUSEADDR, 1);
    t.bind("again", "127.0.0.1:p2").fails(EADDRINUSE);
    t.tcp("third");
    t.set("third", SO_REUSEADDR, 1);
    t.bind("third", "127.0.0.1:p1").fails(EADDRINUSE);
}

SITUATION("two sockets at one port, both with REUSEADDR, connect to one place") {
    t.listener("l");
    for (const char* c : {"c", "d"}) {
        t.tcp(c);
        t.set(c, SO_REUSEADDR, 1);
    }
    t.bind("c", "127.0.0.1:0").is(0);
    t.getsockname("c").is("127.0.0.1:p2");
    t.bind("d", "127.0.0.1:p2").is(0);
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.connect("d", "127.0.0.1:p1").fails(EADDRNOTAVAIL);
    t.poll("d").is("OUT+HUP");
}

SITUATION("a listener that is shut down listens no more, not even again") {
    t.listener("l");
    t.epoll("e");
    t.add("e", "l", EPOLLIN | EPOLLRDHUP);
    t.tcp("c");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.shutdown("l", SHUT_RD).is(0);
    t.settle();
    t.wait("e").is("l:HUP");
    t.poll("l").is("OUT+HUP");
    t.poll("c").is("IN+OUT+ERR+HUP+RDHUP"); // it was waiting to be accepted
    t.recv("c").fails(ECONNRESET);
    t.accept("s", "l").fails(EINVAL);
    t.get("l", SO_ACCEPTCONN).is("0");
    t.tcp("d");
    t.connect("d", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.so_error("d").is("ECONNREFUSED");
    t.listen("l").is(0);
    t.tcp("f");
    t.connect("f", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.so_error("f").is("ECONNREFUSED");
    t.accept("s", "l").fails(EAGAIN);
}

SITUATION("shutting down a listener's other half does nothing") {
    t.listener("l");
    t.shutdown("l", SHUT_WR).is(0);
    t.poll("l").is("0");
    t.tcp("c");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.accept("s", "l");
}

SITUATION("closing a listener resets who waits to be accepted") {
    t.listener("l");
    t.tcp("c");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.send("c", "early").is(5);
    t.close("l");
    t.settle();
    t.poll("c").is("IN+OUT+ERR+HUP+RDHUP");
    t.recv("c").fails(ECONNRESET);
    t.tcp("d");
    t.connect("d", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.so_error("d").is("ECONNREFUSED");
}

SITUATION("accepted connections outlive their listener") {
    t.tcp_pair();
    t.close("l");
    t.settle();
    t.send("c", "still").is(5);
    t.settle();
    t.recv("s").is("still");
}

SITUATION("data before the accept is in the accepted socket") {
    t.listener("l");
    t.tcp("c");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.poll("c", EPOLLOUT, 1000).is("OUT");
    t.send("c", "early").is(5);
    t.settle();
    t.accept("s", "l");
    t.poll("s").is("IN+OUT");
    t.readable_bytes("s").is("5");
    t.recv("s").is("early");
}

SITUATION("accepted after its end: half-closed before the accept") {
    t.listener("l");
    t.tcp("c");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.accept("s", "l");
    t.poll("s").is("IN+OUT+RDHUP");
    t.send("s", "answer").is(6);
    t.settle();
    t.recv("c").is("answer");
}

SITUATION("a listener's set: the connection comes before, between and after") {
    t.listener("l");
    t.tcp("c");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.epoll("e");
    t.add("e", "l", EPOLLIN | EPOLLET | EPOLLOUT);
    t.wait("e").is("l:IN");
    t.wait("e").is(0);
    t.tcp("d");
    t.connect("d", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.wait("e").is("l:IN");
    t.accept("s1", "l");
    t.accept("s2", "l");
    t.wait("e").is(0);
}

SITUATION("accepting without asking for an address or flags") {
    t.listener("l");
    t.tcp("c");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.accept("s", "l", SOCK_CLOEXEC);
    t.getfl("s").is("RDWR");
    t.getfd("s").is("CLOEXEC");
    t.recv("s", 1, MSG_DONTWAIT).fails(EAGAIN);
}
