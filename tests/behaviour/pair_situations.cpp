// socketpair(2) of Unix stream and datagram sockets.
#include "recorder.hpp"

#include <cerrno>

using namespace behaviour;

static constexpr const char* topic = "k_pair";
static constexpr std::uint32_t all = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP;

SITUATION("a fresh Unix pair is writable") {
    t.pair("a", "b");
    t.poll("a").is("OUT");
    t.recv("a").fails(EAGAIN);
    t.send("a", "hello").is(5);
    t.poll("b").is("IN+OUT");
    t.readable_bytes("b").is("5");
    t.recv("b", 3).is("hel");
    t.recv("b").is("lo");
}

SITUATION("Unix pair: the peer closes with nothing unread") {
    t.pair("a", "b");
    t.close("b");
    t.poll("a").is("IN+OUT+HUP+RDHUP");
    t.recv("a").is(0);
    t.so_error("a").is("0");
    t.send("a", "x").fails(EPIPE);
}

SITUATION("Unix pair: the peer closes with our data unread") {
    t.pair("a", "b");
    t.send("a", "unread");
    t.close("b");
    t.poll("a").is("IN+OUT+ERR+HUP+RDHUP");
    t.recv("a").fails(ECONNRESET);
    t.poll("a").is("IN+OUT+HUP+RDHUP");
    t.recv("a").is(0);
    t.send("a", "x").fails(EPIPE);
}

SITUATION("Unix pair: the peer closes with our data unread, its data comes first") {
    t.pair("a", "b");
    t.send("a", "unread");
    t.send("b", "last");
    t.close("b");
    t.recv("a").is("last");
    t.recv("a").fails(ECONNRESET);
    t.recv("a").is(0);
}

SITUATION("Unix pair: last words, then the end") {
    t.pair("a", "b");
    t.send("b", "last");
    t.close("b");
    t.poll("a").is("IN+OUT+HUP+RDHUP");
    t.recv("a").is("last");
    t.poll("a").is("IN+OUT+HUP+RDHUP");
    t.recv("a").is(0);
}

SITUATION("Unix pair: half close") {
    t.pair("a", "b");
    t.epoll("e");
    t.add("e", "a", all | EPOLLET);
    t.add("e", "b", all | EPOLLET);
    t.wait("e").is("a:OUT b:OUT");
    t.shutdown("a", SHUT_WR).is(0);
    t.wait("e").is("a:OUT b:IN+OUT+RDHUP");
    t.poll("a").is("OUT");
    t.poll("b").is("IN+OUT+RDHUP");
    t.recv("b").is(0);
    t.send("a", "x").fails(EPIPE);
    t.send("b", "y").is(1);
    t.recv("a").is("y");
    t.shutdown("b", SHUT_WR).is(0);
    t.poll("a").is("IN+OUT+HUP+RDHUP");
    t.poll("b").is("IN+OUT+HUP+RDHUP");
}

SITUATION("Unix pair: who ends his reading half ends the peer's writing half") {
    t.pair("a", "b");
    t.shutdown("a", SHUT_RD).is(0);
    t.poll("a").is("IN+OUT+RDHUP");
    t.poll("b").is("OUT");
    t.recv("a").is(0);
    t.send("b", "x").fails(EPIPE); // unlike TCP
    t.send("a", "y").is(1);
    t.recv("b").is("y");
}

SITUATION("Unix pair: what was there before the reading half ended") {
    t.pair("a", "b");
    t.send("b", "early");
    t.shutdown("a", SHUT_RD);
    t.recv("a").is("early");
    t.recv("a").is(0);
}

SITUATION("Unix pair: both halves at once") {
    t.pair("a", "b");
    t.shutdown("a", SHUT_RDWR).is(0);
    t.poll("a").is("IN+OUT+HUP+RDHUP");
    t.poll("b").is("IN+OUT+HUP+RDHUP");
    t.shutdown("a", SHUT_RDWR).is(0); // again, without a complaint
    t.recv("b").is(0);
    t.send("b", "x").fails(EPIPE);
}

SITUATION("Unix pair: edge-triggered, the peer's end") {
    t.pair("a", "b");
    t.epoll("e");
    t.add("e", "a", all | EPOLLET);
    t.wait("e").is("a:OUT");
    t.send("b", "x");
    t.wait("e").is("a:IN+OUT");
    t.close("b");
    t.wait("e").is("a:IN+OUT+HUP+RDHUP");
    t.wait("e").is(0);
}

SITUATION("Unix pair: interest in nothing reports the hang-up") {
    t.pair("a", "b");
    t.epoll("e");
    t.add("e", "a", 0);
    t.shutdown("b", SHUT_WR);
    t.wait("e").is(0);
    t.close("b");
    t.wait("e").is("a:HUP");
}

SITUATION("Unix pair: peek and parts") {
    t.pair("a", "b");
    t.writev("a", {"ab", "cd"}).is(4);
    t.send("a", "ef");
    t.recv("b", 3, MSG_PEEK).is("abc");
    t.recv("b", 64, MSG_PEEK).is("abcdef"); // over the borders of what was sent
    t.readv("b", {1, 4}).is("abcde");
    t.recvmsg("b", {4}).is(1);
    t.recv("b", 4, MSG_PEEK).fails(EAGAIN);
}

SITUATION("Unix pair: duplicates keep it open") {
    t.pair("a", "b");
    t.dup("b2", "b");
    t.close("b");
    t.poll("a").is("OUT");
    t.send("a", "x").is(1);
    t.recv("b2").is("x");
    t.close("b2");
    t.poll("a").is("IN+OUT+HUP+RDHUP");
}

SITUATION("a pair of datagram sockets keeps borders") {
    t.pair("a", "b", datagram);
    t.send("a", "one").is(3);
    t.send("a", "").is(0);
    t.send("a", "three").is(5);
    t.recv("b", 2).is("on");
    t.recv("b").is(0);
    t.recv("b", 2, MSG_TRUNC | MSG_PEEK).is(5);
    t.recvmsg("b", {2});
    t.recv("b").fails(EAGAIN);
}

SITUATION("a pair of datagram sockets: the peer is gone") {
    t.pair("a", "b", datagram);
    t.close("b");
    t.poll("a").is("OUT");
    t.send("a", "x").fails(ECONNREFUSED);
    t.recv("a").fails(EAGAIN);
}

SITUATION("a pair of packet sockets: borders and an end") {
    t.pair("a", "b", SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC);
    t.send("a", "one");
    t.send("a", "two");
    t.recv("b").is("one");
    t.close("a");
    t.recv("b").is("two");
    t.recv("b").is(0);
}
