"""Scale: as many connections as one server process may have here, and 100,000 over several that share a port.

A process may have as many descriptors as the limit allows, and at most children.DESCRIPTORS: with more, the figures
could not be repeated where the limit is lower.

What a connection costs is the difference between what there was with none and with all of them, divided: in user space
VmRSS of the servers, in the kernel the slab caches that sockets are made of. Both ends of a connection are on this
machine, each a socket, a file and an entry of an epoll set, so the kernel's bytes are divided by two ends.
"""

import contextlib
import math
import os
import statistics
import time

import children
import limits
import load

ACTIVE = 10
SPARE = 24  # descriptors of a process that are not connections
MANY = 100_000
QUICK_MANY = 30_000
PORTS_USED = 0.5  # of the ports of one source address: the closer to all, the longer the kernel looks for one
SETTLED = 1.0  # seconds after which the kernel has freed what it frees later
# What each socket that is a file in an epoll set has one of, at most.
CACHES = ("TCP", "sock_inode_cache", "dentry", "filp", "eventpoll_epi", "ep_head", "lsm_inode_cache",
          "lsm_file_cache", "tcp_bind_bucket", "tcp_bind2_bucket")


def measure(build, many=MANY, say=print, complain=print):
    """{"one_process": {...}, "many": {...}}; {"not_measured": why} of what this machine cannot do."""
    found = {}
    for key, title, work in (("one_process", "one process", lambda: one_process(build)),
                             ("many", f"{many:,} over several processes", lambda: several(build, many))):
        try:
            found[key] = work()
            say(f"{title}: {summary(found[key])}")
        except children.Failed as why:
            found[key] = {"not_measured": str(why)}
            complain(f"{title}: not measured: {why}")
    return found


def one_process(build):
    allowed = children.allow_descriptors()
    return hold(build, 1, allowed - SPARE - 2 * ACTIVE, allowed)


def several(build, many):
    allowed = children.allow_descriptors()
    # The kernel deals connections out by a hash: evenly, but for a few hundred.
    processes = math.ceil(many / (0.85 * allowed))
    return hold(build, processes, many, allowed)


def hold(build, processes, connections, allowed):
    """Servers, holders, the load of a few active connections while they are opened and after; what was seen."""
    per_source = int(PORTS_USED * limits.ports())
    sources = math.ceil(connections / per_source)
    holders = math.ceil(connections / (allowed - SPARE))
    shares = [connections // holders + (number < connections % holders) for number in range(holders)]
    limits.refuse_what_cannot_be(connections + ACTIVE, processes + holders)
    with contextlib.ExitStack() as stack:
        listening = start_servers(build, processes, stack)
        first = listening[0]
        active(build, first, 0.3)  # its pools and its code are there then
        time.sleep(SETTLED)
        before = Memory(listening)

        began = time.monotonic()
        holding = [stack.enter_context(load.Holder(build, first, share, sources)) for share in shares]
        meanwhile = []
        while not all(holder.is_open() for holder in holding):
            dead = [holder for holder in holding if holder.process.poll() is not None]
            if dead or time.monotonic() - began > holding[0].patience:
                raise children.Failed((dead or holding)[0].words())
            meanwhile.append(active(build, first, 0.1, warmup=0))
        for holder in holding:
            holder.until_open()
        opened_in = max(holder.opened_in for holder in holding)
        time.sleep(SETTLED)
        after = Memory(listening)
        counts = [server.descriptors() for server in listening]
        later = [active(build, first, 1.0) for _ in range(3)]
        for child in [*listening, *holding]:
            if child.process.poll() is not None:
                raise children.Failed(child.words())
    return {
        "connections": connections,
        "processes": processes,
        "holders": holders,
        "source_addresses": sources,
        "descriptors_least": min(counts),
        "descriptors_most": max(counts),
        "user_bytes_per_connection": (after.resident - before.resident) / connections,
        **after.kernel_since(before, 2 * connections),
        "open_seconds": opened_in,
        "opened_per_second": connections / opened_in,
        "active": ACTIVE,
        "while_opening": latencies(meanwhile),
        "while_held": latencies(later),
    }


def start_servers(build, processes, stack):
    echo = [build / "apps/echo", "--host", "127.0.0.1"]
    if processes == 1:
        return [stack.enter_context(children.Listening([*echo, "--port", "0"]))]
    listening, port = [], 0
    for number in range(processes):
        command = [*echo, "--reuse-port", "--port", port]
        listening.append(stack.enter_context(children.Listening(command, core_for(number))))
        port = listening[0].port
    return listening


def core_for(number):
    """Of all cores but the load's, each in turn."""
    _, load_core = children.cores()
    allowed = os.sched_getaffinity(0)
    free = sorted(allowed - children.threads_of(load_core)) or sorted(allowed - {load_core}) or [load_core]
    return {free[number % len(free)]}


def active(build, server, seconds, **given):
    return load.run_one(build, server, seconds, connections=ACTIVE, **given)


def latencies(runs):
    """The medians of some runs, in microseconds, and the worst that any of them saw."""
    if not runs:
        return None
    return {"p50": statistics.median(run["latency_us"]["p50"] for run in runs),
            "p99": statistics.median(run["latency_us"]["p99"] for run in runs),
            "max": max(run["latency_us"]["max"] for run in runs), "runs": len(runs)}


class Memory:
    """What the servers and the kernel use now."""

    def __init__(self, listening):
        self.resident = sum(server.resident() for server in listening)
        self.slab = limits.meminfo("Slab")
        self.caches = slab_caches()

    def kernel_since(self, before, sockets):
        """What the kernel took for each of so many sockets, and how that is known."""
        growth = (self.slab - before.slab) / sockets
        caches = caches_per_socket(before.caches, self.caches, sockets)
        counted = "objects in use in /proc/slabinfo, at most one of each cache a socket; both ends counted"
        grown = "growth of Slab in /proc/meminfo, which others on this machine take part in; both ends counted"
        return {"kernel_bytes_per_socket": sum(caches.values()) if caches else growth,
                "kernel_method": counted if caches else grown,
                "kernel_caches": caches,
                "kernel_slab_growth_per_socket": growth}


def caches_per_socket(before, after, sockets):
    """{slab cache: bytes a socket}. More than one object a socket is somebody else's: each has one file, one inode."""
    found = {}
    for name in CACHES:
        objects, size = after.get(name, (0, 0))
        grown = min(max(objects - before.get(name, (0, 0))[0], 0), sockets)
        if grown:
            found[name] = grown * size / sockets
    return found


def slab_caches():
    """{name: (objects in use, bytes of each)}, as slabinfo(5) has it for root; empty for others."""
    try:
        with open("/proc/slabinfo") as file:
            return parse_slabinfo(file.read())
    except OSError:
        return {}


def parse_slabinfo(text):
    rows = [line.split() for line in text.splitlines()[2:]]
    return {row[0]: (int(row[1]), int(row[3])) for row in rows}


def summary(found):
    held, opening = found["while_held"], found["while_opening"]
    servers = "1 server process" if found["processes"] == 1 else f"{found['processes']} server processes"
    lines = (f"{found['connections']:,} connections ({servers}) "
             f"opened in {found['open_seconds']:.2f} s; "
             f"{found['user_bytes_per_connection']:,.0f} bytes of user memory each, "
             f"{found['kernel_bytes_per_socket']:,.0f} in the kernel for each end; "
             f"{ACTIVE} active ones: p99 {held['p99']:,.0f} µs")
    return lines + (f", {opening['p99']:,.0f} µs while they were opened" if opening else "")
