"""What this machine can have of connections: its limits, and what the kernel counts of its own memory."""

import re

import children

BYTES = 12_000  # of a connection in the kernel, both ends, and in the processes: to see whether there is memory enough


def refuse_what_cannot_be(connections, processes):
    """Fails with all the limits of this machine that so many connections go over."""
    problems = []
    descriptors = 2 * connections + 20 * processes
    if (files := setting("fs/file-nr")) and files[0] + descriptors > files[2]:
        problems.append(f"{descriptors:,} open files are needed, fs.file-max is {files[2]:,}")
    if (tracked := setting("net/netfilter/nf_conntrack_max")) and is_tracking() and tracked[0] < connections:
        problems.append(f"net.netfilter.nf_conntrack_max is {tracked[0]:,}")
    if (available := meminfo("MemAvailable")) < BYTES * connections:
        problems.append(f"about {BYTES * connections >> 20:,} MiB of memory are needed, {available >> 20:,} are free")
    if problems:
        raise children.Failed(f"{connections:,} connections are too many for this machine: {'; '.join(problems)}")


def is_tracking():
    """Whether connections are tracked at all: the module may be there without a rule that uses it."""
    return bool((count := setting("net/netfilter/nf_conntrack_count")) and count[0])


def ports():
    """How many ports the kernel picks from for one source address."""
    low, high = setting("net/ipv4/ip_local_port_range") or (32_768, 60_999)
    return high - low + 1


def setting(path):
    """The numbers in a file of /proc/sys; none if there is no such file."""
    try:
        with open(f"/proc/sys/{path}") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def meminfo(name):
    """A line of /proc/meminfo, in bytes."""
    with open("/proc/meminfo") as file:
        return int(re.search(rf"^{name}:\s+(\d+)", file.read(), re.MULTILINE)[1]) * 1024
