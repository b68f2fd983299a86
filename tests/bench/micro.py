"""The Catch2 micro-benchmarks of tests/bench/micro: nanoseconds of single operations of the library."""

import subprocess
import xml.etree.ElementTree

import children

TARGET = "tests/bench/micro/micro_bench"


def measure(build, say=print):
    """{name of a benchmark: {"mean", "low", "high"}} in nanoseconds, low and high being Catch2's 95 % bounds."""
    built = subprocess.run(["ninja", "-C", str(build), TARGET], capture_output=True, text=True)
    if built.returncode:
        raise children.Failed(f"{TARGET} does not build: {built.stdout[-1000:]}")
    say("micro: a few operations of the library, each many times")
    with children.Child([build / TARGET, "--reporter", "xml"], children.server_core()) as child:
        if child.wait(600) != 0:
            raise children.Failed(child.words())
        return parse(child.output().decode())


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
