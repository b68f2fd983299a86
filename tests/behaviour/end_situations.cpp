// shutdown(2), close(2) and resets, seen from both ends: bits, errors and what is left to read.
#include "recorder.hpp"

#include <cerrno>

#include <netinet/in.h>

using namespace behaviour;

static constexpr const char* topic = "f_end";

SITUATION("ending one's writing half: twice is fine, sending is not, reading is") {
    t.tcp_pair();
    t.shutdown("c", SHUT_WR).is(0);
    t.shutdown("c", SHUT_WR).is(0);
    t.send("c", "x").fails(EPIPE);
    t.write("s", "y").is(1);
    t.settle();
    t.recv("c").is("y");
    t.poll("c").is("OUT"); // writable it calls itself still
}

SITUATION("ending one's reading half: 0 at once, yet what comes can be read") {
    t.tcp_pair();
    t.shutdown("s", SHUT_RD).is(0);
    t.recv("s").is(0);
    t.poll("s").is("IN+OUT+RDHUP");
    t.poll("c").is("OUT"); // the peer is told nothing
    t.send("c", "x").is(1);
    t.settle();
    t.recv("s").is("x");
    t.recv("s").is(0);
    t.send("s", "y").is(1);
}

SITUATION("ending both halves") {
    t.tcp_pair();
    t.shutdown("c", SHUT_RDWR).is(0);
    t.poll("c").is("IN+OUT+HUP+RDHUP");
    t.recv("c").is(0);
    t.send("c", "x").fails(EPIPE);
    t.settle();
    t.poll("s").is("IN+OUT+RDHUP");
    t.recv("s").is(0);
    t.send("s", "y").is(1); // it does not know yet that nobody reads
    t.settle();
    t.poll("s").is("IN+OUT+ERR+HUP+RDHUP"); // that data was answered by a reset,
    t.recv("c").fails(ECONNRESET);          // which is an error at both ends
    t.so_error("s").is("EPIPE");
}

SITUATION("halves that there are not") {
    t.tcp_pair();
    t.shutdown("c", 3).fails(EINVAL);
    t.shutdown("c", -1).fails(EINVAL);
    t.poll("c").is("OUT");
}

SITUATION("data, then the end: read in one piece, then 0") {
    t.tcp_pair();
    t.send("c", "abc");
    t.send("c", "def");
    t.close("c");
    t.settle();
    t.poll("s").is("IN+OUT+RDHUP");
    t.readable_bytes("s").is("6");
    t.recv("s").is("abcdef");
    t.readable_bytes("s").is("0");
    t.recv("s").is(0);
    t.recv("s").is(0);
}

SITUATION("both ends finish: hang-up at both, and ENOTCONN for who shuts down once more") {
    t.tcp_pair();
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.shutdown("s", SHUT_WR);
    t.settle();
    t.poll("c").is("IN+OUT+HUP+RDHUP");
    t.poll("s").is("IN+OUT+HUP+RDHUP");
    t.recv("c").is(0);
    t.recv("s").is(0);
    t.so_error("c").is("0");
    t.so_error("s").is("0");
    t.shutdown("s", SHUT_RDWR).fails(ENOTCONN);
    t.shutdown("c", SHUT_RDWR).fails(ENOTCONN);
}

SITUATION("the peer has ended and is gone: SO_ERROR after the reset is EPIPE") {
    t.tcp_pair();
    t.close("s");
    t.settle();
    t.send("c", "x").is(1);
    t.settle();
    t.poll("c").is("IN+OUT+ERR+HUP+RDHUP");
    t.so_error("c").is("EPIPE");
    t.so_error("c").is("0");
    t.poll("c").is("IN+OUT+HUP+RDHUP");
    t.recv("c").is(0);
    t.send("c", "x").fails(EPIPE);
}

SITUATION("a reset after the peer's end: SO_ERROR is EPIPE too") {
    t.tcp_pair();
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.reset("c");
    t.poll("s").is("IN+OUT+ERR+HUP+RDHUP");
    t.so_error("s").is("EPIPE");
    t.recv("s").is(0);
}

SITUATION("a reset after one's own end") {
    t.tcp_pair();
    t.shutdown("s", SHUT_WR);
    t.settle();
    t.reset("c");
    t.poll("s").is("IN+OUT+ERR+HUP+RDHUP");
    t.recv("s").fails(ECONNRESET);
    t.recv("s").is(0);
    t.send("s", "x").fails(EPIPE);
}

SITUATION("after a reset: SO_ERROR takes the error, and nothing else shows it") {
    t.tcp_pair();
    t.reset("c");
    t.so_error("s").is("ECONNRESET");
    t.so_error("s").is("0");
    t.poll("s").is("IN+OUT+HUP+RDHUP");
    t.recv("s").is(0);
    t.send("s", "x").fails(EPIPE);
    t.shutdown("s", SHUT_WR).fails(ENOTCONN);
}

