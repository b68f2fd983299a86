"""The Catch2 micro-benchmarks of tests/bench/micro: nanoseconds of single operations of the library."""

import re
import subprocess
import xml.etree.ElementTree

import children

PROGRAM = re.compile(r"^(tests/bench/micro/[^/:]+): cpp_LINKER", re.MULTILINE)  # in ninja's list of targets
PATIENCE = 600  # seconds
HOW = ["--reporter", "xml", "--benchmark-samples", "50", "--benchmark-resamples", "2000", "--benchmark-warmup-time", "20"]


def measure(build, say=print):
    """{name of a benchmark: {"mean", "low", "high"}} in nanoseconds, low and high being Catch2's 95 % bounds."""
    programs = PROGRAM.findall(ninja(build, "-t", "targets", "all"))
    if not programs:
        raise children.Failed("this build has no micro-benchmarks")
    say("micro: a few operations of the library, each many times")
    ninja(build, *programs)
    found = {}
    for program in programs:
        with children.Child([build / program, *HOW], children.server_core()) as child:
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
