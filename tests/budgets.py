"""Measures what dunlin costs and holds it against tests/budgets.toml.

    python3 tests/budgets.py                  # build/, at its default options: fails above a budget
    python3 tests/budgets.py --report         # the same numbers as a table, whatever they are
    python3 tests/budgets.py build-clang -k instructions    # another build folder, some of the numbers

The load is one that always comes out the same: a client that sends to all its connections and then reads
from all of them. What is counted (calls, instructions, allocations) is the difference between a run and
one of twice its length, so starting and stopping cancel out. Needs strace and valgrind.
"""

import argparse
import itertools
import json
import pathlib
import re
import resource
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/app"))
import support  # noqa: E402  (starts the program and looks at it)

MESSAGE = b"x" * 64
IDLE = 10_000
PAUSE = 0.0003  # seconds between rounds
ROUNDS = 5  # of compiling


class CannotMeasure(Exception):
    """A tool or a limit of this machine is in the way."""


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            raise CannotMeasure(f"{program} is not installed")


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


def observed(wrapper, load, program=None):
    """Runs the program under a tool, puts the load on it, ends it politely; the tool has its say then."""
    server = support.Server(wrapper=wrapper, program=program)
    try:
        load(server)
        time.sleep(0.2)  # it reads the ends of its connections
        server.signal(signal.SIGTERM)
        code = server.wait(60)
        if code != 0:
            raise AssertionError(f"the server ended with {code}: {server.words()}")
    finally:
        server.kill()


