// epoll(7) beyond the pitfalls: when an event is reported again, and in which order.
#include "recorder.hpp"

#include <cerrno>
#include <climits>

#include <sys/eventfd.h>

using namespace behaviour;

static constexpr const char* topic = "d_epoll";
static constexpr std::uint32_t all = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP;

SITUATION("adding what is ready already reports it, level- and edge-triggered") {
    t.pair("a", "x");
    t.send("x", "1");
    t.epoll("e");
    t.add("e", "a", EPOLLIN | EPOLLET);
    t.wait("e").is("a:IN");
    t.wait("e").is(0);
    t.del("e", "a");
    t.add("e", "a", EPOLLIN | EPOLLET);
    t.wait("e").is("a:IN");
    t.del("e", "a");
    t.add("e", "a", EPOLLIN);
    t.wait("e").is("a:IN");
    t.wait("e").is("a:IN");
}

SITUATION("edge-triggered, an event shows all that is ready, also what was ready before") {
    t.tcp_pair();
    t.epoll("e");
    t.add("e", "s", all | EPOLLET);
    t.wait("e").is("s:OUT");
    t.send("c", "1");
    t.settle();
    t.wait("e").is("s:IN+OUT");
    t.wait("e").is(0);
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.wait("e").is("s:IN+OUT+RDHUP");
    t.wait("e").is(0);
    t.recv("s").is("1");
    t.recv("s").is(0);
    t.wait("e").is(0);
}

SITUATION("edge-triggered, two arrivals between two waits are one event") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLIN | EPOLLET);
    t.send("x", "1");
    t.send("x", "2");
    t.wait("e").is("a:IN");
    t.wait("e").is(0);
    t.recv("a").is("12");
}

SITUATION("edge-triggered, what was read before the wait is not reported") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLIN | EPOLLET);
    t.send("x", "1");
    t.recv("a").is("1");
    t.wait("e").is(0);
    t.send("x", "2");
    t.wait("e").is("a:IN");
}

SITUATION("edge-triggered, reading at the other end of a Unix pair reports OUT again") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLOUT | EPOLLET);
    t.wait("e").is("a:OUT");
    t.wait("e").is(0);
    t.send("a", "1");
    t.wait("e").is(0);
    t.recv("x").is("1");
    t.wait("e").is("a:OUT");
    t.wait("e").is(0);
}

SITUATION("edge-triggered, reading at the other end of a TCP connection reports nothing") {
    t.tcp_pair();
    t.epoll("e");
    t.add("e", "c", EPOLLOUT | EPOLLET);
    t.wait("e").is("c:OUT");
    t.send("c", "1");
    t.settle();
    t.recv("s").is("1");
    t.settle();
    t.wait("e").is(0);
}

SITUATION("one-shot: errors and hang-ups wait for MOD too") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLIN | EPOLLONESHOT);
    t.send("x", "1");
    t.wait("e").is("a:IN");
    t.close("x");
    t.wait("e").is(0);
    t.mod("e", "a", EPOLLIN | EPOLLRDHUP | EPOLLONESHOT).is(0);
    t.wait("e").is("a:IN+HUP+RDHUP");
    t.wait("e").is(0);
}

SITUATION("one-shot: what arrives while it is disarmed is there after MOD") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLOUT | EPOLLONESHOT);
    t.wait("e").is("a:OUT");
    t.send("x", "1");
    t.wait("e").is(0);
    t.add("e", "a", EPOLLIN).fails(EEXIST); // it is disarmed, not gone
    t.mod("e", "a", EPOLLIN | EPOLLONESHOT);
    t.wait("e").is("a:IN");
}

SITUATION("changing the interest reports what is ready under the new one") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLIN);
    t.wait("e").is(0);
    t.mod("e", "a", EPOLLIN | EPOLLOUT);
    t.wait("e").is("a:OUT");
    t.mod("e", "a", 0);
    t.wait("e").is(0);
    t.send("x", "1");
    t.wait("e").is(0);
    t.mod("e", "a", EPOLLIN);
    t.wait("e").is("a:IN");
}

