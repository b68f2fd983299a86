"""What was measured, as tables: each function takes the results (or a part) and gives what stands in one place.

A table is the same on a terminal and in docs/benchmarks.md. Any part of the results may be missing, any server
may not have been there, any figure may be None: then "–" stands in its place, or the table is not there.
"""

import dataclasses

import micro as benchmarks
import servers

NONE = "–"
FLOOR = servers.FLOOR


@dataclasses.dataclass
class Table:
    title: str
    header: list
    rows: list  # of lists of words
    notes: list = dataclasses.field(default_factory=list)
    words: int = 1  # columns that are words; the others, after them, are numbers

    def text(self):
        """For a terminal."""
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows)]

        def line(cells):
            return "  ".join(cell.ljust(width) if column < self.words else cell.rjust(width)
                             for column, (cell, width) in enumerate(zip(cells, widths))).rstrip()
        return "\n".join([self.title, "", line(self.header), "  ".join("-" * width for width in widths),
                          *map(line, self.rows), *self.notes])

    def markdown(self):
        def line(cells):
            return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        rule = "|" + "---|" * self.words + "--:|" * (len(self.header) - self.words)
        notes = ["", *self.notes] if self.notes else []
        return "\n".join([f"**{self.title}**", "", line(self.header), rule, *map(line, self.rows), *notes])


# Words for figures

def number(value, digits=0):
    return NONE if value is None else f"{value:,.{digits}f}"


def shortest(value):
    """Three figures or a little more, whatever the size: 0.42, 4.20, 42.0, 420, 4,200."""
    if value is None:
        return NONE
    return number(value, 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2)


def ratio(spread, with_quartiles=True):
    """The middle, and where half of all turns lie."""
    if spread is None:
        return NONE
    middle = f"{spread['median']:.2f}"
    return f"{middle} [{spread['q1']:.2f}–{spread['q3']:.2f}]" if with_quartiles else middle


def name_of(key):
    """A server's name, also of one that is not in our list (given with --server)."""
    return next((server.name for server in servers.ALL if server.key == key), key)


def sentence(text):
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def figure(result, *path):
    """What lies there, or None if the path ends before."""
    for step in path:
        if not isinstance(result, dict) or step not in result:
            return None
        result = result[step]
    return result


# How it was measured

def machine(results):
    found = results.get("machine") or {}
    cores = found.get("cores")
    versions = ", ".join(f"{name} {version}" for name, version in (found.get("versions") or {}).items())
    options = ", ".join(f"{name}={value}" for name, value in (found.get("build_options") or {}).items() if value != [])
    memory = found.get("memory_mib")
    lines = {
        "processor": (found.get("processor") or "") + (", a virtual machine" if found.get("virtual") else ""),
        "cores": cores_in_words(found) if cores else "",
        "frequency governor": found.get("governor"),
        "memory": f"{memory / 1024:,.1f} GiB" if memory else "",
        "system": ", Linux ".join(filter(None, [found.get("system"), found.get("kernel")])),
        "versions": versions,
        "build options": options,
    }
    rows = [[name, str(value)] for name, value in lines.items() if value]
    rows += origins(found, results.get("measured") or {})
    if not rows:
        return []
    return [Table("The machine", ["what", "which"], rows, words=2)]


def cores_in_words(found):
    words = f"{found['cores']}; servers on core {found.get('server_core')}, load on core {found.get('load_core')}"
    return words + (", which is the same or a thread of it" if found.get("shares_a_core") else "")


ORIGIN = ("commit", "date", "command")


def origins(of_machine, measured):
    """Rows of what was measured when, of which commit and how; where parts were measured on their own, each part's."""
    parts = {}  # origin: {part: names in it, of which a part that is measured as a whole has none}
    for name, origin in measured.items():
        part, _, inner = name.partition("/")
        parts.setdefault(origin_of(origin, of_machine), {}).setdefault(part, []).append(inner)
    if not parts:
        parts = {origin_of(of_machine, of_machine): {}}
    rows = []
    for origin, of_origin in parts.items():
        apart = ", ".join(part_in_words(part, names, parts.values()) for part, names in of_origin.items())
        rows += [[name + (f": {apart}" if len(parts) > 1 else ""), f"`{value}`" if name == "command" else value]
                 for name, value in zip(ORIGIN, origin) if value]
    return rows


