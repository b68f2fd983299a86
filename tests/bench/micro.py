"""The Catch2 micro-benchmarks of tests/bench/micro: what operations of the library take.

Each benchmark does as many of them as its name begins with ("1,000 yields"), and what is kept is what it takes as a
whole; `of_one` is for those who show it.
"""

import re
import subprocess
import xml.etree.ElementTree

import children

PROGRAM = re.compile(r"^(tests/bench/micro/[^/:]+): cpp_LINKER", re.MULTILINE)  # in ninja's list of targets
COUNT = re.compile(r"([\d,]+) ")  # what a name begins with
PATIENCE = 600  # seconds
HOW = ["--reporter", "xml", "--benchmark-samples", "50", "--benchmark-resamples", "2000",
       "--benchmark-warmup-time", "20"]


def measure(build, say=print):
    """{name of a benchmark: {"mean", "low", "high"}} in nanoseconds of all its operations.

    Low and high are Catch2's 95 % bounds of the mean.
    """
    programs = PROGRAM.findall(ninja(build, "-t", "targets", "all"))
    if not programs:
        raise children.Failed("this build has no micro-benchmarks")
    say("micro: a few operations of the library, each many times")
    ninja(build, *programs)
    found = {}
    for program in programs:
        # Where one thread wakes another, each has a core.
        with children.Child([build / program, *HOW], children.server_core() | children.load_core()) as child:
            if child.wait(PATIENCE) != 0:
                raise children.Failed(child.words())
            found |= parse(child.output().decode())
    return found


def ninja(build, *words):
    done = subprocess.run(["ninja", "-C", str(build), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    if done.returncode:
        raise children.Failed(f"ninja {' '.join(words)}:\n{done.stdout[-2000:]}")
    return done.stdout


def parse(text):
    try:
        root = xml.etree.ElementTree.fromstring(text)
    except xml.etree.ElementTree.ParseError as error:
        raise children.Failed(f"the micro-benchmarks' report makes no sense: {error}") from None
    found = {}
    for result in root.iter("BenchmarkResults"):
        mean = result.find("mean")
        found[result.get("name")] = {key: float(mean.get(name)) for key, name in
                                     (("mean", "value"), ("low", "lowerBound"), ("high", "upperBound"))}
    return found


def of_one(name, found):
    """(the name without the number, {"mean", "low", "high"} of a single operation)."""
    counted = COUNT.match(name)
    count = int(counted[1].replace(",", "")) if counted else 1
    return name[counted.end() if counted else 0:], {key: value / count for key, value in found.items()}
