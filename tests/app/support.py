"""Runs the echo program and looks at it from outside, as its users and their machines do.

Every test file here is a program of its own and takes the path of the program as first argument:

    python3 tests/app/streaming_test.py build/apps/echo                      # all of the file
    python3 tests/app/streaming_test.py build/apps/echo Streaming.test_name  # one case

Ports are always 0, every wait has an end, and only processes started here are ended here. A case that
cannot run on this machine skips with its reason, and the file then exits 77, which Meson calls SKIP.
"""

import fcntl
import os
import random
import re
import resource
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

PROGRAM = ""  # the echo program, set by main()
EXTRA = []  # further arguments before the case names, as many as main() was asked to take
DESCRIPTORS = 20_000  # what a process may have here; one with more would not be repeatable elsewhere
WAIT = 20.0  # seconds after which anything awaited counts as never; the machine may be busy
MIB = 1 << 20

# AddressSanitizer keeps freed memory for a while, which is not the program's; and its leak checker is
# a tracer, so it cannot work under another one.
MEASURES_MEMORY = "quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
IS_TRACED = "detect_leaks=0"


def main(extra=0):
    """The main of every test file: takes the program's path (and `extra` more), then unittest's own."""
    global PROGRAM
    if len(sys.argv) < 2 + extra:
        sys.exit(f"usage: {sys.argv[0]} PROGRAM" + " ARGUMENT" * extra + " [CASE...]")
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    for _ in range(extra):
        EXTRA.append(os.path.abspath(sys.argv.pop(1)))
    allow_descriptors()
    run = unittest.main("__main__", exit=False, verbosity=2)
    if run.result.failures or run.result.errors:
        sys.exit(1)
    if run.result.skipped:
        for case, reason in run.result.skipped:
            print(f"skipped: {case.id()}: {reason}", file=sys.stderr)
        sys.exit(77)


def allow_descriptors():
    """Raises our soft limit (the program inherits it) as far as allowed and at most to DESCRIPTORS."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def resident(pid):
    """Bytes of memory that a process has in use, as in proc(5), VmRSS."""
    return int(re.search(r"VmRSS:\s+(\d+)", read(f"/proc/{pid}/status"))[1]) * 1024


def pattern(size, seed=1):
    """Bytes in which nothing lost, doubled or swapped can hide."""
    return random.Random(seed).randbytes(size)


def first_difference(got, wanted):
    """Where two byte strings part, in words; empty when they are equal."""
    if got == wanted:
        return ""
    at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
    return f"{len(got)} bytes instead of {len(wanted)}, the first difference at {at}"


def read(path):
    with open(path) as file:
        return file.read()


def environment(asan="", **more):
    """Ours, with the sanitizer (where the program has one) told what this test needs of it."""
    env = dict(os.environ, **more)
    options = [env.get("ASAN_OPTIONS", ""), "verify_asan_link_order=0", asan]
    env["ASAN_OPTIONS"] = ":".join(option for option in options if option)
    return env


def listening_ports(pid):
    """The TCP ports this process listens on, as the kernel knows them."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found = re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            continue  # closed meanwhile
        if found:
            inodes.add(found[1])
    ports = []
    for table in ("tcp", "tcp6"):
        try:
            lines = read(f"/proc/{pid}/net/{table}").splitlines()[1:]
        except FileNotFoundError:
            continue  # no IPv6 here
        for fields in map(str.split, lines):
            if fields[3] == "0A" and fields[9] in inodes:  # 0A is LISTEN
                ports.append(int(fields[1].rsplit(":", 1)[1], 16))
    return ports