def origin_of(origin, of_machine):
    """What is known of it. Of older results that is a date, and the rest if the machine's facts are of that date."""
    if isinstance(origin, str):
        origin = of_machine if of_machine.get("date") == origin else {"date": origin}
    return tuple(origin.get(name) for name in ORIGIN)


def part_in_words(part, names, everywhere):
    """A part, with what is meant of it where other things in it are of another origin."""
    is_whole = sum(part in of_origin for of_origin in everywhere) == 1
    return part if is_whole or not all(names) else f"{part} ({', '.join(names)})"


def peers(results):
    """Each server that took part, and how it is written."""
    seen = set(results.get("costs") or {}) | set((results.get("picture") or {}).get("servers", {}))
    for case in (results.get("matrix") or {}).values():
        seen |= set(case["servers"])
    rows = [[server.name, server.language, server.note] for server in servers.ALL if server.key in seen]
    missing = [server.name for server in servers.ALL if server.key not in seen]
    notes = [f"Not there in this run: {', '.join(missing)}."] if missing else []
    return [Table("The servers", ["server", "language", "how it is written"], rows, notes, words=3)] if rows else []


# The matrix

# The cases' titles, where all of them have to stand side by side.
SHORT = {"one": "1 conn.", "one_awake": "1, awake", "c64": "64", "c1000": "1,000", "depth16": "64, depth 16",
         "size16k": "64, 16 KiB", "churn": "churn", "idle10000": "100 + 10,000 idle"}


def summary(results):
    """All servers in all cases: one table of CPU time, one of the rate."""
    cases = results.get("matrix") or {}
    if not cases:
        return []
    keys = [server.key for server in servers.ALL]
    keys += sorted({key for case in cases.values() for key in case["servers"]} - set(keys))

    def table(name, title):
        rows = []
        for key in keys:
            cells = [ratio(figure(case, "servers", key, name), False) for case in cases.values()]
            if any(cell != NONE for cell in cells):
                rows.append([against_itself(key), *cells])
        return Table(title, ["server", *(SHORT.get(key, key) for key in cases)], rows)
    return [table("cpu", "Server CPU time per message, ratio to the floor (less is better)"),
            table("rate", "Messages per second, ratio to the floor (more is better)")]


def against_itself(key):
    return name_of(key) + (", against itself" if key == FLOOR else "")


def matrix(results):
    """A table for each case: all that was measured."""
    header = ["server", "CPU ratio", "rate ratio", "p99 ratio", "messages/s", "CPU, µs", "p50, µs", "p99, µs",
              "least/mean"]
    return [Table(case["title"], header, [matrix_row(key, found) for key, found in case["servers"].items()],
                  matrix_notes(case)) for case in (results.get("matrix") or {}).values()]


def matrix_row(key, found):
    return [against_itself(key), ratio(found.get("cpu")), ratio(found.get("rate")), ratio(found.get("p99_ratio")),
            number(found.get("rate_absolute")), number(found.get("cpu_us_per_message"), 2),
            shortest(found.get("p50")), shortest(found.get("p99")), number(found.get("least_served_share"), 2)]


def matrix_notes(case):
    notes = [f"{case['rounds']} rounds; ratios to the floor: the median of all turns [first–third quartile]."]
    notes += [sentence(f"{name_of(key)}: {found['errors']} errors") for key, found in case["servers"].items()
              if found.get("errors")]
    notes += [sentence(f"{name_of(key)} is not in it: {why}") for key, why in (case.get("left_out") or {}).items()]
    if case.get("warning"):
        notes.append("Not to be trusted: " + sentence(case["warning"]))
    return [" ".join(notes)]


# Costs

# name: (words, digits). The order is that of the table.
COSTS = {
    "system_calls_1": ("calls, 1 conn.", 2), "system_calls_64": ("calls, 64", 2),
    "instructions_1": ("instructions, 1", 0), "instructions_64": ("instructions, 64", 0),
    "allocations_1": ("allocations, 1", 2), "allocations_64": ("allocations, 64", 2),
    "idle_bytes": ("bytes, idle", 0), "compile_seconds": ("seconds to compile", 2),
    "preprocessed_lines": ("preprocessed lines", 0), "binary_bytes": ("stripped binary, KiB", 0),
    "lines_of_code": ("lines of code", 0),
}


