"""The tutorial's picture: what ten active connections get as idle descriptors grow beside them.

select and poll are told of every descriptor each time they are asked, epoll is told once; this shows what that does.
Server, load generator and the holder of the idle connections are separate processes, each with its own descriptors.

Between two points lies the time in which thousands of connections are opened, and the machine's speed swings meanwhile.
So one more process of the floor, which never has an idle connection, gets turns in every point, and every figure is a
ratio to it at that moment. To be read as messages and microseconds, the ratios are multiplied by its median over all.
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
QUICK_ROUNDS = 6
QUICK_IDLE = [0, 100, 1_000, 5_000]
SPARE = 20  # descriptors of a server that are not connections
FIGURES = {"rate": ratios.rate, "p50": ratios.p50, "p99": ratios.p99, "cpu_us_per_message": ratios.cpu}


def measure(listed, build, rounds=ROUNDS, idle=IDLE, say=print):
    """{"idle": [...], "servers": {key: [a point or None for each]}, "why": {key: why its line ends}}."""
    shown = [server for key in KEYS for server in listed if server.key == key]
    if not any(server.key == servers.FLOOR for server in shown):
        raise children.Failed(f"the floor, {servers.FLOOR}, is not built, and all is measured against it")
    measured = []  # of each count {name: what the load generator says}
    ends = {}
    # The servers stay, so that the idle connections only have to be added to: opening them takes longest.
    with contextlib.ExitStack() as stack:
        reference = load.Target(load.FLOOR, stack.enter_context(servers.by_key(servers.FLOOR).start(build)))
        running = {server.key: stack.enter_context(server.start(build)) for server in shown}
        held = dict.fromkeys(running, 0)
        for count in idle:
            for server in shown:
                if server.key not in held:
                    continue
                if reason := too_many(server, count + ACTIVE):
                    ends[server.key] = reason
                    del held[server.key]
                elif count > held[server.key]:
                    holder = load.Holder(build, running[server.key], count - held[server.key])
                    stack.enter_context(holder).until_open()
                    held[server.key] = count
            order = ratios.order_of_turns(reference, [load.Target(key, running[key]) for key in held])
            found = load.run(build, order, load.seconds_of(rounds), connections=ACTIVE) if held else {}
            if failed := [f"{key}: {why}" for key, target in found.items() if (why := load.errors_in(target))]:
                raise children.Failed("; ".join(failed))
            measured.append(found)
            say(f"{count:,} idle: " + (summary(found) if held else "no server can have them"))
    floor = ratios.absolute([found[load.FLOOR] for found in measured if found])
    floor["rate"] = floor["rate_absolute"]
    points = {server.key: [point(count, found[server.key], found[load.FLOOR], floor) if server.key in found else None
                           for count, found in zip(idle, measured)] for server in shown}
    return {"idle": list(idle), "active": ACTIVE, "servers": points, "why": ends,
            "floor": {name: floor[name] for name in FIGURES}}


def too_many(server, connections):
    """Why a server cannot have so many connections; "" if it can."""
    if connections > server.limit:
        return server.why_limit or f"it can have {server.limit:,} connections"
    allowed = children.allow_descriptors()
    if connections + SPARE > allowed:
        return f"this machine allows a process {allowed:,} descriptors (ulimit -n)"
    return ""


def point(count, target, reference, floor):
    """A server's medians at one count of idle connections, with the quartiles in `spread`; see above."""
    spread = {}
    for name, value in FIGURES.items():
        found = ratios.spread(ratios.to_floor(target["turns"], reference["turns"], value))
        spread[name] = found and {key: ratio * floor[name] for key, ratio in found.items()}
    return {"idle": count, **{name: found and found["median"] for name, found in spread.items()}, "spread": spread}


def summary(found):
    """A point in a line, for whoever waits for the next."""
    reference = found[load.FLOOR]["turns"]
    middles = {key: ratios.spread(ratios.to_floor(target["turns"], reference, ratios.rate))
               for key, target in found.items() if key != load.FLOOR}
    return ", ".join(f"{key} {middle['median']:.2f}" for key, middle in middles.items() if middle) + (
        " of the rate of a floor without")
