// PITFALLS part A: what a set of epoll keeps of a descriptor, and how it refuses. The number is the
// pitfall's.
#include "recorder.hpp"

#include <cerrno>

using namespace behaviour;

static constexpr const char* topic = "a_registration";

SITUATION("1: an event waits for a socket that is closed, and its number is used again") {
    t.pair("a", "x");
    t.pair("b", "y");
    t.epoll("e");
    t.add("e", "a", EPOLLIN);
    t.add("e", "b", EPOLLIN);
    t.send("x", "1");
    t.send("y", "2");
    t.wait("e").is("a:IN b:IN");
    const int old = t.number("b");
    t.close("b").is(0);
    t.tcp("new");
    t.check(t.number("new") == old, "a new descriptor gets the lowest free number");
    t.wait("e").is("a:IN"); // nothing of b, and nothing for new
}

SITUATION("1: closing takes an event back that no wait has fetched") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLIN);
    t.send("x", "1");
    t.close("a");
    t.wait("e").is(0);
}

SITUATION("3: a closed descriptor still reports while its duplicate lives") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLIN).is(0);
    t.dup("twin", "a");
    t.close("a").is(0);
    t.send("x", "1");
    t.wait("e").is("a:IN");
    t.wait("e").is("a:IN");
    t.del("e", "a").fails(EBADF);
    t.del("e", "twin").fails(ENOENT);
    t.close("twin").is(0);
    t.wait("e").is(0);
}

SITUATION("3: the number comes back for the same description, and names the registration again") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLIN);
    t.dup("twin", "a");
    t.close("a");
    t.dup("again", "twin");
    t.check(t.number("again") == t.number("a"), "the lowest free number");
    t.add("e", "again", EPOLLIN).fails(EEXIST);
    t.del("e", "again").is(0);
}

SITUATION("3: two descriptors of one description are two registrations") {
    t.pair("a", "x");
    t.epoll("e");
    t.dup("b", "a");
    t.add("e", "a", EPOLLIN).is(0);
    t.add("e", "b", EPOLLIN).is(0);
    t.send("x", "1");
    t.wait("e").is(2);
    t.recv("b").is("1");
    t.wait("e").is(0);
    t.del("e", "a").is(0);
    t.send("x", "2");
    t.wait("e").is("b:IN");
}

SITUATION("4: the peer sees no end while a duplicate holds the description open") {
    t.tcp_pair();
    t.dup("twin", "s");
    t.close("s").is(0);
    t.settle();
    t.poll("c").is("OUT");
    t.recv("c").fails(EAGAIN);
    t.close("twin").is(0);
    t.settle();
    t.poll("c").is("IN+OUT+RDHUP");
    t.recv("c").is(0);
}

SITUATION("5: adding twice, changing or removing what is not there") {
    t.pair("a", "x");
    t.epoll("e");
    t.mod("e", "a", EPOLLIN).fails(ENOENT);
    t.del("e", "a").fails(ENOENT);
    t.add("e", "a", EPOLLIN).is(0);
    t.add("e", "a", EPOLLOUT).fails(EEXIST);
    t.wait("e").is(0); // the refused one changed nothing
    t.mod("e", "a", EPOLLOUT).is(0);
    t.wait("e").is("a:OUT");
    t.del("e", "a").is(0);
    t.wait("e").is(0);
}

SITUATION("5: after closing behind the set's back the number is unknown to it") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLIN);
    t.close("a");
    t.tcp("b");
    t.mod("e", "b", EPOLLIN).fails(ENOENT);
    t.del("e", "b").fails(ENOENT);
    t.add("e", "b", EPOLLIN).is(0);
}

SITUATION("6: what cannot be polled is refused") {
    t.epoll("e");
    t.open("null", "/dev/null");
    t.add("e", "null", EPOLLIN).fails(EPERM);
    t.wait("e").is(0);
}

SITUATION("7: a set in itself, nested too deep, or in a cycle") {
    t.epoll("e0");
    t.add("e0", "e0", EPOLLIN).fails(EINVAL);
    for (int i = 1; i <= 6; ++i) {
        const auto inner = "e" + std::to_string(i - 1), outer = "e" + std::to_string(i);
        t.epoll(outer);
        t.add(outer, inner, EPOLLIN);
    }
    t.add("e0", "e1", EPOLLIN).fails(ELOOP);
    t.pair("a", "x");
    t.add("e0", "a", EPOLLIN).is(0); // still usable
    t.send("x", "1");
    t.wait("e0").is("a:IN");
    t.wait("e1").is("e0:IN");
    t.wait("e2").is("e1:IN");
}

SITUATION("7: a set is readable while one of its members is ready") {
    t.pair("a", "x");
    t.epoll("inner");
    t.epoll("outer");
    t.add("inner", "a", EPOLLIN);
    t.add("outer", "inner", EPOLLIN);
    t.wait("outer").is(0);
    t.poll("inner").is("0");
    t.send("x", "1");
    t.poll("inner").is("IN");
    t.wait("outer").is("inner:IN");
    t.recv("a").is("1");
    t.wait("outer").is(0);
    t.poll("inner").is("0");
}

SITUATION("7: an edge-triggered nested set reports each new readiness once") {
    t.pair("a", "x");
    t.epoll("inner");
    t.epoll("outer");
    t.add("inner", "a", EPOLLIN);
    t.add("outer", "inner", EPOLLIN | EPOLLET);
    t.send("x", "1");
    t.wait("outer").is("inner:IN");
    t.wait("outer").is(0);
    t.send("x", "2");
    t.wait("outer");
    t.wait("inner").is("a:IN");
    t.recv("a").is("12");
    t.wait("outer").is(0);
}

