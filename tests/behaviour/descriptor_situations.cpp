// Descriptors: their numbers, flags and duplicates, and what is refused of which kind.
#include "recorder.hpp"

#include <cerrno>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/eventfd.h>

using namespace behaviour;

static constexpr const char* topic = "j_descriptors";

SITUATION("every new descriptor has the lowest free number") {
    t.tcp("a");
    t.tcp("b");
    t.tcp("c").is(2);
    t.close("a");
    t.close("b");
    t.epoll("e").is(0);
    t.eventfd("v", 0, 0).is(1);
    t.eventfd("w", 0, 0).is(3);
    t.close("e");
    t.pair("p", "q");
    t.check(t.number("p") < t.number("c"), "the first of a pair fills the gap");
}

SITUATION("accept takes the lowest free number") {
    t.tcp("gap");
    t.listener("l");
    t.tcp("c");
    t.connect("c", "127.0.0.1:p1").fails(EINPROGRESS);
    t.settle();
    t.close("gap");
    t.accept("s", "l").is(0);
}

SITUATION("dup takes the lowest free number, F_DUPFD one from a given one on") {
    t.tcp("a");
    t.dup("b", "a").is(1);
    t.dup_from("c", "a", 5).is(5);
    t.dup_from("d", "a", 5).is(6);
    t.dup("f", "a").is(2);
    t.dup_from("g", "a", -1 - 100000).fails(EINVAL);
}

SITUATION("a duplicate shares the status flags, not the close-on-exec flag") {
    t.tcp("a");
    t.dup("b", "a");
    t.getfd("a").is("CLOEXEC");
    t.getfd("b").is("0");
    t.getfl("b").is("RDWR+NONBLOCK");
    t.setfl("b", 0).is(0);
    t.getfl("a").is("RDWR");
    t.set_nonblocking("a", true).is(0);
    t.getfl("b").is("RDWR+NONBLOCK");
    t.dup_from("c", "a", 0, true);
    t.getfd("c").is("CLOEXEC");
    t.setfd("c", 0).is(0);
    t.getfd("c").is("0");
    t.getfd("a").is("CLOEXEC");
}

SITUATION("setting flags leaves the way of access alone") {
    t.tcp("a");
    t.setfl("a", O_WRONLY | O_NONBLOCK).is(0);
    t.getfl("a").is("RDWR+NONBLOCK");
    t.setfl("a", O_APPEND).is(0);
    t.getfl("a").is("RDWR+APPEND");
}

SITUATION("dup2 closes what was there, and onto itself does nothing") {
    t.pair("a", "x");
    t.pair("b", "y");
    t.dup2("a", "a").is(0);
    t.getfd("a").is("CLOEXEC"); // nothing
    t.dup2("a", "b").is(0);
    t.recv("y").is(0); // b's description is closed
    t.send("b", "1").is(1);
    t.recv("x").is("1");
    t.getfd("b").is("0");
}

SITUATION("dup2 and dup3 of what is none") {
    t.tcp("a");
    t.dup2("-1", "a").fails(EBADF);
    t.dup2("9999", "a").fails(EBADF);
    t.dup2("a", "-1").fails(EBADF);
    t.dup3("a", "a", 0).fails(EINVAL);
    t.dup3("a", "a", O_CLOEXEC).fails(EINVAL);
    t.tcp("b");
    t.dup3("a", "b", O_CLOEXEC).is(0);
    t.getfd("b").is("CLOEXEC");
    t.dup3("a", "b", 0).is(0);
    t.getfd("b").is("0");
    t.dup("c", "-1").fails(EBADF);
}

SITUATION("a duplicate is the same socket: its data, its end, its error") {
    t.tcp_pair();
    t.dup("s2", "s");
    t.send("c", "ab");
    t.settle();
    t.recv("s", 1).is("a");
    t.recv("s2", 1).is("b");
    t.shutdown("s2", SHUT_WR).is(0); // of the description
    t.send("s", "x").fails(EPIPE);
    t.reset("c");
    t.so_error("s2").is("ECONNRESET");
    t.so_error("s").is("0");
}

SITUATION("the options are the description's") {
    t.tcp("a");
    t.dup("b", "a");
    t.set("b", SO_KEEPALIVE, 1);
    t.get("a", SO_KEEPALIVE).is("1");
}

