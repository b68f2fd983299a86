#!/usr/bin/env python3
"""Runs echo_epoll and looks at it from outside: what it prints, what comes back, what it survives.

    python3 tests/app/echo_epoll_test.py build/apps/echo_epoll [Case.test_name]

Ports are always 0, every wait has an end, and only processes started here are ended here.
"""
import os
import queue
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

PROGRAM = ""  # set at the end of this file
WAIT = 20.0  # seconds after which anything awaited counts as never; the machine may be busy


class Server:
    """A running echo_epoll. Its lines are collected by a thread; `expect` waits for one."""

    def __init__(self, *arguments, descriptors=None, **how):
        how.setdefault("stdout", subprocess.PIPE)

        def limit():
            if descriptors is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        self.process = subprocess.Popen(
            [PROGRAM, "--port", "0", *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            preexec_fn=limit, **how)
        self.seen = []
        self.lines = queue.Queue()
        self.port = None
        if self.process.stdout:
            threading.Thread(target=self._collect, daemon=True).start()
            self.port = int(self.expect(r"listening on .*:(\d+)")[1])

    def _collect(self):
        with self.process.stdout as lines:
            for line in lines:
                self.lines.put(line.decode().rstrip("\n"))

    def expect(self, pattern):
        """Waits for a line that is all `pattern`; gives the match."""
        end = time.monotonic() + WAIT
        while True:
            try:
                line = self.lines.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line {pattern!r} among {self.seen[-20:]}") from None
            self.seen.append(line)
            match = re.fullmatch(pattern, line)
            if match:
                return match

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=WAIT)

    def find_port(self):
        """The port of a server whose lines cannot be read: from its only listening socket."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            try:
                mine = {os.readlink(f"/proc/{self.process.pid}/fd/{n}")
                        for n in os.listdir(f"/proc/{self.process.pid}/fd")}
            except FileNotFoundError:
                mine = set()
            with open("/proc/net/tcp") as table:
                for row in list(table)[1:]:
                    field = row.split()
                    if field[3] == "0A" and f"socket:[{field[9]}]" in mine:
                        self.port = int(field[1].split(":")[1], 16)
                        return
            time.sleep(0.01)
        raise AssertionError("it never listened")

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            field = stat.read().rpartition(")")[2].split()
        return (int(field[11]) + int(field[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self):
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self, with_signal=signal.SIGTERM):
        """Asks it to end; gives its exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(timeout=WAIT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()


def receive_exactly(client, size):
    data = bytearray()
    while len(data) < size:
        piece = client.recv(min(size - len(data), 1 << 20))
        if not piece:
            break
        data += piece
    return bytes(data)


def echoed(client, data):
    client.sendall(data)
    return receive_exactly(client, len(data))


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=WAIT,
                          stdin=subprocess.DEVNULL)


