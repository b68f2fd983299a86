// send(2) and recv(2): flags, pieces, sizes and full buffers.
#include "recorder.hpp"

#include <cerrno>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/signalfd.h>

using namespace behaviour;

static constexpr const char* topic = "g_transfer";

SITUATION("a stream has no borders") {
    t.tcp_pair();
    t.send("c", "ab");
    t.send("c", "cd");
    t.settle();
    t.recv("s", 3).is("abc");
    t.recv("s", 3).is("d");
    t.recv("s", 3).fails(EAGAIN);
}

SITUATION("peeking leaves the data") {
    t.tcp_pair();
    t.recv("s", 4, MSG_PEEK).fails(EAGAIN);
    t.send("c", "abcdef");
    t.settle();
    t.recv("s", 4, MSG_PEEK).is("abcd");
    t.recv("s", 4, MSG_PEEK).is("abcd");
    t.readable_bytes("s").is("6");
    t.recv("s", 2).is("ab");
    t.recv("s", 9, MSG_PEEK).is("cdef");
    t.drain("s");
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.recv("s", 4, MSG_PEEK).is(0);
}

SITUATION("peeking wakes no edge-triggered set, and a level-triggered one stays ready") {
    t.tcp_pair();
    t.epoll("e");
    t.epoll("f");
    t.add("e", "s", EPOLLIN | EPOLLET);
    t.add("f", "s", EPOLLIN);
    t.send("c", "x");
    t.settle();
    t.wait("e").is("s:IN");
    t.recv("s", 1, MSG_PEEK).is("x");
    t.wait("e").is(0);
    t.wait("f").is("s:IN");
}

SITUATION("TRUNC on a stream throws data away") {
    t.tcp_pair();
    t.send("c", "abcdef");
    t.settle();
    t.recv_unseen("s", 4, MSG_TRUNC).is(4);
    t.recv("s").is("ef");
}

SITUATION("DONTWAIT on a socket that blocks") {
    t.pair("a", "b", SOCK_STREAM | SOCK_CLOEXEC);
    t.getfl("a").is("RDWR");
    t.recv("a", 1, MSG_DONTWAIT).fails(EAGAIN);
    t.send("b", "x", MSG_DONTWAIT | MSG_NOSIGNAL).is(1);
    t.recv("a", 1, MSG_DONTWAIT).is("x");
}

SITUATION("WAITALL on a socket that does not block is a wish") {
    t.tcp_pair();
    t.recv("s", 4, MSG_WAITALL).fails(EAGAIN);
    t.send("c", "ab");
    t.settle();
    t.recv("s", 4, MSG_WAITALL).is("ab");
}

SITUATION("WAITALL on a socket that blocks: all, or up to the end") {
    t.listener("l");
    t.tcp("c");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.accept("s", "l", 0);
    t.send("c", "abcdef");
    t.settle();
    t.recv("s", 4, MSG_WAITALL).is("abcd");
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.recv("s", 4, MSG_WAITALL).is("ef");
    t.recv("s", 4, MSG_WAITALL).is(0);
}

SITUATION("MORE keeps small data back until there is more") {
    t.tcp_pair();
    t.send("c", "ab", MSG_MORE | MSG_NOSIGNAL).is(2);
    t.recv("s").fails(EAGAIN);
    t.send("c", "cd").is(2);
    t.settle();
    t.recv("s").is("abcd");
}

SITUATION("CORK keeps small data back until it is pulled") {
    t.tcp_pair();
    t.set("c", IPPROTO_TCP, TCP_CORK, 1).is(0);
    t.send("c", "ab").is(2);
    t.recv("s").fails(EAGAIN);
    t.set("c", IPPROTO_TCP, TCP_CORK, 0).is(0);
    t.settle();
    t.recv("s").is("ab");
}

SITUATION("what was kept back goes out before the end") {
    t.tcp_pair();
    t.send("c", "ab", MSG_MORE | MSG_NOSIGNAL);
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.recv("s").is("ab");
    t.recv("s").is(0);
}

SITUATION("parts are gathered and scattered") {
    t.tcp_pair();
    t.writev("c", {"ab", "", "cde"}).is(5);
    t.sendmsg("c", {"fg", "hi"}).is(4);
    t.settle();
    t.readv("s", {1, 0, 2}).is("abc");
    t.recvmsg("s", {2, 8}).is(6);
    t.recvmsg("s", {4}).fails(EAGAIN);
    t.writev("c", {"", ""}).is(0);
    t.writev("c", {}).is(0);
}

SITUATION("recvmsg says at the end of a stream nothing but 0") {
    t.tcp_pair();
    t.send("c", "x");
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.recvmsg("s", {4}).is(1);
    t.recvmsg("s", {4}).is(0);
}

SITUATION("read and write are recv and send without flags") {
    t.tcp_pair();
    t.write("c", "abc").is(3);
    t.settle();
    t.read("s", 2).is("ab");
    t.read("s", 2).is("c");
    t.read("s", 2).fails(EAGAIN);
}

SITUATION("how much there is to read") {
    t.tcp_pair();
    t.readable_bytes("s").is("0");
    t.send("c", "abcdef");
    t.settle();
    t.readable_bytes("s").is("6");
    t.recv("s", 4);
    t.readable_bytes("s").is("2");
    t.readable_bytes("c").is("0");
}

