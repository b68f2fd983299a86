"""The tutorial's picture: what ten active connections get as idle descriptors grow beside them.

select and poll are told of every descriptor each time they are asked, epoll is told once; this shows what that does.
Server, load generator and the holder of the idle connections are separate processes, each with its own descriptors.
"""

import contextlib

import children
import load
import ratios
import servers

IDLE = [0, 100, 1_000, 10_000, 19_000]
ACTIVE = 10
KEYS = ["select", "poll", servers.FLOOR, "dunlin"]
ROUNDS = 25
QUICK_ROUNDS = 5
QUICK_IDLE = [0, 100, 1_000, 5_000]
SPARE = 20  # descriptors of a server that are not connections


def measure(listed, build, rounds=ROUNDS, idle=IDLE, say=print):
    """{"idle": [...], "servers": {key: [a point or None for each]}, "why": {key: why its line ends}}."""
    shown = [server for key in KEYS for server in listed if server.key == key]
    points = {server.key: [] for server in shown}
    ends = {}
    # The servers stay, so that the idle connections only have to be added to: opening them takes longest.
    with contextlib.ExitStack() as stack:
        running = {server.key: stack.enter_context(server.start(build)) for server in shown}
        held = dict.fromkeys(running, 0)
        for count in idle:
            here = []
            for server in shown:
                reason = too_many(server, count + ACTIVE)
                if reason:
                    ends.setdefault(server.key, reason)
                    if server.key in held:
                        del held[server.key]
                    continue
                here.append(server.key)
                if count > held[server.key]:
                    holder = load.Holder(build, running[server.key], count - held[server.key])
                    stack.enter_context(holder).until_open()
                    held[server.key] = count
            found = {}
            if here:
                order = [load.Target(key, running[key]) for key in here]
                found = load.run(build, order, rounds * load.TURN, connections=ACTIVE)
            if failed := [f"{key}: {why}" for key, target in found.items() if (why := load.errors_in(target))]:
                raise children.Failed("; ".join(failed))
            for server in shown:
                points[server.key].append(point(count, found[server.key]) if server.key in found else None)
            say(f"{count:,} idle: " + (", ".join(
                f"{key} {points[key][-1]['rate']:,.0f} messages/s" for key in here) or "no server can have them"))
    return {"idle": list(idle), "active": ACTIVE, "servers": points, "why": ends}


def too_many(server, connections):
    """Why a server cannot have so many connections; "" if it can."""
    if connections > server.limit:
        return server.why_limit or f"it can have {server.limit:,} connections"
    allowed = children.allow_descriptors()
    if connections + SPARE > allowed:
        return f"this machine allows a process {allowed:,} descriptors (ulimit -n)"
    return ""


def point(count, target):
    found = ratios.absolute([target])
    return {"idle": count, "rate": found["rate_absolute"],
            **{name: found[name] for name in ("p50", "p99", "cpu_us_per_message")}}
