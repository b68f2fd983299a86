"""Child processes: each on its own core, with a file for what it says, and gone when we are done with it.

Not here: which programs there are (servers.py) and what the load generator answers (load.py).

Servers run on one core and whatever puts load on them on another, so that neither takes time from the other and the
kernel does not move them about in mid-measurement.
"""

import ctypes
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "app"))
from support import DESCRIPTORS, allow_descriptors, resident  # noqa: E402, F401  (the first two for others here)

START = 20.0  # seconds after which a server that has not said its port never will
LISTENING = re.compile(rb"listening on \S+:(\d+)\s")

PR_SET_PDEATHSIG = 1  # prctl(2)
libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A program that is needed for a measurement did not do its part; the words are for the user."""


def cores():
    """(the servers' core, the load's core). The same core twice if there is only one.

    The load's is the first that is no other thread of the servers' core, which would take time from them, after all;
    only where there is no such core, it is one.
    """
    servers, *others = sorted(os.sched_getaffinity(0))
    apart = [core for core in others if core not in threads_of(servers)]
    return servers, (apart or others or [servers])[0]


def threads_of(core):
    """The numbers of all hardware threads of the core that has this one."""
    try:
        with open(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list") as file:
            return parse_list(file.read())
    except (OSError, ValueError):
        return {core}


def parse_list(text):
    """The numbers in "0-2,8"."""
    bounds = [[int(number) for number in part.split("-")] for part in text.strip().split(",")]
    return {number for ends in bounds for number in range(ends[0], ends[-1] + 1)}


def share_a_core():
    """Whether servers and load take time from each other."""
    servers, theirs = cores()
    return theirs in threads_of(servers)


def server_core():
    return {cores()[0]}


def load_core():
    return {cores()[1]}


class Child:
    """A running program. Use it in a `with` statement: it is gone at the end of that, whatever happens."""

    def __init__(self, command, on):
        self.command = [str(word) for word in command]
        self.out = tempfile.TemporaryFile()
        self.err = tempfile.TemporaryFile()

        def prepare():
            # Should we be killed, it would be left running for ever.
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.sched_setaffinity(0, on)
        try:
            # In a group of its own, a Ctrl-C is for us alone: we end the children, in order.
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err,
                                            process_group=0, preexec_fn=prepare)
        except OSError as error:
            self.out.close()
            self.err.close()
            raise Failed(f"{self.command[0]}: {error.strerror}") from None
        self.pid = self.process.pid
        self.pidfd = os.pidfd_open(self.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        if self.pidfd is None:
            return
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.pidfd)
        self.pidfd = None
        self.out.close()
        self.err.close()

    def wait(self, timeout):
        """Its exit code, or None if it still runs after so many seconds."""
        if self.process.poll() is None:
            # Not Popen.wait(timeout), which sleeps and looks: that would take time on a core of ours.
            select.select([self.pidfd], [], [], max(timeout, 0))
        return self.process.poll()

    @staticmethod
    def _bytes(file):
        return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)

    def output(self):
        return self._bytes(self.out)

    def errors(self):
        return self._bytes(self.err).decode(errors="replace").strip()

    def words(self):
        """Why it failed, in one line: programs say it first, and Python last."""
        code = self.process.poll()
        how = "still runs" if code is None else f"ended with {code}" if code >= 0 else f"died of signal {-code}"
        lines = [line.strip() for line in self.errors().splitlines() if line.strip()] or ["it said nothing"]
        said = lines[0] if len(lines) == 1 else f"{lines[0][:200]} ... {lines[-1][:200]}"
        return f"{' '.join(self.command[:3])} {how}: {said}"

    def until_says(self, pattern, timeout):
        """Waits for something on its standard output; the match."""
        end = time.monotonic() + timeout
        while True:
            ended = self.process.poll() is not None
            if found := pattern.search(self.output()):
                return found
            if ended or time.monotonic() > end:
                raise Failed(self.words())
            self.wait(0.005)

    def resident(self):
        return resident(self.pid)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Listening(Child):
    """A server that listens on `port`, which it says itself."""

    def __init__(self, command, on=None):
        super().__init__(command, on or server_core())
        try:
            self.port = int(self.until_says(LISTENING, START)[1])
        except BaseException:
            self.kill()
            raise


def raise_on_sigterm():
    """SIGTERM ends us as Ctrl-C does, through every `with` and `finally`."""
    def stop(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, stop)