class Lines(unittest.TestCase):
    def test_it_prints_what_the_tutorial_prints(self):
        with Server() as server:
            server.expect("waiting for events")
            with server.connect() as client:
                peer = re.escape("127.0.0.1:%d" % client.getsockname()[1])
                server.expect("number of events: 1")
                server.expect("new connection from " + peer)
                server.expect("waiting for events")
                self.assertEqual(echoed(client, b"hello"), b"hello")
                for line in ("number of events: 1", "received 5 bytes from " + peer,
                             "waiting for events", "number of events: 1",
                             "sent 5 bytes to " + peer, "queue empty", "waiting for events"):
                    server.expect(line)
            server.expect("client closed " + peer)
            self.assertEqual(server.stop(), 0)

    def test_it_says_when_nothing_happened_for_so_long(self):
        with Server("--timeout", "0.05") as server:
            for _ in range(3):
                server.expect("waiting for events")
                server.expect("timed out")

    def test_it_listens_on_ipv6_and_prints_it_in_brackets(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError as why:
            self.skipTest(f"no IPv6 here: {why}")
        with Server("--host", "::1") as server:
            with socket.create_connection(("::1", server.port), timeout=WAIT) as client:
                self.assertEqual(echoed(client, b"six"), b"six")
                server.expect(r"new connection from \[::1\]:\d+")


class Echo(unittest.TestCase):
    def test_every_byte_comes_back_in_order(self):
        with Server(stdout=subprocess.DEVNULL) as server:
            server.find_port()
            with server.connect() as client:
                for size in (1, 2, 1023, 65_535, 65_536, 65_537, 4 << 20):
                    data = os.urandom(size)
                    got = []
                    reader = threading.Thread(
                        target=lambda: got.append(receive_exactly(client, len(data))))
                    reader.start()
                    client.sendall(data)
                    reader.join(WAIT)
                    self.assertEqual(got, [data], size)

    def test_data_after_a_half_close_comes_back_before_the_end(self):
        with Server(stdout=subprocess.DEVNULL) as server:
            server.find_port()
            with server.connect() as client:
                data = os.urandom(300_000)
                got = []
                reader = threading.Thread(
                    target=lambda: got.append(receive_exactly(client, len(data) + 1)))
                reader.start()
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                reader.join(WAIT)
                self.assertEqual(got, [data])

    def test_many_connections_are_served_side_by_side(self):
        with Server() as server:
            clients = [server.connect() for _ in range(100)]
            for number, client in enumerate(clients):
                client.sendall(b"%d" % number * 100)
            for number, client in reversed(list(enumerate(clients))):
                expected = b"%d" % number * 100
                self.assertEqual(receive_exactly(client, len(expected)), expected)
                client.close()


class Trouble(unittest.TestCase):
    def test_a_client_that_never_reads_costs_no_memory_and_stops_nobody(self):
        with Server(stdout=subprocess.DEVNULL) as server:
            server.find_port()
            with server.connect() as other, server.connect() as deaf:
                self.assertEqual(echoed(other, b"x" * 1000), b"x" * 1000)
                before = server.resident()
                deaf.settimeout(0.5)
                sent = 0
                with self.assertRaises(TimeoutError):
                    while sent < 100 << 20:
                        sent += deaf.send(b"x" * 65_536)
                self.assertEqual(echoed(other, b"still here"), b"still here")
                self.assertLess(server.resident() - before, 4 << 20)
                # And nothing of it was lost.
                deaf.settimeout(WAIT)
                deaf.shutdown(socket.SHUT_WR)
                self.assertEqual(len(receive_exactly(deaf, sent + 1)), sent)

    def test_resets_in_mid_stream_are_survived(self):
        with Server() as server:
            for _ in range(100):
                client = server.connect()
                client.sendall(b"x" * 10_000)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
            with server.connect() as client:
                self.assertEqual(echoed(client, b"alive"), b"alive")

    def test_urgent_data_does_not_stop_what_comes_behind_it(self):
        with Server() as server, server.connect() as client:
            client.sendall(b"before")
            client.send(b"!", socket.MSG_OOB)
            client.sendall(b"after")
            self.assertEqual(receive_exactly(client, 11), b"beforeafter")

    def test_out_of_descriptors_it_neither_spins_nor_forgets_who_waits(self):
        with Server(descriptors=16) as server:
            clients = [server.connect() for _ in range(40)]
            for client in clients:
                client.sendall(b"x")
            server.expect("cannot accept: .*")
            before = server.cpu_seconds()
            time.sleep(1)
            self.assertLess(server.cpu_seconds() - before, 0.2)
            # The first ones are served; each that leaves makes room for the next.
            for client in clients:
                self.assertEqual(receive_exactly(client, 1), b"x")
                client.close()

    def test_nobody_reading_its_lines_does_not_end_it(self):
        reader, writer = os.pipe()
        with Server(stdout=writer) as server:
            os.close(writer)
            os.close(reader)
            server.process.stdout = None
            server.find_port()
            with server.connect() as client:
                self.assertEqual(echoed(client, b"alone"), b"alone")
            self.assertEqual(server.stop(), 0)

    def test_a_full_disk_under_its_lines_does_not_end_it(self):
        with open("/dev/full", "wb") as full, Server(stdout=full) as server:
            server.find_port()
            with server.connect() as client:
                self.assertEqual(echoed(client, b"full"), b"full")
            self.assertEqual(server.stop(), 0)

    def test_with_standard_descriptors_closed_its_lines_reach_no_client(self):
        shell = ["sh", "-c", 'exec "$0" --port 0 0<&- 1>&- 2>&-', PROGRAM]
        server = Server.__new__(Server)
        server.process = subprocess.Popen(shell, stderr=subprocess.PIPE)
        with server:
            server.find_port()
            with server.connect() as client:
                self.assertEqual(echoed(client, b"mine"), b"mine")
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(client.recv(100), b"")
            self.assertEqual(server.stop(), 0)

    def test_stopped_and_continued_it_goes_on(self):
        with Server() as server, server.connect() as client:
            self.assertEqual(echoed(client, b"one"), b"one")
            server.process.send_signal(signal.SIGSTOP)
            client.sendall(b"two")
            server.process.send_signal(signal.SIGCONT)
            self.assertEqual(receive_exactly(client, 3), b"two")


class Stopping(unittest.TestCase):
    def test_sigterm_and_sigint_end_it_with_success(self):
        for which in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(which.name), Server() as server:
                server.expect("waiting for events")
                self.assertEqual(server.stop(which), 0)

    def test_a_connected_client_does_not_keep_it(self):
        with Server() as server, server.connect() as client:
            self.assertEqual(echoed(client, b"x"), b"x")
            self.assertEqual(server.stop(), 0)
            self.assertEqual(client.recv(1), b"")

    def test_a_restart_may_take_the_same_port_at_once(self):
        with Server() as server, server.connect() as client:
            self.assertEqual(echoed(client, b"x"), b"x")
            port = server.port
            self.assertEqual(server.stop(), 0)
        again = subprocess.Popen([PROGRAM, "--port", str(port)], stdout=subprocess.PIPE, text=True)
        self.assertEqual(again.stdout.readline(), f"listening on 127.0.0.1:{port}\n")
        again.terminate()
        self.assertEqual(again.wait(timeout=WAIT), 0)
        again.stdout.close()


class CommandLine(unittest.TestCase):
    def test_help_and_version(self):
        for option, expected in (("--help", "--timeout"), ("--version", "echo_epoll ")):
            done = run(option)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(expected, done.stdout)

    def test_a_bad_option_shows_usage_and_exits_2(self):
        for arguments in (["--bogus"], ["extra"], ["--timeout", "soon"], ["--timeout", "-1"],
                          ["--timeout", "0"], ["--port"]):
            with self.subTest(arguments):
                done = run(*arguments)
                self.assertEqual(done.returncode, 2)
                self.assertIn("Usage", done.stderr)

    def assert_one_line(self, done, *parts):
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1)
        for part in parts:
            self.assertIn(part, done.stderr)

    def test_a_bad_port_is_one_line(self):
        for port in ("65536", "70000", "0x50", "1e3", "80 ", "-1", "http"):
            with self.subTest(port):
                self.assert_one_line(run("--port=" + port), "127.0.0.1:" + port, "port")

    def test_a_bad_address_is_one_line(self):
        for host in ("nowhere.invalid", "1.2.3.4.5", "256.1.1.1"):
            with self.subTest(host):
                self.assert_one_line(run("--host=" + host), host + ":8888", "address")
        self.assert_one_line(run("--host", "192.0.2.1", "--port", "0"), "192.0.2.1:0", "assign")

    def test_a_port_in_use_is_one_line(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.assert_one_line(run("--port", str(port)), f"127.0.0.1:{port}", "in use")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} PROGRAM [CASE...]")
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    result = unittest.main(exit=False, verbosity=2).result
    if not result.wasSuccessful():
        sys.exit(1)
    for case, reason in result.skipped:
        print(f"skipped: {case.id()}: {reason}")
    sys.exit(77 if result.skipped else 0)
