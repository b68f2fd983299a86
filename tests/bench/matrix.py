"""The matrix: every server in every case, as a ratio to the floor.

All servers of a case stay alive and get load by turns of 80 ms, round after round, from one load generator; the floor
gets a turn at least every half second. A second process of the floor takes part like any other: what it comes out at
(which should be 1) is how far the other ratios can be trusted. See ratios.py.
"""

import contextlib
import dataclasses

import children
import limits
import load
import ratios
import servers

ROUNDS = 50
QUICK_ROUNDS = 4


@dataclasses.dataclass(frozen=True)
class Case:
    key: str
    title: str
    load: dict  # for the load generator
    idle: int = 0

    def connections(self):
        return self.load["connections"] + self.idle


CASES = [
    Case("one", "1 connection", {"connections": 1}),
    # A client that sleeps while it waits has half of a round trip for itself: the time to be woken.
    Case("one_awake", "1 connection, from a client that does not sleep", {"connections": 1, "spin": "50us"}),
    Case("c64", "64 connections", {"connections": 64}),
    Case("c1000", "1,000 connections", {"connections": 1_000}),
    Case("depth16", "64 connections, 16 messages in flight each", {"connections": 64, "depth": 16}),
    Case("size16k", "64 connections, 16 KiB messages", {"connections": 64, "size": 16_384}),
    # The ends that closed first keep their ports for a minute; over many addresses there are always free ones.
    Case("churn", "64 at a time: connect, one message, close",
         {"connections": 64, "churn": True, "sources": 16}),
    Case("idle10000", "100 connections beside 10,000 idle ones", {"connections": 100}, idle=10_000),
]


def measure(listed, build, cases=tuple(CASES), rounds=ROUNDS, say=print, complain=print, keep=lambda found: None):
    """{case key: what was measured}. A case that fails is complained of and left out.

    `keep` is given each case as soon as it is there.
    """
    if not any(server.key == servers.FLOOR for server in listed):
        raise children.Failed(f"the floor, {servers.FLOOR}, is not built, and all is measured against it")
    results = {}
    for case in cases:
        try:
            results[case.key] = measure_case(case, listed, build, rounds)
        except (children.Failed, ValueError) as why:
            complain(f"{case.title}: not measured: {why}")
            continue
        keep({case.key: results[case.key]})
        say(summary(results[case.key]))
    return results


def measure_case(case, listed, build, rounds):
    fit, left_out = fitting(case, listed)
    floor = servers.by_key(servers.FLOOR)
    others = [server for server in fit if server.key != floor.key]
    pairs = {}  # server key: (what it did, what the floor did) of each group
    # One load generator has connections to all servers at once; where they are too many, several groups come one
    # after another, each with a floor of its own.
    allowed = children.allow_descriptors()
    for group in ratios.groups_that_fit(others, case.load["connections"], allowed, beside=2):
        targets, failed = measure_group(case, floor, [floor, *group], build, rounds)
        left_out |= failed
        for key, target in targets.items():
            if key != load.FLOOR:
                pairs.setdefault(key, []).append((target, targets[load.FLOOR]))
    compared = {server.key: ratios.compared(pairs[server.key]) for server in fit if server.key in pairs}
    return {
        "title": case.title,
        "rounds": rounds,
        "servers": compared,
        "left_out": left_out,
        "warning": ratios.unsteady(compared[floor.key]),
    }


def fitting(case, listed):
    """(the servers that can have so many connections, {key: why the others cannot})."""
    fit, left_out = [], {}
    for server in listed:
        if case.connections() <= server.limit:
            fit.append(server)
        else:
            why = server.why_limit or "it cannot have so many"
            left_out[server.key] = f"{case.connections():,} connections: {why}"
    return fit, left_out


def measure_group(case, floor, group, build, rounds):
    """Starts the servers and puts the load on them: (what each did, {key: why one failed}).

    The reference is there by the name of load.FLOOR. That and its second process must not fail.
    """
    failed = {}
    limits.refuse_what_cannot_be(case.connections() * (len(group) + 1), len(group) + 1)
    with contextlib.ExitStack() as stack:
        running = {load.FLOOR: stack.enter_context(floor.start(build))}
        for server in group:
            try:
                running[server.key] = stack.enter_context(server.start(build))
            except children.Failed as why:
                failed[server.key] = str(why)
        if case.idle:
            hold_idle(case, build, running, failed, stack)
        targets = {name: load.Target(name, server) for name, server in running.items()}
        order = ratios.order_of_turns(targets.pop(load.FLOOR), list(targets.values()))
        found = load.run(build, order, load.seconds_of(rounds), **case.load)
    for key, target in found.items():
        if why := load.errors_in(target):
            failed[key] = why
    if why := failed.get(load.FLOOR) or failed.get(floor.key):
        raise children.Failed(f"the floor failed: {why}")
    return {key: target for key, target in found.items() if key not in failed}, failed


def hold_idle(case, build, running, failed, stack):
    """Opens the idle connections to all servers at once; a server that does not take them is dropped."""
    holders = {key: stack.enter_context(load.Holder(build, server, case.idle)) for key, server in running.items()}
    for key, holder in holders.items():
        try:
            holder.until_open()
        except children.Failed as why:
            if key in (load.FLOOR, servers.FLOOR):
                raise
            failed[key] = str(why)
            running.pop(key).kill()


def seconds_expected(case, count, rounds):
    """About how long a case takes with so many servers."""
    turns = len(ratios.order_of_turns(0, range(count + 1)))
    opening = case.idle * (count + 2) / 15_000
    return 1 + count * 0.15 + (count + 2) * load.WARMUP + turns * load.seconds_of(rounds) + opening


def summary(result):
    """A case in a few lines, for whoever waits for the next."""
    own = result["servers"][servers.FLOOR]
    lines = [f"{result['title']}: the floor {own['rate_absolute']:,.0f} messages/s; against itself "
             + ", ".join(f"{words} {in_words(own[name])}" for name, words in (("rate", "rate"), ("cpu", "CPU")))]
    others = {server.key for server in servers.ALL if not server.key.startswith("dunlin")}
    for key, found in result["servers"].items():
        if key not in others:  # ours, and what --server asked for
            lines.append(f"    {key}: rate {in_words(found['rate'])}, CPU {in_words(found['cpu'])}")
    lines += [f"    without {key}: {why}" for key, why in result["left_out"].items()]
    if result["warning"]:
        lines.append(f"    warning: {result['warning']}: too much else goes on here")
    return "\n".join(lines)


def in_words(spread):
    return "not measured" if spread is None else f"{spread['median']:.3f} ({spread['q1']:.3f} to {spread['q3']:.3f})"
