#!/usr/bin/env python3
"""What CI runs: the tests under each compiler and sanitizer, then format, rules and budgets.

`./dev check` runs all legs, `./dev check asan format` some, `./dev check --list` names them. A leg that
fails does not hide the others. Each has a build folder of its own, build-check/<leg>, so the second run
is quick. A skipped test counts as a failure of the check, and its reason is printed.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILDS = ROOT / "build-check"


def tests(*suites, cxx="g++", options=(), patience=1, builds_all=False):
    """A leg that builds, warnings being errors, and runs some suites (or all)."""
    return lambda name: run_tests(name, suites, cxx, options, patience, builds_all or not suites)


def command(*words, cxx="g++"):
    """A leg that is one program: it passes when the program does."""
    return lambda name: Tally.of_one(name, succeeds(words, env=dict(os.environ, CXX=cxx)))


def format_is_right(name):
    files = [str(f) for part in ("lib", "apps", "tests") for f in (ROOT / part).rglob("*.[ch]pp")]
    return Tally.of_one(name, succeeds(["clang-format-19", "--dry-run", "-Werror", *sorted(files)]))


# b_lundef is off where Clang leaves the sanitizer's own functions undefined in a shared library.
# UBSan's check of the vptr opens a pipe to see whether an object's memory is there, and calls every object
# broken where no descriptor is left, which is what some tests are about: that check is off.
# TSan runs what has threads, and the sockets: the rest has one thread and says nothing new.
# Half of the compiler's time went into debug information and into optimising the tests under ASan. Sanitizers
# name a line, and Catch needs nothing; gdb is shown the library and the programs, which keep all of it. The
# tests are optimised by each compiler, and under TSan, where time counts.
# Without a precompiled header clang-16 sees that a test includes what it uses.
LEGS = {
    "gcc-O0": tests("unit", "net", "app", options=["-Doptimization=0", "-Dtest_args=-g1"], patience=2,
                    builds_all=True),
    "gcc-O2": tests(options=["-Doptimization=2", "-Dtest_args=-g1"]),
    "asan": tests("unit", "net", "app", "docs", "headers", cxx="clang++-19", patience=4, builds_all=True,
                  options=["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Doptimization=1",
                           "-Dcpp_args=-fno-sanitize=vptr -gline-tables-only", "-Dtest_args=-O0"]),
    "tsan": tests("net", "threads", cxx="clang++-19", patience=8,
                  options=["-Db_sanitize=thread", "-Db_lundef=false", "-Doptimization=1",
                           "-Dcpp_args=-gline-tables-only"]),
    "clang-16": tests("unit", cxx="clang++-16", builds_all=True,
                      options=["-Doptimization=2", "-Ddebug=false", "-Db_pch=false"]),
    "clang-19": tests("unit", cxx="clang++-19", options=["-Doptimization=0", "-Ddebug=false"]),
    "shared": tests("app", options=["-Ddefault_library=shared", "-Doptimization=0"]),
    "sim": lambda name: run_simulation(name),
    "format": format_is_right,
    "tidy": command(sys.executable, "tests/tidy.py"),
    "budgets": command(sys.executable, "tests/budgets.py", BUILDS / "budgets"),
    "budgets-clang": command(sys.executable, "tests/budgets.py", BUILDS / "budgets-clang", "-k", "idle",
                             cxx="clang++-19"),
}


class Tally:
    """How many passed, failed, were skipped; and a line for each that did not pass.

    Besides, what tests say of the failures that they inject: their lines that begin with "survived:".
    """

    def __init__(self, passed=0, failed=0, skipped=0, remarks=()):
        self.passed, self.failed, self.skipped = passed, failed, skipped
        self.remarks = list(remarks)
        self.survived = []

    @staticmethod
    def of_one(name, passed):
        return Tally(passed=1) if passed else Tally(failed=1, remarks=[f"failed: {name}"])

    @staticmethod
    def of_log(folder):
        """Reads what `meson test` wrote about its last run in a build folder."""
        tally = Tally()
        log = pathlib.Path(folder) / "meson-logs/testlog.json"
        if not log.exists():
            return Tally(failed=1, remarks=[f"failed: {folder}: no test has run, see above"])
        for test in map(json.loads, log.read_text().splitlines()):
            for line in test.get("stdout", "").splitlines():
                if line.startswith("survived:"):
                    tally.survived.append(line)
            if test["result"] in ("OK", "EXPECTEDFAIL"):
                tally.passed += 1
            elif test["result"] == "SKIP":
                said = (test.get("stdout", "") + test.get("stderr", "")).strip().splitlines()
                tally.skipped += 1
                tally.remarks.append(f"skipped: {test['name']}: {said[-1] if said else 'no reason given'}")
            else:
                tally.failed += 1
                tally.remarks.append(f"failed: {test['name']} ({test['result'].lower()})")
        return tally

    def is_clean(self):
        return self.failed == 0 and self.skipped == 0

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.remarks += other.remarks
        self.survived += other.survived
        return self

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def succeeds(words, **more):
    print("$", *words[:6], "..." if len(words) > 6 else "", flush=True)
    try:
        return subprocess.run([str(w) for w in words], cwd=ROOT, **more).returncode == 0
    except FileNotFoundError as missing:
        print(f"{missing.filename} is not installed")
        return False


def run_simulation(name):
    """General scenes at -O2, from a fixed seed and from a fresh one, and the planted bugs in short."""
    folder = BUILDS / name
    setup = ["meson", "setup", *(["--reconfigure"] if (folder / "build.ninja").exists() else []), folder,
             "-Dwerror=true", "-Dtests=enabled", "-Dapps=disabled", "-Doptimization=2", "-Ddebug=false"]
    scenes = folder / "tests/sim/scenes/sim_scenes"
    planted = folder / "tests/sim/planted/sim_scenes_planted"
    if not (succeeds(setup, stdout=subprocess.DEVNULL)
            and succeeds(["ninja", "-C", folder, scenes.relative_to(folder), planted.relative_to(folder)])):
        return Tally(failed=1, remarks=[f"failed: {name}: it does not build"])
    tally = Tally()
    for what, words in {
        "fixed seeds": [scenes, "--jobs", "2", "--count", "600"],
        "fresh seeds": [scenes, "--jobs", "2", "--count", "600", "--seed", str(time.time_ns())],
        "planted bugs": [sys.executable, "tests/sim/planted.py", planted, "--rounds", "1"],
    }.items():
        tally += Tally.of_one(f"{name}: {what}", succeeds(words))
    return tally


def run_tests(name, suites, cxx, options, patience, builds_all):
    if shutil.which(cxx) is None:
        return Tally(failed=1, remarks=[f"failed: {name}: {cxx} is not installed"])
    folder = BUILDS / name
    environment = dict(os.environ, CXX=cxx)
    environment.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1") # else it only prints
    if symbolizer := shutil.which("llvm-symbolizer-19"):
        environment |= {"ASAN_SYMBOLIZER_PATH": symbolizer, "TSAN_SYMBOLIZER_PATH": symbolizer}

    # Links in a third of the time. What g++ compiles is linked by the default linker, so both are tested.
    if cxx.startswith("clang") and shutil.which("ld.lld"):
        environment.setdefault("CXX_LD", "lld")

    # `meson setup` of a folder that exists would ignore changed options; --wipe would build all again.
    setup = ["meson", "setup", *(["--reconfigure"] if (folder / "build.ninja").exists() else []), folder,
             "-Dwerror=true", "-Dtests=enabled", "-Dapps=enabled", *options]
    if suites: # some of the tests: never those of the servers that we are measured against
        setup.append("-Dbench=disabled")
    log = folder / "meson-logs/testlog.json"
    log.unlink(missing_ok=True)
    # `meson test` itself builds what its suites need.
    if not (succeeds(setup, env=environment, stdout=subprocess.DEVNULL)
            and (not builds_all or succeeds(["ninja", "-C", folder], env=environment))):
        return Tally(failed=1, remarks=[f"failed: {name}: it does not build"])

    words = ["meson", "test", "-C", folder, "--print-errorlogs", "--timeout-multiplier", patience]
    for suite in suites:
        words += ["--suite", suite]
    passed = succeeds(words, env=environment)
    tally = Tally.of_log(folder)
    return tally if passed or tally.failed else Tally.of_one(name, False)


def main():
    parser = argparse.ArgumentParser(prog="./dev check", description="Runs what CI runs.")
    parser.add_argument("legs", nargs="*", help="which legs to run (default: all)")
    parser.add_argument("--list", action="store_true", help="name the legs")
    parser.add_argument("--and-log", metavar="BUILD", action="append", default=[],
                        help="count the last `meson test` of this build folder too")
    parser.add_argument("--but", metavar="LEG", action="append", default=[], choices=list(LEGS),
                        help="all legs but this one")
    asked = parser.parse_args()
    if asked.list:
        print("\n".join(LEGS))
        return 0
    if unknown := [leg for leg in asked.legs if leg not in LEGS]:
        parser.error(f"no such leg: {' '.join(unknown)}; there are: {' '.join(LEGS)}")

    total = Tally()
    report = []
    for folder in asked.and_log:
        tally = Tally.of_log(ROOT / folder)
        report += [f"{folder + '/':24} {tally}"] + [f"    {remark}" for remark in tally.remarks]
        total += tally
    for leg in asked.legs or [leg for leg in LEGS if leg not in asked.but]:
        print(f"\n=== {leg}", flush=True)
        started = time.monotonic()
        tally = LEGS[leg](leg)
        report.append(f"{leg:13} {(time.monotonic() - started) / 60:5.1f} min   {tally}")
        report += [f"    {remark}" for remark in tally.remarks]
        total += tally

    report += dict.fromkeys(total.survived) # most legs say the same
    print("\n" + "\n".join(report))
    print(total)
    return 0 if total.is_clean() else 1


if __name__ == "__main__":
    sys.exit(main())