def costs(results):
    """What an echoed message and a connection cost when running, and what the program costs to build."""
    found = results.get("costs") or {}
    if not found:
        return []
    names = list(COSTS)

    def table(title, chosen):
        rows = [[name_of(key), *(cost(name, of.get(name)) for name in chosen)] for key, of in found.items()]
        return Table(title, ["server", *(COSTS[name][0] for name in chosen)], rows)
    running = table("Costs per 64-byte message, over 1 and 64 connections, and of an idle connection", names[:7])
    building = table("Costs of the program", names[7:])
    building.notes = [" ".join(why_not(found))] if why_not(found) else []
    return [running, building]


def cost(name, value):
    if name == "binary_bytes" and value is not None:
        value /= 1024
    return number(value, COSTS[name][1])


def why_not(found):
    """A sentence for each reason why figures are missing."""
    reasons = {}
    for key, of in found.items():
        for name, why in (of.get("why_not") or {}).items():
            what = name.removesuffix("_1").removesuffix("_64").replace("_", " ")
            who = reasons.setdefault(why, ([], []))
            if name_of(key) not in who[0]:
                who[0].append(name_of(key))
            if what not in who[1]:
                who[1].append(what)
    return [sentence(f"No {', '.join(what)} of {'; '.join(who)}: {why}") for why, (who, what) in reasons.items()]


# The picture and the scale

def picture(results):
    found = results.get("picture") or {}
    if not found:
        return []
    header = ["server", *(f"{count:,} idle" for count in found["idle"])]

    def table(name, title, words):
        return Table(title, header, [[name_of(key), *(with_spread(point, name, words) for point in points)]
                                     for key, points in found["servers"].items()])
    active = found.get("active", 10)
    tables = [table("rate", f"Messages per second of {active} active connections", number),
              table("p99", "p99 latency of a message, µs", shortest),
              table("cpu_us_per_message", "Server CPU time per message, µs", shortest)]
    tables[0].notes = [sentence(f"{name_of(key)}: {why}") for key, why in (found.get("why") or {}).items()]
    if floor := found.get("floor"):
        how = ("Each figure is a ratio to a floor without idle connections, which got turns in between, times that "
               f"one's median, {number(floor.get('rate'))}; in brackets the quartiles.")
        tables[0].notes = [" ".join([*tables[0].notes, how])]
    return tables


def with_spread(point, name, words):
    """A figure of a point with its quartiles, if they are known."""
    if point is None:
        return NONE
    spread = figure(point, "spread", name)
    return words(point.get(name)) + (f" [{words(spread['q1'])}–{words(spread['q3'])}]" if spread else "")


def scale(results):
    found = results.get("scale") or {}
    rows, notes = [], []
    for key, title in (("one_process", "one process"), ("many", "several processes, one port")):
        held = found.get(key)
        if held and held.get("not_measured"):
            notes.append(sentence(f"{title}: not measured: {held['not_measured']}"))
        elif held:
            rows.append(scale_row(title, held))
            processes = "1 server process" if held["processes"] == 1 else f"{held['processes']} server processes"
            notes.append(sentence(f"{title}: {processes}, connections from {held['source_addresses']} addresses"))
            method = held.get("kernel_method")
    if rows:
        notes.append(f"Kernel memory: {method}.")
        notes.append(f"A process had at most {servers.DESCRIPTORS:,} descriptors.")
    header = ["", "connections held", "opened in, s", "per second", "user bytes each", "kernel bytes, each end",
              "p50 / p99 µs while held", "while opening"]
    return [Table("Scale", header, rows, [" ".join(notes)])] if rows or notes else []


def scale_row(title, held):
    def latencies(of):
        return f"{shortest(of['p50'])} / {shortest(of['p99'])}" if of else NONE
    return [title, number(held.get("connections")), shortest(held.get("open_seconds")),
            number(held.get("opened_per_second")), number(held.get("user_bytes_per_connection")),
            number(held.get("kernel_bytes_per_socket")), latencies(held.get("while_held")),
            latencies(held.get("while_opening"))]


def micro(results):
    """Single operations of the library; nothing is compared."""
    ones = [benchmarks.of_one(name, found) for name, found in (results.get("micro") or {}).items()]
    rows = [[name, shortest(one["mean"]), f"{shortest(one['low'])}–{shortest(one['high'])}"] for name, one in ones]
    header = ["operation", "nanoseconds each", "where the mean lies with 95 % certainty"]
    return [Table("Operations of the library", header, rows)] if rows else []


def is_ours(key):
    return key.startswith("dunlin")
