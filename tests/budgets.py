"""Measures what dunlin costs and holds it against tests/budgets.toml.

    python3 tests/budgets.py                  # build/, at its default options: fails above a budget
    python3 tests/budgets.py --report         # the same numbers as a table, whatever they are
    python3 tests/budgets.py build-clang -k instructions    # another build folder, some of the numbers

How it is measured, and under which load, is in tests/measure.py. Needs strace and valgrind.
"""

import argparse
import functools
import itertools
import json
import pathlib
import re
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib

import measure
from measure import MESSAGE, PAUSE, ROOT, CannotMeasure, support

ROUNDS = 5  # of compiling


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
        self.echo = [str(build / "apps/echo"), "--port", "0"]

    def of(self, name):
        found = re.fullmatch(r"(\w+)_(\d+)", name)
        return getattr(self, found[1])(int(found[2])) if found else getattr(self, name)()

    # System calls

    def system_calls(self, connections):
        return measure.system_calls(self.echo, connections)

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
        def calls(count):
            return sum("epoll_ctl(" in line for line in measure.trace(self.echo, visits(count)))
        return (calls(120) - calls(20)) / 100

    # Instructions and allocations, of the same runs

    @functools.cache
    def callgrind(self, connections):
        return measure.callgrind(self.echo, connections)

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
        with tempfile.TemporaryDirectory() as folder:
            command = [self.program("timed_echo", folder), "--port", "0"]
            return round(measure.callgrind(command, connections)[0])

    def counted(self, what):
        """Instructions that one more of `what` takes."""
        measure.needs("valgrind")
        with tempfile.TemporaryDirectory() as folder:
            made = self.program("timers", folder)
            totals = []
            for count in (2_000, 4_000):
                out = pathlib.Path(folder, "out")
                subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}",
                                made, what, str(count)], check=True)
                totals.append(measure.read_callgrind(out.read_text())[0])
        return (totals[1] - totals[0]) / 2_000

    def timed_read_ready(self):
        return round(self.counted("ready_timed") - self.counted("ready"))

    def timed_read_waiting(self):
        return round(self.counted("waiting_timed") - self.counted("waiting"))

    def timer_of_a_million(self):
        return round(self.counted("wheel"))

    # Memory

    def idle_bytes(self):
        return measure.idle_bytes(self.echo)

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
        with tempfile.TemporaryDirectory() as folder:
            return measure.cpu_seconds(lambda: self.compile(
                "-O2", "-c", str(ROOT / "tests/budgets" / name), "-o", f"{folder}/echo.o",
                stderr=subprocess.PIPE, text=True))


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
