// PITFALLS part B from row 27 on: resets, full buffers, datagrams, and the table of modes.
#include "recorder.hpp"

#include <cerrno>

#include <netinet/in.h>

using namespace behaviour;

static constexpr const char* topic = "b_readiness_2";

SITUATION("27: a reset behind unread data: the data, then the error once, then the end") {
    t.tcp_pair();
    t.send("c", "kept");
    t.settle();
    t.reset("c");
    t.poll("s").is("IN+OUT+ERR+HUP+RDHUP");
    t.recv("s").is("kept");
    t.recv("s").fails(ECONNRESET);
    t.recv("s").is(0);
    t.so_error("s").is("0");
}

SITUATION("27: a reset with nothing unread: ECONNRESET once, then the end") {
    t.tcp_pair();
    t.reset("c");
    t.poll("s").is("IN+OUT+ERR+HUP+RDHUP");
    t.recv("s").fails(ECONNRESET);
    t.poll("s").is("IN+OUT+HUP+RDHUP");
    t.recv("s").is(0);
    t.send("s", "x").fails(EPIPE);
}

SITUATION("27: a reset seen by send, then by send again") {
    t.tcp_pair();
    t.reset("c");
    t.send("s", "x").fails(ECONNRESET);
    t.send("s", "x").fails(EPIPE);
    t.recv("s").is(0);
}

SITUATION("28: closing with unread data resets the peer") {
    t.tcp_pair();
    t.send("c", "never read");
    t.settle();
    t.send("s", "answer");
    t.settle();
    t.close("s");
    t.settle();
    t.poll("c").is("IN+OUT+ERR+HUP+RDHUP");
    t.recv("c").is("answer"); // here it had arrived; what is still under way is lost
    t.recv("c").fails(ECONNRESET);
    t.recv("c").is(0);
}

SITUATION("28: ending our half, draining and then closing keeps the answer") {
    t.tcp_pair();
    t.send("c", "request");
    t.settle();
    t.send("s", "answer");
    t.shutdown("s", SHUT_WR);
    t.drain("s");
    t.close("s");
    t.settle();
    t.poll("c").is("IN+OUT+RDHUP");
    t.recv("c").is("answer");
    t.recv("c").is(0);
}

SITUATION("29: the first send after the peer's close succeeds, the second is EPIPE") {
    t.tcp_pair();
    t.close("s");
    t.settle();
    t.poll("c").is("IN+OUT+RDHUP");
    t.send("c", "1").is(1);
    t.settle();
    t.poll("c").is("IN+OUT+ERR+HUP+RDHUP");
    t.send("c", "2").fails(EPIPE);
    t.so_error("c").is("0");
    t.recv("c").is(0);
}

SITUATION("29: after the send that met the peer's close, reading") {
    t.tcp_pair();
    t.close("s");
    t.settle();
    t.send("c", "1").is(1);
    t.settle();
    t.recv("c").is(0); // the end that came before the reset hides it
    t.send("c", "2").fails(EPIPE);
}

SITUATION("30: a full socket is not writable, and writable again when the peer has read") {
    t.listener("l");
    t.set("l", SO_RCVBUF, 4096);
    t.connected("c", "s");
    t.set("c", SO_SNDBUF, 4096);
    t.epoll("e");
    t.add("e", "c", EPOLLOUT | EPOLLET);
    t.wait("e").is("c:OUT");
    t.fill("c");
    t.send("c", "x").fails(EAGAIN);
    t.poll("c", EPOLLOUT).is("0");
    t.wait("e").is(0);
    t.drain_while_full("s", "c");
    t.poll("c", EPOLLOUT, 1000).is("OUT");
    t.wait("e").is("c:OUT");
    t.send("c", "x").is(1);
}

SITUATION("35: UDP: the error of an earlier send comes from the next call, once") {
    t.socket("gone", AF_INET, datagram);
    t.bind("gone", "127.0.0.1:0");
    t.getsockname("gone").is("127.0.0.1:p1");
    t.close("gone");
    t.socket("u", AF_INET, datagram);
    t.connect("u", "127.0.0.1:p1").is(0);
    t.send("u", "x").is(1);
    t.settle();
    t.poll("u").is("OUT+ERR");
    t.recv("u").fails(ECONNREFUSED);
    t.recv("u").fails(EAGAIN);
    t.send("u", "x").is(1);
    t.settle();
    t.send("u", "x").fails(ECONNREFUSED);
    t.so_error("u");
}