def compiler_of(build):
    """The compiler that the build's echo program is compiled with, as words."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if entry["file"].endswith("apps/echo/main.cpp"):
            return list(itertools.takewhile(lambda word: not word.startswith("-"), shlex.split(entry["command"])))
    sys.exit(f"{build} does not compile apps/echo/main.cpp")


class Measurements:
    """Each method that is named in budgets.toml measures that budget, `_1` and `_64` being connections."""

    def __init__(self, build):
        self.build = build
        self.compiler = compiler_of(build)
        self.callgrind_runs = {}

    def of(self, name):
        found = re.fullmatch(r"(\w+)_(\d+)", name)
        return getattr(self, found[1])(int(found[2])) if found else getattr(self, name)()

    # System calls

    def trace(self, load):
        """The lines of strace for one run: a system call each."""
        needs("strace")
        with tempfile.NamedTemporaryFile("r") as log:
            observed(["strace", "-D", "-f", "-q", "-o", log.name], load)
            # The tracer is not our child and writes when it likes; its last line says how the program ended.
            text = ""

            def is_complete():
                nonlocal text
                text += log.read()
                return "+++ exited with" in text
            support.until(is_complete, "the end of strace's log")
            return [line for line in text.splitlines() if "(" in line]

    def system_calls(self, connections):
        messages = 3200 if connections == 1 else 12_800  # more rounds drown what 64 starts and ends differ by
        runs = [len(self.trace(lambda server: exchange(server.port, connections, count)))
                for count in (messages, 2 * messages)]
        return round((runs[1] - runs[0]) / messages, 2)

    def epoll_ctl_waiting(self):
        def visits(count):
            def load(server):
                for _ in range(count):
                    with support.connect(server.port) as client:
                        for _ in range(3):
                            support.ping(client, MESSAGE)
                            time.sleep(10 * PAUSE)
            return load
        return self.epoll_ctl_per_connection(visits)

    def epoll_ctl_never_waiting(self):
        def visits(count):
            def load(server):
                server.pause()
                time.sleep(0.2)
                clients = [support.connect(server.port) for _ in range(count)]
                for client in clients:
                    client.sendall(MESSAGE)
                    client.shutdown(socket.SHUT_WR)
                time.sleep(0.2)
                server.go_on()
                for client in clients:
                    if support.receive(client, 100) != MESSAGE:
                        raise AssertionError("not what was sent")
                    client.close()
            return load
        return self.epoll_ctl_per_connection(visits)

    def epoll_ctl_per_connection(self, visits):
        calls = [sum("epoll_ctl(" in line for line in self.trace(visits(count))) for count in (20, 120)]
        return (calls[1] - calls[0]) / 100

    # Instructions and allocations, of the same runs

    def callgrind(self, connections):
        """Per message: (instructions, calls of the heap)."""
        if connections not in self.callgrind_runs:
            needs("valgrind")
            messages = 10_000 // connections * connections
            runs = [self.callgrind_run(connections, count) for count in (messages, 2 * messages)]
            self.callgrind_runs[connections] = [(more - less) / messages for less, more in zip(*runs)]
        return self.callgrind_runs[connections]

    def callgrind_run(self, connections, messages, program=None):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder, "callgrind.out")
            # Without debug info, which older valgrinds cannot read as newer Clangs write it.
            stripped = pathlib.Path(folder, "echo")
            subprocess.run(["strip", "--strip-debug", "-o", str(stripped), program or support.PROGRAM], check=True)
            observed(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"],
                     lambda server: exchange(server.port, connections, messages), str(stripped))
            return read_callgrind(out.read_text())

    def instructions(self, connections):
        return round(self.callgrind(connections)[0])

    def allocations(self, connections):
        return round(self.callgrind(connections)[1], 3)

    # What timeouts add, by programs of their own

    def program(self, name, folder):
        """tests/budgets/NAME.cpp, linked with the library of the build."""
        library = next((self.build / "lib/dunlin").glob("libdunlin.a"), None)
        if library is None:
            raise CannotMeasure("the build has no static library")
        made = f"{folder}/{name}"
        self.compile("-O2", str(ROOT / f"tests/budgets/{name}.cpp"), str(library), "-o", made)
        return made

    def timed_instructions(self, connections):
        needs("valgrind")
        messages = 10_000 // connections * connections
        with tempfile.TemporaryDirectory() as folder:
            made = self.program("timed_echo", folder)
            runs = [self.callgrind_run(connections, count, made)[0] for count in (messages, 2 * messages)]
        return round((runs[1] - runs[0]) / messages)

    def counted(self, what):
        """Instructions that one more of `what` takes."""
        needs("valgrind")
        with tempfile.TemporaryDirectory() as folder:
            made = self.program("timers", folder)
            totals = []
            for count in (2_000, 4_000):
                out = pathlib.Path(folder, "out")
                subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}",
                                made, what, str(count)], check=True)
                totals.append(read_callgrind(out.read_text())[0])
        return (totals[1] - totals[0]) / 2_000

    def timed_read_ready(self):
        return round(self.counted("ready_timed") - self.counted("ready"))

    def timed_read_waiting(self):
        return round(self.counted("waiting_timed") - self.counted("waiting"))

    def timer_of_a_million(self):
        return round(self.counted("wheel"))

    # Memory

    def idle_bytes(self):
        if support.allow_descriptors() < IDLE + 100:
            raise CannotMeasure(f"{IDLE} connections need more descriptors than are allowed (ulimit -n)")
        server = support.Server()
        clients = []
        try:
            before = server.rss()
            for number in range(IDLE):
                clients.append(support.connect(server.port, source=(f"127.0.0.{2 + number % 4}", 0)))
                support.ping(clients[-1], MESSAGE)
            return round((server.rss() - before) / IDLE)
        finally:
            for client in clients:
                client.close()
            server.kill()

    # What users' builds pay

    def compile(self, *arguments, **options):
        includes = [f"-I{ROOT / 'lib'}", f"-I{self.build / 'lib'}"]
        return subprocess.run([*self.compiler, "-std=c++20", *includes, *arguments], check=True, **options)

    def header_lines(self):
        done = self.compile("-E", "-P", "-x", "c++", "-", input="#include <dunlin/dunlin.hpp>\n",
                            capture_output=True, text=True)
        return done.stdout.count("\n")

    def compile_ratio(self):
        try:
            ratios = []
            for _ in range(ROUNDS):
                seconds = [self.compile_seconds(name) for name in ("dunlin_echo.cpp", "asio_echo.cpp")]
                ratios.append(seconds[0] / seconds[1])
        except subprocess.CalledProcessError as failed:
            words = [line for line in failed.stderr.splitlines() if "error" in line]
            raise CannotMeasure(f"it does not compile: {(words or ['?'])[0]}") from failed
        return round(statistics.median(ratios), 3)

    def compile_seconds(self, name):
        """Processor time, which other programs on the machine disturb least."""
        def spent():
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            return used.ru_utime + used.ru_stime
        before = spent()
        with tempfile.TemporaryDirectory() as folder:
            self.compile("-O2", "-c", str(ROOT / "tests/budgets" / name), "-o", f"{folder}/echo.o",
                         stderr=subprocess.PIPE, text=True)
        return spent() - before


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


def prepare(build):
    """Brings the echo program of a build folder up to date; refuses one that measures something else."""
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", str(build), str(ROOT)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", str(build), "apps/echo"], check=True, stdout=subprocess.DEVNULL)
    with open(build / "meson-info/intro-buildoptions.json") as file:
        options = {option["name"]: option["value"] for option in json.load(file)}
    if options["optimization"] not in ("2", "3") or options["b_sanitize"] != "none" or options["b_lto"]:
        sys.exit(f"{build} is built at -O{options['optimization']}, b_sanitize={options['b_sanitize']}, "
                 f"b_lto={options['b_lto']}: the budgets are for -O2 without either")
    support.PROGRAM = str(build / "apps/echo")


def main():
    parser = argparse.ArgumentParser(description="what dunlin costs, and what it may cost")
    parser.add_argument("build", nargs="?", type=pathlib.Path, default=ROOT / "build", help="the build folder")
    parser.add_argument("--report", action="store_true", help="print all numbers and fail for none")
    parser.add_argument("-k", metavar="PART", default="", help="only budgets whose name has this in it")
    asked = parser.parse_args()
    budgets = tomllib.loads((ROOT / "tests/budgets.toml").read_text())
    support.allow_descriptors()
    prepare(asked.build.resolve())
    measurements = Measurements(asked.build.resolve())
    is_clang = "clang" in " ".join(measurements.compiler)

    print(f"{' '.join(measurements.compiler)}, {asked.build}")
    print(f"{'':52} {'measured':>10} {'at most':>10} {'aim':>8}")
    failed = []
    for name, budget in budgets.items():
        if asked.k not in name:
            continue
        limit = budget.get("clang", budget["max"]) if is_clang else budget["max"]
        try:
            value = measurements.of(name)
        except CannotMeasure as why:
            print(f"{budget['what']:52} not measured: {why}", flush=True)
            failed.append(f"{name} was not measured: {why}")
            continue
        remark = "" if value <= limit else "  <-- over budget"
        print(f"{budget['what']:52} {value:>10,} {limit:>10,} {budget.get('aim', ''):>8}{remark}", flush=True)
        if remark:
            failed.append(f"{name}: {value:,} is more than {limit:,}")
    if failed and not asked.report:
        print("\nover budget (tests/budgets.toml):", *failed, sep="\n  ")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
