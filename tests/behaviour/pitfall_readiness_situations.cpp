// PITFALLS part B up to row 26: what readiness says and what it does not. The number is the
// pitfall's.
#include "recorder.hpp"

#include <cerrno>

#include <netinet/in.h>

using namespace behaviour;

static constexpr const char* topic = "b_readiness";
static constexpr std::uint32_t all = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP;

SITUATION("16: edge-triggered, a partial read brings no event, new data or MOD does") {
    t.tcp_pair();
    t.epoll("e");
    t.add("e", "s", EPOLLIN | EPOLLET);
    t.wait("e").is(0);
    t.send("c", "0123456789");
    t.settle();
    t.wait("e").is("s:IN");
    t.wait("e").is(0);
    t.recv("s", 3).is("012");
    t.wait("e").is(0);
    t.send("c", "x");
    t.settle();
    t.wait("e").is("s:IN");
    t.wait("e").is(0);
    t.mod("e", "s", EPOLLIN | EPOLLET).is(0);
    t.wait("e").is("s:IN");
    t.drain("s");
    t.mod("e", "s", EPOLLIN | EPOLLET).is(0);
    t.wait("e").is(0);
}

SITUATION("17: a read stops short at the urgent mark") {
    t.tcp_pair();
    t.send("c", "before");
    t.send("c", "!", MSG_OOB | MSG_NOSIGNAL).is(1);
    t.send("c", "after");
    t.settle();
    t.recv("s").is("before");
    t.recv("s", 1, MSG_OOB).is("!");
    t.recv("s", 1, MSG_OOB).fails(EINVAL);
    t.recv("s").is("after");
    t.recv("s").fails(EAGAIN);
}

SITUATION("17: reading past the urgent mark loses the urgent byte") {
    t.tcp_pair();
    t.send("c", "before");
    t.send("c", "!", MSG_OOB | MSG_NOSIGNAL);
    t.send("c", "after");
    t.settle();
    t.recv("s").is("before");
    t.recv("s").is("after");
    t.recv("s", 1, MSG_OOB).fails(EINVAL);
    t.poll("s").is("OUT");
}

SITUATION("17: OOB inline, the urgent byte is in its place, and a read stops before it") {
    t.tcp_pair();
    t.set("s", SO_OOBINLINE, 1);
    t.send("c", "before");
    t.send("c", "!", MSG_OOB | MSG_NOSIGNAL);
    t.send("c", "after");
    t.settle();
    t.recv("s").is("before");
    t.recv("s").is("!after");
    t.recv("s").fails(EAGAIN);
}

SITUATION("18: an end behind data shows IN and RDHUP, and the data comes first") {
    t.tcp_pair();
    t.epoll("e");
    t.add("e", "s", all);
    t.wait("e").is("s:OUT");
    t.send("c", "last words");
    t.shutdown("c", SHUT_WR).is(0);
    t.settle();
    t.wait("e").is("s:IN+OUT+RDHUP");
    t.recv("s").is("last words");
    t.wait("e").is("s:IN+OUT+RDHUP");
    t.recv("s").is(0);
    t.recv("s").is(0);
    t.wait("e").is("s:IN+OUT+RDHUP");
}

SITUATION("19: after the peer's half close the other direction works") {
    t.tcp_pair();
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.poll("s").is("IN+OUT+RDHUP");
    t.poll("c").is("OUT");
    t.send_many("s", 20000).is(20000);
    t.settle();
    t.poll("c").is("IN+OUT");
    t.recv("c", 65536).is(20000);
    t.send("c", "x").fails(EPIPE);
}

SITUATION("20: a pipe whose writer or reader is gone") {
    t.epoll("e");
    t.pipe("r", "w");
    t.add("e", "r", EPOLLIN);
    t.add("e", "w", EPOLLOUT);
    t.wait("e").is("w:OUT");
    t.close("w");
    t.wait("e").is("r:HUP");
    t.read("r").is(0);
    t.pipe("r2", "w2");
    t.add("e", "w2", EPOLLOUT);
    t.close("r2");
    t.wait("e").is("r:HUP w2:OUT+ERR");
}

SITUATION("20: a pipe with data whose writer is gone") {
    t.pipe("r", "w");
    t.write("w", "abc");
    t.close("w");
    t.poll("r").is("IN+HUP");
    t.read("r").is("abc");
    t.poll("r").is("HUP");
    t.read("r").is(0);
}

SITUATION("21: interest in nothing still reports errors and hang-ups") {
    t.tcp_pair();
    t.epoll("e");
    t.add("e", "s", 0).is(0);
    t.send("c", "x");
    t.settle();
    t.wait("e").is(0);
    t.reset("c");
    t.wait("e").is("s:ERR+HUP");
    t.wait("e").is("s:ERR+HUP");
    t.so_error("s").is("ECONNRESET");
    t.wait("e").is("s:HUP");
    t.del("e", "s");
    t.wait("e").is(0);
}

SITUATION("21: both halves ended is a hang-up without an error") {
    t.tcp_pair();
    t.epoll("e");
    t.add("e", "s", 0);
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.wait("e").is(0);
    t.shutdown("s", SHUT_WR);
    t.settle();
    t.wait("e").is("s:HUP");
    t.poll("s").is("IN+OUT+HUP+RDHUP");
}