SITUATION("what is sent and acknowledged is unsent no more") {
    t.tcp_pair();
    t.unsent_bytes("c").is("0");
    t.send("c", "abcdef");
    t.settle();
    t.recv("s");
    t.send("s", "answer"); // brings the acknowledgement with it
    t.settle();
    t.unsent_bytes("c").is("0");
}

SITUATION("the lowest amount that makes readable") {
    t.tcp_pair();
    t.set("s", SO_RCVLOWAT, 4).is(0);
    t.get("s", SO_RCVLOWAT).is("4");
    t.epoll("e");
    t.add("e", "s", EPOLLIN | EPOLLET);
    t.send("c", "abc");
    t.settle();
    t.poll("s").is("OUT");
    t.wait("e").is(0);
    t.recv("s", 1).is("a"); // reading does not care
    t.send("c", "de");
    t.settle();
    t.poll("s").is("IN+OUT");
    t.wait("e").is("s:IN");
    t.recv("s").is("bcde");
    t.send("c", "f");
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.poll("s").is("IN+OUT+RDHUP"); // the end makes readable whatever there is
}

SITUATION("a full Unix pair: EAGAIN, not writable, and writable when all is read") {
    t.pair("a", "b");
    t.epoll("e");
    t.add("e", "a", EPOLLOUT | EPOLLET);
    t.wait("e").is("a:OUT");
    t.fill("a");
    t.send("a", "x").fails(EAGAIN);
    t.poll("a").is("0");
    t.wait("e").is(0);
    t.drain("b").fails(EAGAIN);
    t.poll("a").is("OUT");
    t.wait("e").is("a:OUT");
    t.wait("e").is(0);
}

SITUATION("a full Unix pair whose reader is gone: EPIPE, not EAGAIN") {
    t.pair("a", "b");
    t.fill("a");
    t.close("b");
    t.send("a", "x").fails(EPIPE);
    t.so_error("a").is("ECONNRESET"); // what was unread is lost
}

SITUATION("a full TCP connection: more than the buffers is taken in part") {
    t.tcp_pair();
    t.set("c", SO_SNDBUF, 8192);
    t.send_part("c", 16 << 20).is("in part");
    t.fill("c");
    t.send("c", "x").fails(EAGAIN);
    t.poll("c").is("0");
    t.poll("s").is("IN+OUT");
}

SITUATION("a full TCP connection that is reset: the error, and writable again") {
    t.tcp_pair();
    t.set("c", SO_SNDBUF, 8192);
    t.fill("c");
    t.epoll("e");
    t.add("e", "c", EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    t.wait("e").is(0);
    t.reset("s");
    t.wait("e").is("c:IN+OUT+ERR+HUP+RDHUP");
    t.send("c", "x").fails(ECONNRESET);
}

SITUATION("a full TCP connection: its end waits behind the data") {
    t.tcp_pair();
    t.set("c", SO_SNDBUF, 8192);
    t.fill("c");
    t.shutdown("c", SHUT_WR).is(0);
    t.settle();
    t.poll("s").is("IN+OUT");
    t.send("c", "x").fails(EPIPE);
    t.drain_to_end("s").is(0);
    t.poll("s").is("IN+OUT+RDHUP");
}

SITUATION("a full TCP connection: closing it loses nothing") {
    t.tcp_pair();
    t.set("c", SO_SNDBUF, 8192);
    t.fill("c");
    t.close("c").is(0);
    t.settle();
    t.drain_to_end("s").is(0);
}

SITUATION("a full TCP connection: the other direction is free") {
    t.tcp_pair();
    t.set("c", SO_SNDBUF, 8192);
    t.fill("c");
    t.send("s", "back").is(4);
    t.settle();
    t.recv("c").is("back");
    t.poll("c", EPOLLOUT).is("0");
}

SITUATION("a megabyte in pieces arrives as it was") {
    t.tcp_pair();
    t.pump("c", "s", 1 << 20).is("intact");
    t.pair("a", "b");
    t.pump("a", "b", 1 << 20).is("intact");
}

SITUATION("sending from an empty message, and flags that are none for receiving") {
    t.tcp_pair();
    t.sendmsg("c", {}).is(0);
    t.sendmsg("c", {""}).is(0);
    t.settle();
    t.poll("s").is("OUT");
    t.recv("s", 4, MSG_ERRQUEUE).fails(EAGAIN);
}

SITUATION("sending to an address over a connection") {
    t.tcp_pair();
    t.sendto("c", "x", "127.0.0.1:p1").is(1); // the address is ignored
    t.settle();
    t.recvfrom("s").is(1); // and none comes with the data
}

SITUATION("a broken pipe raises SIGPIPE, unless the call forbids it") {
    t.block_signals({SIGPIPE});
    t.pair("a", "b");
    t.close("b");
    t.send("a", "x", MSG_NOSIGNAL).fails(EPIPE);
    t.is_pending(SIGPIPE).is(0);
    t.send("a", "x", 0).fails(EPIPE);
    t.is_pending(SIGPIPE).is(1);
    t.signalfd("signals", {SIGPIPE}, SFD_NONBLOCK);
    t.take_signals("signals").is("PIPE");
    t.write("a", "x").fails(EPIPE);
    t.take_signals("signals").is("PIPE");
    t.tcp_pair();
    t.shutdown("c", SHUT_WR);
    t.send("c", "x", 0).fails(EPIPE);
    t.take_signals("signals").is("PIPE");
    t.unblock_signals({SIGPIPE});
}