SITUATION("an event that nobody fetched goes when the interest does") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLIN);
    t.send("x", "1");
    t.mod("e", "a", EPOLLOUT);
    t.wait("e").is("a:OUT");
    t.mod("e", "a", EPOLLPRI);
    t.wait("e").is(0);
    t.mod("e", "a", EPOLLIN);
    t.del("e", "a");
    t.wait("e").is(0);
}

SITUATION("interest in RDHUP alone") {
    t.tcp_pair();
    t.epoll("e");
    t.add("e", "s", EPOLLRDHUP | EPOLLET);
    t.send("c", "1");
    t.settle();
    t.wait("e").is(0);
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.wait("e").is("s:RDHUP");
    t.wait("e").is(0);
}

SITUATION("edge-triggered, the steps of a connection's end at the side that only listens") {
    t.tcp_pair();
    t.epoll("e");
    t.add("e", "s", all | EPOLLET);
    t.wait("e").is("s:OUT");
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.wait("e").is("s:IN+OUT+RDHUP");
    t.shutdown("s", SHUT_WR);
    t.settle();
    t.wait("e").is("s:IN+OUT+HUP+RDHUP");
    t.wait("e").is(0);
    t.recv("s").is(0);
    t.wait("e").is(0);
}

SITUATION("edge-triggered, the steps of a connection's end at the side that begins") {
    t.tcp_pair();
    t.epoll("e");
    t.add("e", "c", all | EPOLLET);
    t.wait("e").is("c:OUT");
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.wait("e").is("c:OUT"); // shutdown(2) itself wakes, and the acknowledgement may come later
    t.send("s", "1");
    t.settle();
    t.wait("e").is("c:IN+OUT");
    t.close("s");
    t.settle();
    t.wait("e").is("c:IN+OUT+HUP+RDHUP");
    t.wait("e").is(0);
}

SITUATION("edge-triggered, a reset is one event") {
    t.tcp_pair();
    t.epoll("e");
    t.add("e", "s", all | EPOLLET);
    t.wait("e").is("s:OUT");
    t.reset("c");
    t.wait("e").is("s:IN+OUT+ERR+HUP+RDHUP");
    t.wait("e").is(0);
    t.recv("s").fails(ECONNRESET);
    t.wait("e").is(0);
}

SITUATION("ending one's own halves wakes one's own set") {
    t.tcp_pair();
    t.epoll("e");
    t.add("e", "c", all | EPOLLET);
    t.wait("e").is("c:OUT");
    t.shutdown("c", SHUT_RD);
    t.wait("e").is("c:IN+OUT+RDHUP");
    t.shutdown("c", SHUT_WR);
    t.settle();
    t.wait("e").is("c:IN+OUT+HUP+RDHUP");
}

SITUATION(
    "several sockets become ready: first come, first reported; level-triggered go to the end") {
    t.epoll("e");
    for (const char* name : {"a", "b", "c"}) {
        t.pair(name, std::string{name} + "'");
        t.add("e", name, name[0] == 'b' ? EPOLLIN | EPOLLET : EPOLLIN);
    }
    t.send("b'", "1");
    t.send("c'", "1");
    t.send("a'", "1");
    t.wait("e").is("b:IN c:IN a:IN");
    t.send("b'", "2");
    t.wait("e").is("c:IN a:IN b:IN");
    t.recv("c").is("1");
    t.wait("e").is("a:IN");
    t.send("c'", "2");
    t.wait("e").is("a:IN c:IN");
}

SITUATION("MOD of a member that is reported already keeps its place") {
    t.epoll("e");
    for (const char* name : {"a", "b"}) {
        t.pair(name, std::string{name} + "'");
        t.add("e", name, EPOLLIN);
    }
    t.send("a'", "1");
    t.send("b'", "1");
    t.mod("e", "a", EPOLLIN | EPOLLOUT);
    t.wait("e").is("a:IN+OUT b:IN");
    t.del("e", "a");
    t.add("e", "a", EPOLLIN);
    t.wait("e").is("b:IN a:IN");
}

SITUATION("an error is skipped in a batch when the socket is gone, and room is not used up") {
    t.epoll("e");
    for (const char* name : {"a", "b", "c"}) {
        t.pair(name, std::string{name} + "'");
        t.add("e", name, EPOLLIN);
        t.send(std::string{name} + "'", "1");
    }
    t.recv("a").is("1");
    t.close("b");
    t.wait("e", 1).is("c:IN");
}

