"""What an echo server costs, counted from outside: the load, and the tools that count while it runs.

tests/budgets.py holds dunlin's own figures against their limits with this, tests/bench/costs.py compares
them with other servers'. A server is a command, a list of words, which listens on a port of 127.0.0.1 of its
own choice and ends with SIGTERM.

The load is one that always comes out the same: a client that sends to all its connections and then reads
from all of them. What is counted (calls, instructions, allocations) is the difference between a run and
one of twice its length, so starting and stopping cancel out. Needs strace and valgrind.
"""

import functools
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/app"))
import support  # noqa: E402  (starts a program and looks at it)

MESSAGE = b"x" * 64
IDLE = 10_000
PAUSE = 0.0003  # seconds between rounds
CAUGHT = (0,)  # how a server ends that catches SIGTERM, as ours do
CAUGHT_OR_NOT = (0, -signal.SIGTERM)  # what others may do
STARTING = 100.0  # seconds at most, which asyncio under callgrind on a busy machine comes near


class CannotMeasure(Exception):
    """A tool or a limit of this machine is in the way."""


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            raise CannotMeasure(f"{program} is not installed")


def start(command, wrapper=()):
    program, *arguments = command
    return support.Server(*arguments, program=program, wrapper=wrapper, patience=STARTING)


def exchange(port, connections, messages):
    """`messages` messages over `connections` connections, in rounds: one to each, then one from each.

    Between rounds it waits until the server, slow under a tool, has nothing left to do: else the next
    message is there before it has looked, and it is counted as if it never had to wait.
    """
    clients = [support.connect(port) for _ in range(connections)]
    for client in clients:
        support.ping(client, MESSAGE)
    for _ in range(messages // connections):
        for client in clients:
            client.sendall(MESSAGE)
        for client in clients:
            if len(support.receive(client, len(MESSAGE))) != len(MESSAGE):
                raise AssertionError("the server closed a connection in mid-measurement")
        time.sleep(PAUSE)
    for client in clients:
        client.close()


def observed(wrapper, command, load, good_ends=CAUGHT):
    """Runs the server under a tool, puts the load on it, ends it politely; the tool has its say then.

    Returns its process id. `good_ends` are the exit codes with which it may end.
    """
    server = start(command, wrapper)
    try:
        load(server)
        time.sleep(0.2)  # it reads the ends of its connections
        server.signal(signal.SIGTERM)
        code = server.wait(60)
        if code not in good_ends:
            raise AssertionError(f"the server ended with {code}: {server.words()}")
    finally:
        server.kill()
    return server.pid


def by_message(count, messages):
    """What one more message adds to the numbers that `count(messages)` returns."""
    return [(more - less) / messages for less, more in zip(count(messages), count(2 * messages))]


# System calls

def trace(command, load, good_ends=CAUGHT):
    """The lines of strace for one run: a system call each."""
    needs("strace")
    with tempfile.NamedTemporaryFile("r") as log:
        pid = observed(["strace", "-D", "-f", "-q", "-o", log.name], command, load, good_ends)
        # The tracer is not our child and writes when it likes; its last line says how the program ended.
        text = ""

        def is_complete():
            nonlocal text
            text += log.read()
            return re.search(rf"^{pid} +\+\+\+ (exited with|killed by)", text, re.MULTILINE)
        support.until(is_complete, "the end of strace's log")
        # A call that another thread's came between has two lines; the second says "resumed".
        return [line for line in text.splitlines() if "(" in line and " resumed>" not in line]


def system_calls(command, connections, good_ends=CAUGHT):
    messages = 3200 if connections == 1 else 12_800  # more rounds drown what 64 starts and ends differ by

    def count(number):
        return [len(trace(command, lambda server: exchange(server.port, connections, number), good_ends))]
    return round(by_message(count, messages)[0], 2)


# Instructions and allocations, of the same runs

def callgrind(command, connections, messages=10_000, good_ends=CAUGHT):
    """Per message: (instructions, calls of the heap)."""
    messages = messages // connections * connections
    return by_message(functools.partial(callgrind_run, command, connections, good_ends), messages)


def callgrind_run(command, connections, good_ends, messages):
    """(instructions, calls of the heap) of a whole run."""
    needs("valgrind")
    with tempfile.TemporaryDirectory() as folder:
        # Without debug info, which older valgrinds cannot read as newer Clangs write it.
        stripped = str(pathlib.Path(folder, "echo"))
        subprocess.run(["strip", "--strip-debug", "-o", stripped, command[0]], check=True)
        out = pathlib.Path(folder, "callgrind.out")
        observed(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"],
                 [stripped, *command[1:]], lambda server: exchange(server.port, connections, messages), good_ends)
        return read_callgrind(out.read_text())


HEAP = re.compile(r"(malloc|calloc|realloc|aligned_alloc|posix_memalign|memalign)(@.*|'\d+)?$")


def read_callgrind(text):
    """The instructions and the calls of the heap in a callgrind file."""
    total = re.search(r"^(?:summary|totals):\s+(\d+)", text, re.MULTILINE)
    names, callee, heap_calls = {}, "", 0
    for line in text.splitlines():
        if line.startswith(("fn=", "cfn=")):
            number, name = re.match(r"c?fn=\((\d+)\)(?: (.*))?", line).groups()
            names.setdefault(number, name)
            if line.startswith("cfn="):
                callee = names[number]
        elif line.startswith("calls=") and HEAP.match(callee):
            heap_calls += int(line[6:].split()[0])
    return int(total[1]), heap_calls


# Memory

def idle_bytes(command, count=IDLE):
    """User memory per connection that has echoed once and waits, in bytes."""
    if support.allow_descriptors() < count + 100:
        raise CannotMeasure(f"{count} connections need more descriptors than are allowed (ulimit -n)")
    server = start(command)
    clients = []
    try:
        before = server.rss()
        for number in range(count):
            clients.append(support.connect(server.port, source=(f"127.0.0.{2 + number % 4}", 0)))
            support.ping(clients[-1], MESSAGE)
        return round((server.rss() - before) / count)
    finally:
        for client in clients:
            client.close()
        server.kill()


# Compiling

def cpu_seconds(action):
    """Processor time of the programs that `action` runs, which others on the machine disturb least."""
    def spent():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime
    before = spent()
    action()
    return spent() - before
