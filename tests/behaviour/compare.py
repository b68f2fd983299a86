"""Runs two programs that record system calls, and shows where their transcripts differ.

    python3 tests/behaviour/compare.py behaviour OTHER [-- ARGUMENTS…]
        the situations on two kernels
    python3 tests/behaviour/compare.py --seeds 1:1000 fuzz OTHER [-- --without oob]
        random programs; the first that differ are shrunk: calls are left out while the rest still differs
    python3 tests/behaviour/compare.py --repeat 200 behaviour
    python3 tests/behaviour/compare.py --repeat 20 --seeds 1:1000 fuzz
        one program against itself, so many times: is it deterministic?

A transcript is sections, each under a line `== NAME`; the differences are shown section by section. Both run
here and now: what a kernel does is never stored, since the next kernel may do otherwise. What differs in a
single run is run three times more, since a busy machine can delay a packet; it counts if it differs in two of
them. With --repeat every difference counts. Exits 1 on a difference that counts.
"""

import argparse
import difflib
import re
import subprocess
import sys

PER_RUN = 250  # seeds in one run of a program
AGAIN = 3  # runs of what differed,
STEADY = 2  # and in how many of them it must differ again


def transcript(program, arguments, seconds=300):
    """The sections of one run, {name: lines}. A program that ends by a signal says so in its last section."""
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
    if not sections:  # a name that only the other program has is no reason to stop
        if "no such situation" in run.stderr:
            return {}
        raise SystemExit(f"{program} printed nothing: {run.stderr.strip()}")
    return sections


def differing(first, second):
    """The names of the sections that are not the same in both."""
    return [name for name in dict.fromkeys([*first, *second]) if first.get(name) != second.get(name)]


def diff(name, first, second, programs):
    """A section's difference: with all of it around, since each line stands on those before."""
    missing = ["  missing"]
    lines = difflib.unified_diff(first.get(name, missing), second.get(name, missing), *programs, lineterm="", n=1000)
    return "\n".join(["== " + name, *lines])


class pair:
    """Two programs with their arguments."""

    def __init__(self, programs, arguments, second_arguments):
        self.programs = [programs[0], programs[-1]]
        self.arguments = [arguments, arguments + second_arguments]

    def run(self, extra=()):
        return [transcript(program, [*arguments, *extra])
                for program, arguments in zip(self.programs, self.arguments)]

    def again(self, name, extra):
        """In how many of AGAIN runs of it alone a section differs."""
        runs = (self.run(extra) for _ in range(AGAIN))
        return sum(first.get(name) != second.get(name) for first, second in runs)

    def show(self, name, both):
        return diff(name, *both, self.programs)


def shrunk(calls, differs):
    """The calls to leave out (a set): as many of them as possible while `differs(left out)` holds."""
    left_out = set()
    size = max(1, len(calls) // 2)
    while True:
        removed_any = False
        rest = [call for call in calls if call not in left_out]
        for at in range(0, len(rest), size):
            attempt = left_out | set(rest[at:at + size])
            if differs(attempt):
                left_out, removed_any = attempt, True
        if size > 1:
            size = (size + 1) // 2 if size > 2 else 1
        elif not removed_any:
            return left_out


def shrink(both, seed):
    """Shows what is left of a random program when every call that does not matter is gone."""
    program = transcript(both.programs[0], [*both.arguments[0], "--seed", seed, "--program"])
    calls = [int(found[1]) for line in program[f"seed {seed}"] if (found := re.match(r"  (\d+) ", line))]

    def run(left_out):
        skip = ",".join(map(str, sorted(left_out)))
        return both.run(["--seed", seed] + (["--skip", skip] if skip else []))

    left_out = shrunk(calls, lambda attempt: differing(*run(attempt)) != [])
    kept = [call for call in calls if call not in left_out]
    return f"{both.show(f'seed {seed}', run(left_out))}\n" \
           f"  {len(kept)} of {len(calls)} calls: --seed {seed} --keep {','.join(map(str, kept))}"


def compare_seeds(both, seeds, repeat, most):
    """Prints the first differing seeds, shrunk; returns how many differ and how many there were."""
    found, shown = {}, {}
    for start in range(seeds.start, seeds.stop, PER_RUN):
        arguments = ["--seed", str(start), "--count", str(min(PER_RUN, seeds.stop - start))]
        for _ in range(repeat):
            runs = both.run(arguments)
            for name in differing(*runs):
                found[name] = found.get(name, 0) + 1
                shown[name] = both.show(name, runs)
    again = {name: both.again(name, ["--seed", name.removeprefix("seed ")]) for name in found}
    counting = [name for name in found if repeat > 1 or again[name] >= STEADY]
    for name in counting[:most]:
        print(f"{name}: differed in {found[name]} of {repeat} runs, and again in {again[name]} of {AGAIN}")
        print(shrink(both, name.removeprefix("seed ")) if again[name] == AGAIN else shown[name])
    if len(counting) > most:
        print("also: " + ", ".join(counting[most:]))
    return len(counting), len(seeds)


def compare_sections(both, repeat, most):
    """Prints the sections that differ; returns how many do and how many there were."""
    found, count = {}, 0
    for _ in range(repeat):
        runs = both.run()
        count = len(runs[0])
        for name in differing(*runs):
            found.setdefault(name, []).append(both.show(name, runs))
    if repeat == 1:
        found = {name: shown for name, shown in found.items()
                 if both.again(name, ["--only", name.partition(": ")[2]]) >= STEADY}
    for name, shown in list(found.items())[:most]:
        print(f"{name}: {len(shown)} of {repeat} runs\n{shown[0]}")
    if len(found) > most:
        print("also:\n  " + "\n  ".join(list(found)[most:]))
    return len(found), count


def seed_range(text):
    first, last = map(int, text.split(":"))
    return range(first, last + 1)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="+", help="one or two programs")
    parser.add_argument("--seeds", type=seed_range, metavar="FIRST:LAST", help="these are random programs")
    parser.add_argument("--repeat", type=int, default=1, help="how often both are run (1)")
    parser.add_argument("--most", type=int, default=5, help="how many differences are shown (5)")
    parser.add_argument("--second", default="", metavar="ARGUMENTS", help="for the second program only")
    at = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:at])
    if len(options.programs) > 2:
        parser.error("one or two programs")
    both = pair(options.programs, arguments[at + 1:], options.second.split())
    if options.seeds:
        differ, count = compare_seeds(both, options.seeds, options.repeat, options.most)
    else:
        differ, count = compare_sections(both, options.repeat, options.most)
    print(f"{differ} of {count} differ", file=sys.stderr)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
