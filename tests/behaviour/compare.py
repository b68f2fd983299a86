"""Runs two programs that record system calls, and shows where their transcripts differ.

    python3 tests/behaviour/compare.py behaviour [OTHER] [-- ARGUMENTS…]
        the situations on two kernels; only one program: the kernel against itself
    python3 tests/behaviour/compare.py --repeat 200 behaviour
        the first run against so many more
    python3 tests/behaviour/compare.py --shrink --seed 17 fuzz OTHER
        leaves calls out of a random program while it still differs, and shows what is left

A transcript is sections, each under a line `== NAME`; the differences are shown section by section. Both run
here and now: what a kernel does is never stored, since the next kernel may do otherwise. Exits 1 on a difference.
"""

import argparse
import difflib
import subprocess
import sys


def transcript(program, arguments, seconds=120):
    """The sections of one run, {name: lines}. A program that ends by a signal says so in a last section."""
    run = subprocess.run([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         errors="replace", timeout=seconds, check=False)
    sections, name = {}, ""
    for line in run.stdout.splitlines():
        if line.startswith("== "):
            name = line[3:]
            sections[name] = []
        else:
            sections.setdefault(name, []).append(line)
    if run.returncode not in (0, 1):
        sections.setdefault(name, []).append(f"  ended with {run.returncode}: {run.stderr.strip()[-500:]}")
    if not sections:
        raise SystemExit(f"{program} printed nothing: {run.stderr.strip()}")
    return sections


def differences(first, second, names):
    """Yields the unified diff of each section that differs."""
    for section in dict.fromkeys([*first, *second]):
        mine, other = first.get(section, ["  missing"]), second.get(section, ["  missing"])
        if mine != other:
            yield "\n".join(["== " + section, *difflib.unified_diff(mine, other, *names, lineterm="", n=30)])


def compare(programs, arguments, repeat, most):
    first = transcript(programs[0], arguments)
    differing = {}
    for _ in range(repeat):
        for difference in differences(first, transcript(programs[-1], arguments), programs):
            differing.setdefault(difference.split("\n", 1)[0], []).append(difference)
    for name, found in list(differing.items())[:most]:
        print(found[0] if repeat == 1 else f"{len(found)} of {repeat} runs: {found[0]}")
    print(f"{len(first)} sections, {len(differing)} differ", file=sys.stderr)
    return 1 if differing else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="+", help="one or two programs")
    parser.add_argument("--repeat", type=int, default=1, help="how often the second is run")
    parser.add_argument("--most", type=int, default=20, help="how many differing sections are shown")
    own, passed = sys.argv[1:], []
    if "--" in own:
        at = own.index("--")
        own, passed = own[:at], own[at + 1:]
    options = parser.parse_args(own)
    if len(options.programs) > 2:
        parser.error("one or two programs")
    return compare(options.programs, passed, options.repeat, options.most)


if __name__ == "__main__":
    sys.exit(main())