SITUATION("closing twice, and every call on a closed number") {
    t.tcp("a");
    t.close("a").is(0);
    t.close("a").fails(EBADF);
    t.recv("a").fails(EBADF);
    t.send("a", "x").fails(EBADF);
    t.read("a").fails(EBADF);
    t.write("a", "x").fails(EBADF);
    t.readv("a", {1}).fails(EBADF);
    t.writev("a", {"x"}).fails(EBADF);
    t.recvmsg("a", {1}).fails(EBADF);
    t.sendmsg("a", {"x"}).fails(EBADF);
    t.bind("a", "127.0.0.1:0").fails(EBADF);
    t.listen("a").fails(EBADF);
    t.connect("a", "127.0.0.1:9").fails(EBADF);
    t.accept("s", "a").fails(EBADF);
    t.shutdown("a", SHUT_WR).fails(EBADF);
    t.getsockname("a").fails(EBADF);
    t.getpeername("a").fails(EBADF);
    t.get("a", SO_TYPE).fails(EBADF);
    t.set("a", SO_REUSEADDR, 1).fails(EBADF);
    t.getfd("a").fails(EBADF);
    t.setfd("a", 0).fails(EBADF);
    t.getfl("a").fails(EBADF);
    t.setfl("a", 0).fails(EBADF);
    t.readable_bytes("a").fails(EBADF);
    t.poll("a").is("NVAL");
    t.poll("-1").is(0); // a negative number is passed over
}

SITUATION("calls of sockets on what is none") {
    t.eventfd("v", 0, EFD_NONBLOCK);
    t.recv("v").fails(ENOTSOCK);
    t.send("v", "x").fails(ENOTSOCK);
    t.recvmsg("v", {1}).fails(ENOTSOCK);
    t.sendmsg("v", {"x"}).fails(ENOTSOCK);
    t.bind("v", "127.0.0.1:0").fails(ENOTSOCK);
    t.listen("v").fails(ENOTSOCK);
    t.connect("v", "127.0.0.1:9").fails(ENOTSOCK);
    t.accept("s", "v").fails(ENOTSOCK);
    t.shutdown("v", SHUT_WR).fails(ENOTSOCK);
    t.getsockname("v").fails(ENOTSOCK);
    t.getpeername("v").fails(ENOTSOCK);
    t.get("v", SO_ERROR).fails(ENOTSOCK);
    t.set("v", SO_REUSEADDR, 1).fails(ENOTSOCK);
    t.epoll("e");
    t.shutdown("e", SHUT_WR).fails(ENOTSOCK);
    t.accept("s", "e").fails(ENOTSOCK);
}

SITUATION("sockets that there are not") {
    t.socket("a", 9999, SOCK_STREAM).fails(EAFNOSUPPORT);
    t.socket("a", AF_INET, 9).fails(ESOCKTNOSUPPORT);
    t.socket("a", AF_INET, SOCK_STREAM | 0x100000).fails(EINVAL);
    t.socket("a", AF_INET, SOCK_STREAM, IPPROTO_UDP).fails(EPROTONOSUPPORT);
    t.socket("a", AF_INET, SOCK_SEQPACKET).fails(ESOCKTNOSUPPORT);
    t.socket("a", AF_UNIX, SOCK_STREAM, 9).fails(EPROTONOSUPPORT);
    t.pair("a", "b", SOCK_STREAM, AF_INET).fails(EOPNOTSUPP);
    t.pair("a", "b", SOCK_STREAM | 0x100000).fails(EINVAL);
    t.socket("a", AF_INET, SOCK_STREAM, IPPROTO_TCP).is(0);
}

SITUATION("calls that a datagram socket and a Unix pair do not have") {
    t.socket("u", AF_INET, datagram);
    t.listen("u").fails(EOPNOTSUPP);
    t.accept("s", "u").fails(EOPNOTSUPP);
    t.send("u", "x").fails(EDESTADDRREQ);
    t.shutdown("u", SHUT_WR).fails(ENOTCONN);
    t.getpeername("u").fails(ENOTCONN);
    t.pair("p", "q");
    t.listen("p").fails(EINVAL);
    t.accept("s", "p").fails(EINVAL);
    t.connect("p", "127.0.0.1:9").fails(EINVAL);
    t.getsockname("p").is("UNIX/2");
    t.getpeername("p").is("UNIX/2");
}