SITUATION("22: a fresh TCP socket is OUT and HUP") {
    t.tcp("a");
    t.epoll("e");
    t.add("e", "a", all);
    t.wait("e").is("a:OUT+HUP");
    t.poll("a").is("OUT+HUP");
    t.bind("a", "127.0.0.1:0");
    t.poll("a").is("OUT+HUP");
}

SITUATION("22: a fresh TCP socket reports again when it listens or connects") {
    t.epoll("e");
    t.tcp("a");
    t.add("e", "a", all);
    t.wait("e").is("a:OUT+HUP");
    t.listen("a").is(0);
    t.wait("e").is(0);
    t.listener("l");
    t.tcp("c");
    t.add("e", "c", all | EPOLLET);
    t.wait("e").is("c:OUT+HUP");
    t.wait("e").is(0);
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.wait("e").is("c:OUT");
}

SITUATION("23: a refused connect: all bits, and the error is there once") {
    t.tcp("closed");
    t.bind("closed", "127.0.0.1:0");
    t.getsockname("closed");
    t.tcp("c");
    t.epoll("e");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.add("e", "c", all);
    t.wait("e").is("c:IN+OUT+ERR+HUP+RDHUP");
    t.so_error("c").is("ECONNREFUSED");
    t.so_error("c").is("0");
    t.wait("e").is("c:IN+OUT+HUP+RDHUP");
    t.recv("c").is(0);
    t.send("c", "x").fails(EPIPE);
}

SITUATION("23: a refused connect: the error may come from another call") {
    t.tcp("closed");
    t.bind("closed", "127.0.0.1:0");
    t.getsockname("closed");
    t.tcp("c");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.recv("c").fails(ECONNREFUSED);
    t.so_error("c").is("0");
    t.tcp("d");
    t.connect("d", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.send("d", "x").fails(ECONNREFUSED);
    t.send("d", "x").fails(EPIPE);
    t.tcp("f");
    t.connect("f", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.connect("f", "127.0.0.1:p1").fails(ECONNREFUSED);
    t.connect("f", "127.0.0.1:p1");
    t.settle();
    t.so_error("f");
}

SITUATION("24: connecting: in progress, then writable without an error, then connected") {
    t.listener("l");
    t.tcp("c");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.poll("c", EPOLLOUT, 1000).is("OUT");
    t.so_error("c").is("0");
    t.connect("c", "127.0.0.1:p1").is(0);          // once it says so,
    t.connect("c", "127.0.0.1:p1").fails(EISCONN); // and then that it is connected
}

SITUATION("24: a blocking connect and one to a port that refuses") {
    t.listener("l");
    t.socket("c", AF_INET, SOCK_STREAM | SOCK_CLOEXEC);
    t.connect("c", "127.0.0.1:p1").is(0);
    t.connect("c", "127.0.0.1:p1").fails(EISCONN);
    t.tcp("closed");
    t.bind("closed", "127.0.0.1:0");
    t.getsockname("closed").is("127.0.0.1:p2");
    t.socket("d", AF_INET, SOCK_STREAM | SOCK_CLOEXEC);
    t.connect("d", "127.0.0.1:p2").fails(ECONNREFUSED);
    t.so_error("d").is("0");
    t.poll("d");
}

SITUATION("25: a socket connects to itself") {
    t.tcp("a");
    t.bind("a", "127.0.0.1:0");
    t.getsockname("a").is("127.0.0.1:p1");
    t.connect("a", "127.0.0.1:p1");
    t.settle();
    t.poll("a").is("OUT");
    t.so_error("a").is("0");
    t.getpeername("a").is("127.0.0.1:p1");
    t.send("a", "echo").is(4);
    t.settle();
    t.recv("a").is("echo");
    t.shutdown("a", SHUT_WR).is(0);
    t.settle();
    t.recv("a").is(0);
    t.poll("a");
}

SITUATION("26: only urgent data: PRI without IN, again and again until it is read") {
    t.tcp_pair();
    t.epoll("e");
    t.add("e", "s", EPOLLIN | EPOLLPRI);
    t.send("c", "!", MSG_OOB | MSG_NOSIGNAL);
    t.settle();
    t.wait("e").is("s:PRI");
    t.wait("e").is("s:PRI");
    t.readable_bytes("s");
    t.recv("s", 1, MSG_OOB).is("!");
    t.wait("e").is(0);
}

SITUATION("26: an ordinary read that finds only the urgent byte throws it away") {
    t.tcp_pair();
    t.send("c", "!", MSG_OOB | MSG_NOSIGNAL);
    t.settle();
    t.recv("s").fails(EAGAIN);
    t.poll("s").is("OUT");
    t.recv("s", 1, MSG_OOB).fails(EINVAL);
}

SITUATION("26: the urgent byte can be looked at, and a second one replaces it") {
    t.tcp_pair();
    t.recv("s", 1, MSG_OOB).fails(EINVAL);
    t.send("c", "1", MSG_OOB | MSG_NOSIGNAL);
    t.settle();
    t.recv("s", 1, MSG_OOB | MSG_PEEK).is("1");
    t.recv("s", 1, MSG_OOB).is("1");
    t.send("c", "xy2", MSG_OOB | MSG_NOSIGNAL).is(3);
    t.settle();
    t.poll("s");
    t.recv("s").is("xy");
    t.poll("s");
    t.recv("s", 1, MSG_OOB).is("2");
    t.poll("s").is("OUT");
}
