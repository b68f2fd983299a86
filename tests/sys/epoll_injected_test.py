#!/usr/bin/env python3
"""Runs the cases of epoll_injected_test.cpp under strace, which makes system calls fail.

Usage: epoll_injected_test.py PROGRAM. Exit 77 (skipped) where strace is missing or may not trace.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

TIMEOUT = 60  # seconds, for each run

# tag, what strace injects, and what the trace must then show: the number of epoll_pwait2 calls
RUNS = [
    ("refused", "epoll_pwait2:error=ENOSYS", 1),
    ("refused", "epoll_pwait2:error=EPERM", 1),
    ("interrupted", "epoll_pwait2:error=EINTR:when=1+2", None),
    ("interrupted", "epoll_wait:error=EINTR:when=1+2", None),
    ("interrupted", "epoll_pwait2,epoll_wait:error=EINTR:when=1+2", None),
    ("no-space", "epoll_ctl:error=ENOSPC:when=1", None),
    ("other-error", "epoll_pwait2:error=EFAULT:when=1", 2),
]


def skip(reason):
    print("skipped:", reason)
    sys.exit(77)


def environment():
    """Leaks cannot be looked for by a process that is being traced itself."""
    env = dict(os.environ)
    env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    return env


def main():
    program = sys.argv[1]
    strace = shutil.which("strace")
    if strace is None:
        skip("strace is not installed")
    trial = subprocess.run([strace, "-o", os.devnull, "-e", "inject=epoll_pwait2:error=ENOSYS", "true"],
                           capture_output=True, text=True, timeout=TIMEOUT)
    if trial.returncode != 0:
        skip("strace may not trace here: " + trial.stderr.strip())

    failed = 0
    for tag, injection, attempts in RUNS:
        with tempfile.NamedTemporaryFile("r") as trace:
            run = subprocess.run(
                [strace, "-f", "-o", trace.name, "-e", "trace=epoll_pwait2,epoll_wait,epoll_ctl",
                 "-e", "inject=" + injection, program, f"[{tag}]"],
                capture_output=True, text=True, timeout=TIMEOUT, env=environment())
            lines = trace.read()
        wrong = []
        if run.returncode != 0:
            wrong.append(f"exit {run.returncode}\n{run.stdout}{run.stderr}")
        if "All tests passed" not in run.stdout:
            wrong.append("no test ran")
        if "(INJECTED)" not in lines:
            wrong.append("nothing was injected")
        seen = len(re.findall(r"\bepoll_pwait2\(", lines))
        if attempts is not None and seen != attempts:
            wrong.append(f"{seen} calls of epoll_pwait2, not {attempts}")
        print(f"[{tag}] {injection}: {'FAILED' if wrong else 'ok'}")
        for each in wrong:
            print("   ", each)
        failed += bool(wrong)
    return 1 if failed else 0


sys.exit(main())