class Server:
    """A running echo server. `shell` runs before it in the same process ('ulimit -n 64', '<&-')."""

    def __init__(self, *arguments, wrapper=(), shell="", redirect="", env=None, stdout=None, program=None,
                 patience=WAIT):
        self.out = tempfile.TemporaryFile()
        self.err = tempfile.TemporaryFile()
        command = [*wrapper, program or PROGRAM, *(arguments or ("--port", "0"))]
        if shell or redirect:
            command = ["sh", "-c", f'{shell or ":"} && exec "$0" "$@" {redirect}', *command]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=env or environment(),
                                        stdout=stdout or self.out, stderr=self.err)
        self.pid = self.process.pid
        try:
            self.port = self._wait_for_port(patience)
        except BaseException:
            self.kill()
            raise

    def _wait_for_port(self, patience):
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended at once with {self.process.returncode}: {self.words()}")
            ports = listening_ports(self.pid)
            if ports:
                return ports[0]
            time.sleep(0.01)
        raise AssertionError(f"the server did not listen: {self.words()}")

    @staticmethod
    def _text(file):
        size = os.fstat(file.fileno()).st_size
        return os.pread(file.fileno(), size, 0).decode(errors="replace")

    def output(self):
        return self._text(self.out)

    def errors(self):
        return self._text(self.err)

    def words(self):
        return f"stdout {self.output()[-2000:]!r}, stderr {self.errors()[-2000:]!r}"

    def is_running(self):
        return self.process.poll() is None

    def cpu_seconds(self):
        fields = read(f"/proc/{self.pid}/stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self):
        """Resident memory, in bytes."""
        return resident(self.pid)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def signal(self, number):
        os.kill(self.pid, number)

    def wait(self, timeout=WAIT):
        """Its exit code, or None when it has not ended in time."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self):
        if self.is_running():
            self.process.kill()
        self.process.wait()
        self.out.close()
        self.err.close()

    def pause(self):
        """Stops the process, and returns once the kernel says that it stands."""
        self.signal(signal.SIGSTOP)
        until(lambda: re.search(r"State:\s+[Tt]", read(f"/proc/{self.pid}/status")), "a stopped server")

    def go_on(self):
        self.signal(signal.SIGCONT)


def until(condition, what, timeout=WAIT):
    """Waits for a condition and returns its value; fails in words when it does not come."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(0.01)


def connect(port, host="127.0.0.1", timeout=WAIT, source=None):
    client = socket.create_connection((host, port), timeout=timeout, source_address=source)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def receive(client, size):
    """Exactly `size` bytes, or what came before the end of the stream."""
    got = bytearray()
    while len(got) < size:
        more = client.recv(min(size - len(got), MIB))
        if not more:
            break
        got += more
    return bytes(got)


def receive_to_end(client):
    """Everything up to the end of the stream or the error that ends it."""
    got = bytearray()
    try:
        while more := client.recv(MIB):
            got += more
    except ConnectionResetError:
        pass
    return bytes(got)


def unacknowledged(client):
    """How many of the bytes sent have not arrived at the other machine's kernel; see tcp(7), SIOCOUTQ."""
    return struct.unpack("i", fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)))[0]


def ping(client, data=b"ping"):
    """One message there and back."""
    client.sendall(data)
    got = receive(client, len(data))
    if got != data:
        raise AssertionError(f"sent {data[:40]!r}, got {got[:40]!r}")


def stream(client, data, chunk=lambda: 256 * 1024, finish=False, timeout=WAIT):
    """Sends and receives at the same time; what came back. With `finish`, sends FIN and reads to the end."""
    client.setblocking(False)
    view, sent, got, ended = memoryview(data), 0, bytearray(), False
    end = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while not ended and (len(got) < len(data) or finish):
            if time.monotonic() > end:
                raise AssertionError(f"sent {sent} of {len(data)} bytes, got {len(got)}, then nothing for {timeout} s")
            for _, events in selector.select(0.5):
                end = time.monotonic() + timeout
                if events & selectors.EVENT_WRITE and sent < len(data):
                    try:
                        sent += client.send(view[sent:sent + chunk()])
                    except BlockingIOError:
                        pass
                    if sent == len(data):
                        selector.modify(client, selectors.EVENT_READ)
                        if finish:
                            client.shutdown(socket.SHUT_WR)
                if events & selectors.EVENT_READ:
                    more = client.recv(MIB)
                    got += more
                    ended = not more
    client.settimeout(timeout)
    return bytes(got)


def send_until_stuck(client, limit, patience=1.0):
    """Sends without reading until nothing has gone out for `patience` seconds; the number of bytes."""
    client.setblocking(False)
    block, sent, last = pattern(MIB), 0, time.monotonic()
    while sent < limit and time.monotonic() - last < patience:
        try:
            at = sent % MIB
            sent += client.send(block[at:])
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    client.settimeout(WAIT)
    return sent


def reset(client):
    """Closes with RST instead of FIN."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def fork(work):
    """Runs `work` in a child of ours, for load that must not share our interpreter; its process id."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


class AppTest(unittest.TestCase):
    """A case with servers and clients that are gone when it ends."""

    def start(self, *arguments, **options):
        server = Server(*arguments, **options)
        self.addCleanup(server.kill)
        return server

    def connect(self, server, **options):
        client = connect(server.port, **options)
        self.addCleanup(client.close)
        return client

    def beside(self, work):
        """`fork`, ended with the case."""
        pid = fork(work)

        def end():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.addCleanup(end)
        return pid

    def assert_same(self, got, wanted, about=""):
        difference = first_difference(got, wanted)
        self.assertFalse(difference, f"{about}: {difference}")

    def assert_alive(self, server):
        """It runs, and a new client is served."""
        self.assertTrue(server.is_running(), f"the server is gone: {server.words()}")
        with connect(server.port) as client:
            ping(client, b"still there?")

    def assert_descriptors_return_to(self, server, count):
        until(lambda: server.descriptors() <= count, f"{count} descriptors; the server has {server.descriptors()}")
