#!/usr/bin/env python3
"""Whether the general scenes find bugs that are planted in the library, and after how many seeds.

    planted.py PROGRAM                      each bug from 20 seeds on: the medians
    planted.py PROGRAM --rounds 1 --most 400    the short form, for a check
    planted.py PROGRAM --write docs/simulation_bugs.md

PROGRAM is tests/sim/planted/sim_scenes_planted: scenes and library in one, with all bugs, of which one is on
at a time. A bug is found by a seed when anything is wrong there: a problem of the world, an assertion, a crash,
a hang. The scenes, their checks and the seeds know nothing of the bug.
"""

import argparse
import concurrent.futures
import pathlib
import re
import statistics
import subprocess
import sys
import time

MARK = "<!-- written by tests/sim/planted.py -->"


def bugs_of(program):
    said = subprocess.run([program, "--list-bugs"], check=True, capture_output=True, text=True).stdout
    return [tuple(line.split("\t")) for line in said.splitlines()]


class Finding:
    """After how many seeds from `base` on a bug was found, or None; and what was seen."""

    def __init__(self, bug, base, seeds, seen):
        self.bug, self.base, self.seeds, self.seen = bug, base, seeds, seen


def look(program, bug, base, most):
    words = [program, "--seed", str(base), "--count", str(most)] + (["--plant", bug] if bug else [])
    try:
        done = subprocess.run(words, capture_output=True, timeout=120 + most // 2)
    except subprocess.TimeoutExpired as hung:
        return Finding(bug, base, None, f"no end after {hung.timeout} s")
    if done.returncode == 0:
        return Finding(bug, base, None, "")
    said = done.stderr.decode(errors="replace")
    seed = re.search(r"DUNLIN_SIM_SEED=(\d+)", said)
    if seed is None:
        return Finding(bug, base, None, f"exit {done.returncode} without a seed: {said[-300:]}")
    scene = re.search(r"scene (\w+) failed\n?(.*)", said)
    lines = [line for line in said.splitlines() if line and not line.startswith(("DUNLIN_SIM_SEED", "scene "))]
    seen = (scene.group(1) if scene else "?") + ": " + (lines[0][:90] if lines else "it crashes")
    return Finding(bug, base, int(seed.group(1)) - base + 1, seen)


def table(bugs, found, rounds, most):
    lines = [f"| bug | median | worst of {rounds} | found first by |", "| --- | --- | --- | --- |"]
    for name, words in bugs:
        counts = [each.seeds for each in found[name] if each.seeds is not None]
        median = f"{statistics.median(counts):g}" if counts else "not found"
        worst = f"{max(counts)}" if len(counts) == len(found[name]) else f"over {most}"
        seen = next((each.seen for each in found[name] if each.seeds is not None), "")
        seen = seen.replace("|", "\\|")
        lines.append(f"| `{name}`: {words} | {median} | {worst} | {seen} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=20, help="fresh seed bases for each bug")
    parser.add_argument("--most", type=int, default=2000, help="seeds after which a bug counts as not found")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--base", type=int, help="instead of one from the clock")
    parser.add_argument("--bug", action="append", help="only these")
    parser.add_argument("--write", type=pathlib.Path, help="put the table into this page, below its mark")
    asked = parser.parse_args()
    program = asked.program.resolve()

    base = asked.base if asked.base is not None else time.time_ns() // 1_000_000
    print(f"seeds from {base} on", flush=True)
    bugs = [bug for bug in bugs_of(program) if asked.bug is None or bug[0] in asked.bug]
    found = {name: [] for name, _ in bugs}
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
        # Without a bug nothing is found: else the table would tell nothing.
        clean = pool.submit(look, program, None, base, asked.most // 4)
        # The scenes take turns, seed for seed: an odd stride, so that each round begins with another one.
        stride = asked.most | 1
        looks = [pool.submit(look, program, name, base + stride * (1 + i * asked.rounds + round_), asked.most)
                 for i, (name, _) in enumerate(bugs) for round_ in range(asked.rounds)]
        for done in concurrent.futures.as_completed(looks):
            finding = done.result()
            found[finding.bug].append(finding)
            if len(found[finding.bug]) == asked.rounds:
                print(table([(finding.bug, "")], found, asked.rounds, asked.most).splitlines()[-1], flush=True)
    took = time.monotonic() - began

    missed = [name for name, _ in bugs if any(each.seeds is None for each in found[name])]
    # The median is over all rounds, so fewer than half may be above the bound; the short form allows none.
    lost = [name for name in missed
            if sum(each.seeds is None for each in found[name]) * 2 >= len(found[name])]
    for name in missed:
        for each in found[name]:
            if each.seeds is None and each.seen:
                print(f"{name} from seed {each.base}: {each.seen}")
    sound = clean.result()
    if sound.seen:
        print(f"without any bug, from seed {sound.base}: {sound.seen}")
    print(f"{len(bugs)} bugs, {asked.rounds} rounds each, {took:.0f} s; not found: {' '.join(lost) or 'none'}")
    if asked.write is not None:
        page = asked.write.read_text().split(MARK)[0]
        asked.write.write_text(f"{page}{MARK}\n\n{table(bugs, found, asked.rounds, asked.most)}\n")
    return 1 if lost or sound.seen else 0


if __name__ == "__main__":
    sys.exit(main())