SITUATION("7: a closed inner set leaves the outer one") {
    t.pair("a", "x");
    t.epoll("inner");
    t.epoll("outer");
    t.add("inner", "a", EPOLLOUT);
    t.add("outer", "inner", EPOLLIN);
    t.wait("outer").is("inner:IN");
    t.close("inner");
    t.wait("outer").is(0);
}

SITUATION("8: numbers that are no descriptors") {
    t.epoll("e");
    t.add("e", "-1", EPOLLIN).fails(EBADF);
    t.add("e", "9999", EPOLLIN).fails(EBADF);
    t.mod("e", "-1", EPOLLIN).fails(EBADF);
    t.del("e", "9999").fails(EBADF);
    t.pair("a", "x");
    t.add("-1", "a", EPOLLIN).fails(EBADF);
    t.add("x", "a", EPOLLIN).fails(EINVAL); // a socket is no set
    t.close("a");
    t.add("e", "a", EPOLLIN).fails(EBADF);
    t.wait("-1").fails(EBADF);
    t.wait("x").fails(EINVAL);
}

SITUATION("10: exclusive registrations cannot be changed, nor be one-shot or ask for RDHUP") {
    t.pair("a", "x");
    t.epoll("e");
    t.add("e", "a", EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT).fails(EINVAL);
    t.add("e", "a", EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP).fails(EINVAL);
    t.add("e", "a", EPOLLIN | EPOLLEXCLUSIVE | EPOLLPRI).fails(EINVAL);
    t.add("e", "a", EPOLLIN | EPOLLOUT | EPOLLET | EPOLLEXCLUSIVE).is(0);
    t.mod("e", "a", EPOLLIN).fails(EINVAL);
    t.mod("e", "a", EPOLLIN | EPOLLEXCLUSIVE).fails(EINVAL);
    t.wait("e").is("a:OUT");
    t.del("e", "a").is(0);
    t.add("e", "a", EPOLLIN).is(0);
    t.mod("e", "a", EPOLLIN | EPOLLEXCLUSIVE).fails(EINVAL);
}

SITUATION("10: an exclusive registration takes no set") {
    t.epoll("e");
    t.epoll("inner");
    t.add("e", "inner", EPOLLIN | EPOLLEXCLUSIVE).fails(EINVAL);
    t.add("e", "inner", EPOLLIN).is(0);
}

SITUATION(
    "11: nobody waits, and each of two sets with an exclusive listener reports the connection") {
    t.listener("l");
    t.epoll("e");
    t.epoll("f");
    t.add("e", "l", EPOLLIN | EPOLLEXCLUSIVE).is(0);
    t.add("f", "l", EPOLLIN | EPOLLEXCLUSIVE).is(0);
    t.tcp("c");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.wait("e");
    t.wait("f");
    t.accept("s", "l");
    t.wait("e").is(0);
    t.wait("f").is(0);
}

SITUATION("12: close-on-exec is set at once where it is asked for") {
    t.tcp("a");
    t.getfd("a").is("CLOEXEC");
    t.socket("b", AF_INET, SOCK_STREAM);
    t.getfd("b").is("0");
    t.setfd("b", 1).is(0);
    t.getfd("b").is("CLOEXEC");
    t.epoll("e");
    t.getfd("e").is("CLOEXEC");
    t.epoll("f", 0);
    t.getfd("f").is("0");
    t.pair("p", "q");
    t.getfd("p").is("CLOEXEC");
    t.getfd("q").is("CLOEXEC");
}

SITUATION("14: room for no event is an error, room for one takes turns") {
    t.epoll("e");
    t.wait("e", 0).fails(EINVAL);
    t.wait("e", -1).fails(EINVAL);
    for (const char* name : {"a", "b", "c"}) {
        t.pair(name, std::string{name} + "'");
        t.add("e", name, EPOLLOUT);
    }
    t.wait("e", 1).is("a:OUT");
    t.wait("e", 1).is("b:OUT");
    t.wait("e", 1).is("c:OUT");
    t.wait("e", 1).is("a:OUT");
    t.wait("e", 2).is("b:OUT c:OUT");
    t.wait("e", 2).is("a:OUT b:OUT");
    t.wait("e", 3).is("c:OUT a:OUT b:OUT");
}

SITUATION("14: events come in the order in which they became ready") {
    t.epoll("e");
    for (const char* name : {"a", "b", "c"}) {
        t.pair(name, std::string{name} + "'");
        t.add("e", name, EPOLLIN);
    }
    t.send("c'", "1");
    t.send("a'", "1");
    t.wait("e").is("c:IN a:IN");
    t.send("b'", "1");
    t.wait("e"); // the level-triggered ones went to the end when they were reported
    t.recv("c");
    t.send("c'", "2");
    t.wait("e");
}

SITUATION("15: one descriptor is in two sets, and both report") {
    t.pair("a", "x");
    t.epoll("e");
    t.epoll("f");
    t.add("e", "a", EPOLLIN).is(0);
    t.add("f", "a", EPOLLIN | EPOLLET).is(0);
    t.send("x", "1");
    t.wait("e").is("a:IN");
    t.wait("f").is("a:IN");
    t.wait("e").is("a:IN");
    t.wait("f").is(0);
}
