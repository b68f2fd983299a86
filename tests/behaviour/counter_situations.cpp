// eventfd(2), signalfd(2), poll(2) and clock_gettime(2).
#include "recorder.hpp"

#include <cerrno>
#include <ctime>

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

using namespace behaviour;

static constexpr const char* topic = "l_counter";
static constexpr std::uint64_t largest = 0xfffffffffffffffeULL;

SITUATION("a counter: added up, taken whole, then empty") {
    t.eventfd("v", 3, EFD_NONBLOCK | EFD_CLOEXEC);
    t.poll("v").is("IN+OUT");
    t.add_to_counter("v", 4).is(8);
    t.take_counter("v").is("7");
    t.take_counter("v").fails(EAGAIN);
    t.poll("v").is("OUT");
    t.getfd("v").is("CLOEXEC");
    t.getfl("v").is("RDWR+NONBLOCK");
}

SITUATION("a counter as a semaphore: taken one by one") {
    t.eventfd("v", 2, EFD_NONBLOCK | EFD_SEMAPHORE);
    t.take_counter("v").is("1");
    t.poll("v").is("IN+OUT");
    t.take_counter("v").is("1");
    t.take_counter("v").fails(EAGAIN);
    t.add_to_counter("v", 5).is(8);
    t.take_counter("v").is("1");
}

SITUATION("88: a counter at its maximum: EAGAIN, still readable, not writable") {
    t.eventfd("v", 0, EFD_NONBLOCK);
    t.add_to_counter("v", largest).is(8);
    t.poll("v").is("IN");
    t.add_to_counter("v", 1).fails(EAGAIN);
    t.add_to_counter("v", 0).is(8);
    t.take_counter("v").is(std::to_string(largest));
    t.poll("v").is("OUT");
}

SITUATION("a counter one below its maximum") {
    t.eventfd("v", 0, EFD_NONBLOCK);
    t.add_to_counter("v", largest - 1).is(8);
    t.poll("v").is("IN+OUT");
    t.add_to_counter("v", 2).fails(EAGAIN);
    t.add_to_counter("v", 1).is(8);
    t.poll("v").is("IN");
}

SITUATION("a counter's arguments that are none") {
    t.eventfd("v", 0, EFD_NONBLOCK);
    t.add_to_counter("v", ~std::uint64_t{0}).fails(EINVAL);
    t.write("v", "short").fails(EINVAL);
    t.read("v", 7).fails(EINVAL);
    t.read("v", 16).fails(EAGAIN); // to write more than 8 bytes is refused by newer kernels only
    t.eventfd("w", 0, 0x40).fails(EINVAL);
    t.readable_bytes("v").fails(ENOTTY);
}

SITUATION("a counter in a set: every write is an edge, reading ends it") {
    t.eventfd("v", 0, EFD_NONBLOCK);
    t.epoll("e");
    t.add("e", "v", EPOLLIN | EPOLLET);
    t.wait("e").is(0);
    t.add_to_counter("v", 1);
    t.wait("e").is("v:IN");
    t.wait("e").is(0);
    t.add_to_counter("v", 1);
    t.wait("e").is("v:IN");
    t.add_to_counter("v", 0);
    t.wait("e").is("v:IN"); // even of nothing
    t.take_counter("v").is("2");
    t.wait("e").is(0);
}

SITUATION("a counter in a set, level-triggered") {
    t.eventfd("v", 1, EFD_NONBLOCK);
    t.epoll("e");
    t.add("e", "v", EPOLLIN);
    t.wait("e").is("v:IN");
    t.wait("e").is("v:IN");
    t.take_counter("v").is("1");
    t.wait("e").is(0);
}

SITUATION("a counter in a set, writable again after reading from the maximum") {
    t.eventfd("v", 0, EFD_NONBLOCK);
    t.epoll("e");
    t.add_to_counter("v", largest);
    t.add("e", "v", EPOLLOUT | EPOLLET);
    t.wait("e").is(0);
    t.take_counter("v");
    t.wait("e").is("v:OUT");
    t.wait("e").is(0);
}

SITUATION("a counter shared by duplicates") {
    t.eventfd("v", 0, EFD_NONBLOCK);
    t.dup("w", "v");
    t.add_to_counter("v", 2);
    t.close("v");
    t.take_counter("w").is("2");
}