SITUATION("35: UDP: an empty datagram is no end, a cut one says so only with MSG_TRUNC") {
    t.socket("a", AF_INET, datagram);
    t.bind("a", "127.0.0.1:0");
    t.getsockname("a").is("127.0.0.1:p1");
    t.socket("b", AF_INET, datagram);
    t.bind("b", "127.0.0.1:0");
    t.getsockname("b").is("127.0.0.1:p2");
    t.sendto("a", "", "127.0.0.1:p2").is(0);
    t.settle();
    t.poll("b").is("IN+OUT");
    t.readable_bytes("b").is("0");
    t.recvfrom("b").is(0);
    t.recvfrom("b").fails(EAGAIN);
    t.sendto("a", "0123456789", "127.0.0.1:p2").is(10);
    t.settle();
    t.recv("b", 4).is("0123");
    t.recv("b", 4).fails(EAGAIN);
    t.sendto("a", "0123456789", "127.0.0.1:p2");
    t.settle();
    t.recvfrom("b", 4, MSG_TRUNC).is(10);
    t.sendto("a", "0123456789", "127.0.0.1:p2");
    t.settle();
    t.recvmsg("b", {4});
}

SITUATION("35: UDP: too long for a datagram") {
    t.socket("a", AF_INET, datagram);
    t.bind("a", "127.0.0.1:0");
    t.getsockname("a").is("127.0.0.1:p1");
    t.sendto("a", std::string(70000, 'x'), "127.0.0.1:p1").fails(EMSGSIZE);
    t.sendto("a", std::string(65508, 'x'), "127.0.0.1:p1").fails(EMSGSIZE);
    t.sendto("a", std::string(65507, 'x'), "127.0.0.1:p1").is(65507);
}

SITUATION("36: reading or sending nothing") {
    t.tcp_pair();
    t.recv("s", 0).fails(EAGAIN); // 0 it returns only where there is something
    t.read("s", 0).is(0);
    t.send("c", "").is(0);
    t.settle();
    t.poll("s").is("OUT");
    t.send("c", "x");
    t.settle();
    t.recv("s", 0).is(0);
    t.recv("s", 1).is("x");
    t.pair("a", "b");
    t.recv("a", 0).fails(EAGAIN);
    t.send("a", "").is(0);
    t.poll("b").is("OUT");
}

namespace {

/// Pitfall 37's table: one way of registering against what was done with the data.
void mode_row(recorder& t, std::uint32_t mode) {
    t.tcp_pair();
    t.epoll("e");
    t.add("e", "s", EPOLLIN | mode);
    t.send("c", "0123456789");
    t.settle();
    t.wait("e").is("s:IN");
    t.note("nothing read");
    t.wait("e");
    t.recv("s", 4);
    t.note("part of it read");
    t.wait("e");
    t.send("c", "more");
    t.settle();
    t.note("more came");
    t.wait("e");
    t.drain("s");
    t.note("all read");
    t.wait("e").is(0);
    t.send("c", "again");
    t.settle();
    t.note("and more came");
    t.wait("e");
    t.mod("e", "s", EPOLLIN | mode);
    t.note("after MOD");
    t.wait("e").is("s:IN");
    t.wait("e");
}

} // namespace

SITUATION("37: level-triggered, by what was read") { mode_row(t, 0); }
SITUATION("37: edge-triggered, by what was read") { mode_row(t, EPOLLET); }
SITUATION("37: one-shot, by what was read") { mode_row(t, EPOLLONESHOT); }
SITUATION("37: edge-triggered and one-shot, by what was read") {
    mode_row(t, EPOLLET | EPOLLONESHOT);
}

SITUATION("37: from level- to edge-triggered and back by MOD") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLIN);
    t.send("x", "1");
    t.wait("e").is("a:IN");
    t.mod("e", "a", EPOLLIN | EPOLLET);
    t.wait("e").is("a:IN");
    t.wait("e").is(0);
    t.mod("e", "a", EPOLLIN);
    t.wait("e").is("a:IN");
    t.wait("e").is("a:IN");
    t.mod("e", "a", EPOLLIN | EPOLLONESHOT);
    t.wait("e").is("a:IN");
    t.wait("e").is(0);
    t.mod("e", "a", EPOLLIN);
    t.wait("e").is("a:IN");
}
