#!/usr/bin/env python3
"""Model-checks how a scheduler sleeps and is woken (wake_protocol.pml) with spin.

The right order must have no error in any interleaving, and the wrong one must lose a wake-up: else
the model could not see what it is there to see. Exit 77 (skipped) without spin or a C compiler.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wake_protocol.pml")

# what it shows, definitions, whether it is right
RUNS = [
    ("three posters", [], True),
    ("two posters, two posts each", ["-DPRODUCERS=2", "-DPOSTS=2"], True),
    ("looks first, announces second", ["-DLOOK_FIRST"], False),
]


def skip(reason):
    print("skipped:", reason)
    sys.exit(77)


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def check(compiler, definitions):
    """The number of errors and states, and what spin printed."""
    with tempfile.TemporaryDirectory() as folder:
        run(["spin", *definitions, "-a", MODEL], folder)
        # Only safety is asked (assertions, deadlocks). Compressed states: 300 MB instead of 450.
        run([compiler, "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"], folder)
        printed = run(["./pan", "-m100000"], folder)
    if "max search depth too small" in printed:
        sys.exit("the search was cut short:\n" + printed)
    errors = re.search(r"errors: (\d+)", printed)
    states = re.search(r"(\d+) states, stored", printed)
    if not errors or not states:
        sys.exit("spin's answer is not understood:\n" + printed)
    return int(errors[1]), int(states[1]), printed


def main():
    if not shutil.which("spin"):
        skip("spin is not installed")
    compiler = next(filter(shutil.which, ["cc", "gcc", "clang"]), None)
    if not compiler:
        skip("no C compiler for the verifier that spin writes")

    failed = False
    for name, definitions, is_right in RUNS:
        errors, states, printed = check(compiler, definitions)
        as_expected = errors == 0 if is_right else "invalid end state" in printed
        print(f"{name}: {errors} errors, {states} states: {'ok' if as_expected else 'WRONG'}")
        if not as_expected:
            print(printed)
            failed = True
    sys.exit(failed)


main()