SITUATION("signals: blocked, pending, taken from the descriptor") {
    t.block_signals({SIGUSR1, SIGUSR2});
    t.signalfd("f", {SIGUSR1, SIGUSR2}, SFD_NONBLOCK | SFD_CLOEXEC);
    t.poll("f").is("0");
    t.take_signals("f").fails(EAGAIN);
    t.raise(SIGUSR1);
    t.poll("f").is("IN");
    t.is_pending(SIGUSR1).is(1);
    t.take_signals("f").is("USR1");
    t.is_pending(SIGUSR1).is(0);
    t.poll("f").is("0");
    t.getfd("f").is("CLOEXEC");
    t.unblock_signals({SIGUSR1, SIGUSR2});
}

SITUATION("signals: the same twice is one, and several come by number") {
    t.block_signals({SIGUSR1, SIGUSR2, SIGHUP});
    t.signalfd("f", {SIGUSR1, SIGUSR2, SIGHUP}, SFD_NONBLOCK);
    t.raise(SIGUSR2);
    t.raise(SIGUSR1);
    t.raise(SIGUSR1);
    t.raise(SIGHUP);
    t.take_signals("f").is("HUP USR1 USR2");
    t.take_signals("f").fails(EAGAIN);
    t.raise(SIGUSR1);
    t.raise(SIGHUP);
    t.take_signals("f", 1).is("HUP");
    t.poll("f").is("IN");
    t.take_signals("f", 1).is("USR1");
    t.unblock_signals({SIGUSR1, SIGUSR2, SIGHUP});
}

SITUATION("signals: the descriptor takes only those of its mask, and the mask can change") {
    t.block_signals({SIGUSR1, SIGUSR2});
    t.signalfd("f", {SIGUSR1}, SFD_NONBLOCK);
    t.raise(SIGUSR2);
    t.poll("f").is("0");
    t.take_signals("f").fails(EAGAIN);
    t.change_signalfd("f", {SIGUSR2}).is(0);
    t.poll("f").is("IN");
    t.take_signals("f").is("USR2");
    t.unblock_signals({SIGUSR1, SIGUSR2});
}

SITUATION("signals: two descriptors, and who reads first has it") {
    t.block_signals({SIGUSR1});
    t.signalfd("f", {SIGUSR1}, SFD_NONBLOCK);
    t.signalfd("g", {SIGUSR1}, SFD_NONBLOCK);
    t.raise(SIGUSR1);
    t.poll("f").is("IN");
    t.poll("g").is("IN");
    t.take_signals("g").is("USR1");
    t.poll("f").is("0");
    t.take_signals("f").fails(EAGAIN);
    t.unblock_signals({SIGUSR1});
}

SITUATION("signals in a set") {
    t.block_signals({SIGUSR1});
    t.signalfd("f", {SIGUSR1}, SFD_NONBLOCK);
    t.epoll("e");
    t.add("e", "f", EPOLLIN);
    t.wait("e").is(0);
    t.raise(SIGUSR1);
    t.wait("e").is("f:IN");
    t.wait("e").is("f:IN");
    t.take_signals("f").is("USR1");
    t.wait("e").is(0);
    t.unblock_signals({SIGUSR1});
}

SITUATION("signals: pending before the descriptor was made") {
    t.block_signals({SIGUSR1});
    t.raise(SIGUSR1);
    t.signalfd("f", {SIGUSR1}, SFD_NONBLOCK);
    t.poll("f").is("IN");
    t.take_signals("f").is("USR1");
    t.unblock_signals({SIGUSR1});
}

SITUATION("signals: arguments that are none") {
    t.signalfd("f", {SIGUSR1}, SFD_NONBLOCK);
    t.read("f", 100).fails(EINVAL); // less than one signal's record
    t.write("f", "x").fails(EINVAL);
    t.signalfd("g", {SIGUSR1}, 0x40).fails(EINVAL);
    t.eventfd("v", 0, 0);
    t.change_signalfd("v", {SIGUSR1}).fails(EINVAL);
    t.change_signalfd("9999", {SIGUSR1}).fails(EBADF);
}

