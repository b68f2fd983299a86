"""Looks at the peers from outside: each does what dunlin's echo is compared with, or the comparison is void.

    python3 tests/bench/peers_test.py build/tests/bench/peers/epoll_et tests/bench/peers/python_epoll.py
    python3 tests/bench/peers_test.py build/tests/bench/peers/libuv libuv.test_one_line   # one case

A peer that lost bytes, buffered without end or served others badly would be faster for it.
"""

import ctypes
import os
import pathlib
import re
import resource
import signal
import socket
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "app"))
import support  # noqa: E402  (starts a program and looks at it)

PATIENCE = 0.3  # seconds in which nothing went out: then the server takes no more


def of_pattern(size):
    """What `support.send_until_stuck` has sent."""
    whole = support.pattern(support.MIB)
    return whole * (size // support.MIB) + whole[:size % support.MIB]


def server_socket(server, client):
    """The server's socket that `client` talks to, in our hands; None where the kernel does not let us.

    See pidfd_getfd(2), which Python has not wrapped.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(server.pid)
    try:
        for name in os.listdir(f"/proc/{server.pid}/fd"):
            if not os.readlink(f"/proc/{server.pid}/fd/{name}").startswith("socket:"):
                continue
            copy = libc.syscall(438, process, int(name), 0)
            if copy < 0:
                return None
            found = socket.socket(fileno=copy)
            try:
                if found.family == socket.AF_INET and found.getpeername() == client.getsockname():
                    return found
            except OSError:
                pass  # the listener
            found.close()
    finally:
        os.close(process)
    raise AssertionError("the server has no socket that is connected to ours")


class Peer:
    """The cases, without a program: each peer has a class of its own that inherits them."""

    command = ()

    def serve(self, **options):
        return self.start(*self.command[1:], "0", program=self.command[0], **options)

    def test_one_line(self):
        server = self.serve()
        line = f"listening on 127.0.0.1:{server.port}\n"
        support.until(lambda: server.output() == line, f"{line!r} alone; it said {server.output()!r}")
        support.ping(self.connect(server))
        self.assertEqual((server.output(), server.errors()), (line, ""))

    def test_wrong_command_line(self):
        for wrong in ("no port",), ("0", "1"):
            with self.assertRaisesRegex(AssertionError, "ended at once with [12]: .*usage") as caught:
                self.start(*self.command[1:], *wrong, program=self.command[0])
            self.assertNotIn("listening", str(caught.exception))

    def test_ends_at_sigterm(self):
        server = self.serve()
        support.ping(self.connect(server))
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 0)

    def test_descriptor_limit(self):
        """It raises its own: it was started with few."""
        server = self.serve(shell="ulimit -S -n 64")
        clients = [self.connect(server) for _ in range(100)]
        for client in clients:
            support.ping(client)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertEqual(resource.prlimit(server.pid, resource.RLIMIT_NOFILE)[0],
                         20_000 if hard == resource.RLIM_INFINITY else min(hard, 20_000))

    def test_no_delay(self):
        server = self.serve()
        client = self.connect(server)
        support.ping(client)
        there = server_socket(server, client)
        if there is None:
            self.skipTest("this kernel does not let us look at another process's socket")
        with there:
            self.assertEqual(there.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), 1)

    def test_large_stream(self):
        data = support.pattern(3 * support.MIB + 12_345)
        self.assert_same(support.stream(self.connect(self.serve()), data, finish=True), data, "a stream and its end")

    def test_slow_reader(self):
        """What a client does not take fills the buffers of both kernels and stays there, and nobody else waits."""
        server = self.serve()
        slow = self.connect(server)
        sent = support.send_until_stuck(slow, 64 * support.MIB, PATIENCE)
        self.assertLess(sent, 64 * support.MIB, "it takes without end from who does not read")
        for _ in range(10):
            support.ping(self.connect(server))
        got = bytearray()
        while len(got) < sent:
            # Little by little first, so that the rest goes out in many short sends.
            more = slow.recv(10_007 if len(got) < support.MIB else support.MIB)
            self.assertTrue(more, f"the end after {len(got)} of {sent} bytes")
            got += more
        self.assert_same(bytes(got), of_pattern(sent), "a slow reader")
        support.ping(slow)

    def test_half_close_under_pressure(self):
        """A client that has finished sending, long before it begins to read, gets all of it and then the end."""
        server = self.serve()
        client = self.connect(server)
        sent = support.send_until_stuck(client, 64 * support.MIB, PATIENCE)
        client.shutdown(socket.SHUT_WR)
        self.assert_same(support.receive_to_end(client), of_pattern(sent), "after a half-close")

    def test_half_close_with_the_last_message(self):
        """Both may come with one event."""
        server = self.serve()
        for size in 1, 64, 65_536, 200_000:
            client = self.connect(server)
            data = support.pattern(size)
            server.pause()
            client.setblocking(False)
            sent = client.send(data)
            client.shutdown(socket.SHUT_WR)
            client.settimeout(support.WAIT)
            server.go_on()
            self.assert_same(support.receive_to_end(client), data[:sent], f"{size} bytes and the end")

    def test_end_behind_a_rest(self):
        """The end has long arrived when the server, its last bytes sent, comes back to reading."""
        server = self.serve()
        for size in range(10_000, 20_000, 2_000):  # one of them leaves so little that one send takes it
            client = self.connect_narrow(server)
            data = support.pattern(size + 1_000)
            client.sendall(data[:size])
            time.sleep(0.05)  # it has read that, and cannot send all of it
            client.sendall(data[size:])
            client.shutdown(socket.SHUT_WR)
            time.sleep(0.05)  # it has been told, and does not read
            server.pause()
            got, more = bytearray(), b" "
            client.settimeout(0.05)
            try:
                while more:
                    got += (more := client.recv(support.MIB))
            except TimeoutError:
                pass
            client.settimeout(support.WAIT)
            server.go_on()  # it can send all of the rest now, and nothing else will wake it
            got += support.receive_to_end(client)
            self.assert_same(bytes(got), data, "a rest, and the end behind it")

    def connect_narrow(self, server):
        """A connection on which some kilobytes are more than the server can send."""
        client = socket.socket()
        self.addCleanup(client.close)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(support.WAIT)
        client.connect(("127.0.0.1", server.port))
        support.ping(client)
        there = server_socket(server, client)
        if there is None:
            self.skipTest("this kernel does not let us make another process's send buffer small")
        with there:
            there.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return client

    def test_pipelined(self):
        client = self.connect(self.serve())
        data = support.pattern(64 * 1000)
        for at in range(0, len(data), 64):
            client.sendall(data[at:at + 64])
        self.assert_same(support.receive(client, len(data)), data, "1,000 messages")

    def test_churn(self):
        server = self.serve()
        support.ping(self.connect(server))
        before = server.descriptors()
        for visit in range(50):
            client = support.connect(server.port)
            support.ping(client, support.pattern(64, visit))
            support.reset(client) if visit % 5 == 0 else client.close()
        # Gone without a word, and gone while it is owed bytes.
        support.connect(server.port).close()
        rude = support.connect(server.port)
        support.send_until_stuck(rude, 64 * support.MIB, PATIENCE)
        support.reset(rude)
        self.assert_alive(server)
        self.assert_descriptors_return_to(server, before)

    def test_500_at_once(self):
        server = self.serve()
        support.ping(self.connect(server))
        before = server.descriptors()
        clients = [self.connect(server) for _ in range(500)]
        for _ in range(3):
            for number, client in enumerate(clients):
                client.sendall(support.pattern(64, number))
            for number, client in enumerate(clients):
                self.assert_same(support.receive(client, 64), support.pattern(64, number), f"client {number}")
        for client in clients:
            client.close()
        self.assert_descriptors_return_to(server, before)

    def test_no_descriptor_left(self):
        """Who comes when none is left is refused or waits; those who go make room."""
        server = self.serve(shell="ulimit -n 40")
        clients = [self.connect(server) for _ in range(80)]
        support.ping(clients[0])
        for client in clients:
            client.close()
        self.assert_alive(server)


def test_refuses_what_it_cannot_watch(self):
    """select(2) has no bit for a descriptor from 1,024 on."""
    server = self.serve()
    clients = [self.connect(server) for _ in range(1_100)]
    served = 0
    for client in clients:
        try:
            support.ping(client)
            served += 1
        except (AssertionError, ConnectionError):
            pass
    self.assertLess(served, 1_024)
    self.assertGreater(served, 1_000)
    support.ping(clients[0])
    clients[0].close()
    support.until(lambda: server.descriptors() < 1_024, "a free descriptor")
    self.assert_alive(server)


def class_of(program):
    name = re.sub(r"\.py$", "", os.path.basename(program))
    path = os.path.abspath(program)
    members = {"command": (sys.executable, path) if program.endswith(".py") else (path,)}
    if name == "select":
        members["test_refuses_what_it_cannot_watch"] = test_refuses_what_it_cannot_watch
    return type(name, (Peer, support.AppTest), members)


def main():
    programs = [argument for argument in sys.argv[1:] if os.path.exists(argument)]
    if not programs:
        sys.exit(f"usage: {sys.argv[0]} PEER... [CASE...]")
    support.allow_descriptors()
    for program in programs:
        made = class_of(program)
        globals()[made.__name__] = made
    run = unittest.main(argv=[sys.argv[0], *(word for word in sys.argv[1:] if word not in programs)],
                        exit=False, verbosity=2)
    if run.result.failures or run.result.errors:
        sys.exit(1)
    if run.result.skipped:
        print(f"skipped: {run.result.skipped[-1][1]}", file=sys.stderr)
        sys.exit(77)


if __name__ == "__main__":
    main()
