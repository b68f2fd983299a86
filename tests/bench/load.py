"""Runs `echo bench`, our load generator, and reads what it answers. See `echo bench --help`.

It is a process of its own on a core of its own, with its own descriptors.
"""

import json
import re

import children

TURN = 0.08  # seconds
WARMUP = 0.2  # seconds for each target that do not count
FLOOR = "floor"  # what the target is called that all turns are compared with
HOLDING = re.compile(rb"holding (\d+) connections?, opened in ([\d.]+) s\s")


class Target:
    """A server as the load generator gets to know it."""

    def __init__(self, name, server):
        self.name, self.server = name, server

    def __str__(self):
        return f"{self.name}=127.0.0.1:{self.server.port}/{self.server.pid}"


def seconds_of(rounds):
    """What to ask the load generator for where `ratios.order_of_turns` is the order, which is two rounds."""
    return -(-rounds // 2) * TURN


def options(given):
    """{"connections": 64, "churn": True} as words of a command line."""
    words = []
    for name, value in given.items():
        if value is True:
            words.append(f"--{name}")
        elif value is not False and value is not None:
            words += [f"--{name}", str(value)]
    return words


def run(build, targets, seconds, **given):
    """Load on the targets by turns, `seconds` for each of them: {name: what the load generator says of it}.

    One that is among them several times has so many turns in each round, and as many times the seconds.
    `errors` in that says whether it means anything: see `errors_in`.
    """
    given = {"warmup": WARMUP, "turn": round(TURN * 1000), **given}
    command = [build / "apps/echo", "bench", *map(str, targets), "--json", "--duration", f"{seconds:g}",
               *options(given)]
    # What cannot be known is how long connecting takes, and turns whose last answers come late.
    patience = 60 + 3 * (seconds + given["warmup"]) * len(targets)
    with children.Child(command, children.load_core()) as child:
        code = child.wait(patience)
        # With 1 it says that there were errors, and which.
        if code not in (0, 1) or not child.output():
            raise children.Failed(child.words())
        return parse(child.output())


def run_one(build, server, seconds, **given):
    """The same with one server, which must not fail."""
    found = run(build, [Target("it", server)], seconds, **given)["it"]
    if why := errors_in(found):
        raise children.Failed(why)
    return found


def parse(text):
    """The answer, checked for what the others rely on."""
    try:
        targets = {target["name"]: target for target in json.loads(text)["targets"]}
        for target in targets.values():
            if not {"errors", "latency_us", "least_served", "mean_served"} <= target.keys():
                raise KeyError("target")
            for turn in target["turns"]:
                if not {"begun", "seconds", "messages", "cpu_seconds", "p50", "p99"} <= turn.keys():
                    raise KeyError("turn")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise children.Failed(f"the load generator's answer makes no sense ({error!r}): {text[:300]!r}") from None
    return targets


def errors_in(target):
    """What went wrong with a target, in words; "" if nothing did."""
    if not target["errors"] and any(turn["messages"] for turn in target["turns"]):
        return ""
    said = target.get("error_words") or ["no message came back"]
    return f"{target['errors']} errors under load: {said[0]}"


class Holder(children.Child):
    """Holds idle connections to one server, each of which has echoed one message. `opened_in` is in seconds."""

    def __init__(self, build, server, connections, sources=1, patience=300):
        super().__init__([build / "apps/echo", "bench", f"127.0.0.1:{server.port}", "--connections", "0",
                          "--idle", connections, "--sources", sources], children.load_core())
        self.connections, self.patience = connections, patience
        self.opened_in = None

    def until_open(self):
        said = self.until_says(HOLDING, self.patience)
        if int(said[1]) != self.connections:
            raise children.Failed(f"{self.connections} connections were wanted, {int(said[1])} came about")
        self.opened_in = float(said[2])
        return self

    def is_open(self):
        return HOLDING.search(self.output()) is not None