SITUATION("poll: many at once, with one that is closed and one passed over") {
    t.pair("a", "b");
    t.tcp("closed");
    t.close("closed");
    t.send("b", "x");
    t.poll_all({{"a", EPOLLIN}, {"b", EPOLLIN}, {"closed", EPOLLIN}, {"-1", EPOLLIN}})
        .is("a:IN b:0 closed:NVAL -1:0");
    t.poll_all({{"b", EPOLLIN}, {"-1", EPOLLIN}}).is(0);
    t.poll_all({}).is(0);
}

SITUATION("poll: only what is asked for, but errors and hang-ups always") {
    t.pair("a", "b");
    t.send("b", "x");
    t.poll("a", EPOLLOUT).is("OUT");
    t.poll("a", EPOLLIN).is("IN");
    t.poll("a", 0).is(0);
    t.close("b");
    t.poll("a", 0).is("HUP");
    t.tcp_pair();
    t.reset("c");
    t.poll("s", 0).is("ERR+HUP");
}

SITUATION("poll waits until something comes, or the time is over") {
    t.pair("a", "b");
    t.poll("a", EPOLLIN, 3).is(0);
    t.send("b", "x");
    t.poll("a", EPOLLIN, 1000).is("IN");
    t.poll("a", EPOLLIN, -1).is("IN");
}

SITUATION("the clocks go forward") {
    t.monotonic_forward(CLOCK_MONOTONIC).is(1);
    t.monotonic_forward(CLOCK_BOOTTIME).is(1);
    t.monotonic_forward(99).fails(EINVAL);
}

SITUATION("UDP: datagrams arrive whole and in order, from where they came") {
    for (const char* u : {"a", "b"}) {
        t.socket(u, AF_INET, datagram);
        t.bind(u, "127.0.0.1:0");
        t.getsockname(u);
    }
    t.sendto("a", "one", "127.0.0.1:p2").is(3);
    t.sendto("a", "two", "127.0.0.1:p2").is(3);
    t.settle();
    t.poll("b").is("IN+OUT");
    t.readable_bytes("b").is("3"); // of the next one
    t.recvfrom("b", 64, MSG_PEEK).is("\"one\" from 127.0.0.1:p1");
    t.recvfrom("b").is("\"one\" from 127.0.0.1:p1");
    t.recv("b").is("two");
    t.recv("b").fails(EAGAIN);
}

SITUATION("UDP: a connected socket hears its peer only") {
    for (const char* u : {"a", "b", "other"}) {
        t.socket(u, AF_INET, datagram);
        t.bind(u, "127.0.0.1:0");
        t.getsockname(u);
    }
    t.connect("b", "127.0.0.1:p1").is(0);
    t.getpeername("b").is("127.0.0.1:p1");
    t.sendto("other", "no", "127.0.0.1:p2").is(2);
    t.sendto("a", "yes", "127.0.0.1:p2").is(3);
    t.settle();
    t.recv("b").is("yes");
    t.recv("b").fails(EAGAIN);
    t.connect("b", "unspec").is(0);
    t.send("b", "x").fails(EDESTADDRREQ);
}

SITUATION("UDP: unbound, it is bound by its first sending") {
    t.socket("a", AF_INET, datagram);
    t.bind("a", "127.0.0.1:0");
    t.getsockname("a").is("127.0.0.1:p1");
    t.socket("b", AF_INET, datagram);
    t.poll("b").is("OUT");
    t.getsockname("b").is("0.0.0.0:0");
    t.sendto("b", "x", "127.0.0.1:p1").is(1);
    t.getsockname("b").is("0.0.0.0:p2");
    t.settle();
    t.recvfrom("a").is("\"x\" from 127.0.0.1:p2");
}

SITUATION("UDP: shut down") {
    t.socket("a", AF_INET, datagram);
    t.bind("a", "127.0.0.1:0");
    t.getsockname("a");
    t.connect("a", "127.0.0.1:p1").is(0);
    t.shutdown("a", SHUT_RD).is(0);
    t.poll("a").is("IN+OUT+RDHUP");
    t.recv("a").fails(EAGAIN); // readable it says, and has nothing
    t.shutdown("a", SHUT_WR).is(0);
    t.send("a", "x").fails(EPIPE);
    t.poll("a").is("IN+OUT+HUP+RDHUP");
}