SITUATION("a duplicate is not registered under its own number") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLIN);
    t.dup("b", "a");
    t.mod("e", "b", EPOLLIN).fails(ENOENT);
    t.del("e", "b").fails(ENOENT);
    t.add("e", "b", EPOLLIN | EPOLLET).is(0);
    t.close("b");
    t.send("x", "1");
    t.wait("e").is(2); // both, since the description lives
    t.wait("e").is("a:IN");
}

SITUATION("a duplicate of a set is the same set") {
    t.pair("a", "x");
    t.epoll("e");
    t.dup("f", "e");
    t.add("f", "a", EPOLLOUT).is(0);
    t.add("e", "a", EPOLLOUT).fails(EEXIST);
    t.wait("e").is("a:OUT");
    t.close("e");
    t.wait("f").is("a:OUT");
}

SITUATION("dup2 over a registered descriptor takes it from the set") {
    t.pair("a", "x");
    t.pair("b", "y");
    t.epoll("e");
    t.add("e", "a", EPOLLIN);
    t.send("x", "1");
    t.dup2("b", "a").is(0);
    t.wait("e").is(0);
    t.recv("x").fails(ECONNRESET); // it was closed with something unread
    t.mod("e", "a", EPOLLIN).fails(ENOENT);
}

SITUATION("a set that is closed forgets, and its members live") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLIN);
    t.close("e");
    t.send("x", "1").is(1);
    t.recv("a").is("1");
    t.epoll("f");
    t.add("f", "a", EPOLLIN).is(0);
}

SITUATION("arguments of epoll that are none") {
    t.epoll("e", 1).fails(EINVAL);
    t.epoll("e");
    t.pair("a", "x");
    t.control_unknown("e", "a").fails(EINVAL);
    t.wait("e", INT_MAX).fails(EINVAL);
    t.send("e", "x").fails(ENOTSOCK);
    t.read("e").fails(EINVAL);
    t.write("e", "x").fails(EINVAL);
}

SITUATION("waiting without an event takes its time, with one none") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLIN);
    t.timed_wait("e", 3).is("in time, not early");
    t.wait("e", 16, 3).is(0);
    t.send("x", "1");
    t.wait("e", 16, 1000).is("a:IN");
    t.wait("e", 16, -1).is("a:IN");
}

SITUATION("bits besides the usual ones: RDNORM and WRNORM go along") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM);
    t.wait("e").is("a:OUT+WRNORM");
    t.send("x", "1");
    t.wait("e").is("a:IN+OUT+RDNORM+WRNORM");
}

SITUATION("a set inside another, both edge-triggered, with two members") {
    t.pair("a", "x");
    t.pair("b", "y");
    t.epoll("inner");
    t.epoll("outer");
    t.add("inner", "a", EPOLLIN | EPOLLET);
    t.add("inner", "b", EPOLLIN | EPOLLET);
    t.add("outer", "inner", EPOLLIN | EPOLLET);
    t.send("x", "1");
    t.wait("outer").is("inner:IN");
    t.wait("inner").is("a:IN");
    t.wait("outer").is(0);
    t.send("y", "1");
    t.wait("outer").is("inner:IN");
    t.wait("inner").is("b:IN");
    t.wait("inner").is(0);
    t.poll("inner").is("0");
}

SITUATION("a full one-member batch of a nested set leaves it readable") {
    t.pair("a", "x");
    t.pair("b", "y");
    t.epoll("inner");
    t.epoll("outer");
    t.add("inner", "a", EPOLLIN | EPOLLET);
    t.add("inner", "b", EPOLLIN | EPOLLET);
    t.add("outer", "inner", EPOLLIN | EPOLLET);
    t.send("x", "1");
    t.send("y", "1");
    t.wait("outer").is("inner:IN");
    t.wait("inner", 1).is("a:IN");
    t.poll("inner").is("IN");
    t.wait("outer").is(0); // nobody says that one is left
    t.wait("inner", 1).is("b:IN");
}