SITUATION("after a reset: shutdown and getpeername leave the error where it is") {
    t.tcp_pair();
    t.reset("c");
    t.shutdown("s", SHUT_WR).fails(ENOTCONN);
    t.getpeername("s").fails(ENOTCONN);
    t.readable_bytes("s").is("0");
    t.recv("s").fails(ECONNRESET);
}

SITUATION("after a reset: peeking takes the error") {
    t.tcp_pair();
    t.reset("c");
    t.recv("s", 4, MSG_PEEK).fails(ECONNRESET);
    t.recv("s").is(0);
}

SITUATION("after a reset: sending nothing, reading nothing") {
    t.tcp_pair();
    t.reset("c");
    t.recv("s", 0).fails(ECONNRESET);
    t.send("s", "").fails(EPIPE);
    t.recv("s").is(0);
}

SITUATION("after a reset: an accepted socket does not connect again") {
    t.tcp_pair();
    t.reset("c");
    t.connect("s", "127.0.0.1:p1").fails(EISCONN);
    t.so_error("s").is("ECONNRESET");
}

SITUATION("closing with everything read is an end, with a byte unread a reset") {
    t.tcp_pair();
    t.connected("c2", "s2");
    t.send("c", "12");
    t.send("c2", "12");
    t.settle();
    t.recv("s", 2).is("12");
    t.recv("s2", 1).is("1");
    t.close("s");
    t.close("s2");
    t.settle();
    t.poll("c").is("IN+OUT+RDHUP");
    t.poll("c2").is("IN+OUT+ERR+HUP+RDHUP");
}

SITUATION("closing with only the peer's end unread is an end") {
    t.tcp_pair();
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.close("s");
    t.settle();
    t.poll("c").is("IN+OUT+HUP+RDHUP");
    t.recv("c").is(0);
    t.so_error("c").is("0");
}

SITUATION(
    "shutting down both halves with something unread sends no reset, the close after it does") {
    t.tcp_pair();
    t.send("c", "unread");
    t.settle();
    t.shutdown("s", SHUT_RDWR);
    t.settle();
    t.poll("c").is("IN+OUT+RDHUP");
    t.close("s");
    t.settle();
    t.poll("c").is("IN+OUT+ERR+HUP+RDHUP");
    t.so_error("c").is("EPIPE");
}

SITUATION("lingering zero seconds: the reset destroys nothing that has arrived") {
    t.tcp_pair();
    t.send("c", "arrived");
    t.settle();
    t.reset("c");
    t.readable_bytes("s").is("7");
    t.recv("s", 3).is("arr");
    t.recv("s").is("ived");
    t.recv("s").fails(ECONNRESET);
    t.recv("s").is(0);
}

SITUATION("a reset with data unread: sending meets it first, and the data stays") {
    t.tcp_pair();
    t.send("c", "arrived");
    t.settle();
    t.reset("c");
    t.send("s", "x").fails(ECONNRESET);
    t.recv("s").is("arrived");
    t.recv("s").is(0);
}

SITUATION("lingering some seconds over nothing: close does not wait") {
    t.tcp_pair();
    t.linger("c", 1, 2).is(0);
    t.close("c").is(0);
    t.settle();
    t.poll("s").is("IN+OUT+RDHUP");
    t.recv("s").is(0);
}

SITUATION("a reset by who has been half-closed for reading only") {
    t.tcp_pair();
    t.shutdown("c", SHUT_RD);
    t.send("s", "x");
    t.settle();
    t.close("c"); // with that byte unread
    t.settle();
    t.poll("s").is("IN+OUT+ERR+HUP+RDHUP");
    t.recv("s").fails(ECONNRESET);
}

SITUATION("both ends finish at the same time") {
    t.tcp_pair();
    t.shutdown("c", SHUT_WR);
    t.shutdown("s", SHUT_WR);
    t.settle();
    t.poll("c").is("IN+OUT+HUP+RDHUP");
    t.poll("s").is("IN+OUT+HUP+RDHUP");
}

SITUATION("an answer after the peer's half close, then our close: data and end arrive") {
    t.tcp_pair();
    t.send("c", "ask");
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.recv("s").is("ask");
    t.recv("s").is(0);
    t.send("s", "answer");
    t.close("s");
    t.settle();
    t.poll("c").is("IN+OUT+HUP+RDHUP");
    t.recv("c").is("answer");
    t.recv("c").is(0);
    t.poll("c").is("IN+OUT+HUP+RDHUP");
}

SITUATION("data into a connection both of whose ends are closed but one's own handle") {
    t.tcp_pair();
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.close("s");
    t.settle();
    t.send("c", "x").fails(EPIPE);
    t.so_error("c").is("0");
}

SITUATION("data that arrives for a closed socket resets the sender") {
    t.tcp_pair();
    t.close("c");
    t.settle();
    t.send("s", "1").is(1);
    t.settle();
    t.send("s", "2").fails(EPIPE);
    t.recv("s").is(0);
}
