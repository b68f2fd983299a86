"""dunlin's figures against its targets, and where other servers are ahead of it: what the docs must not hide.

The targets are in targets.toml, which says what its entries mean.
"""

import pathlib
import tomllib

from tables import COSTS, FLOOR, NONE, Table, cost, figure, is_ours, name_of, number

FILE = pathlib.Path(__file__).with_name("targets.toml")


def read(text=None):
    """The targets, those for all cases taken apart: a list of them."""
    entries = tomllib.loads(FILE.read_text() if text is None else text)
    cases = entries.pop("cases", [])
    targets = []
    for entry in entries.values():
        for_all = cases if "{case}" in entry["figure"] else [None]
        targets += [of_case(entry, case) for case in for_all]
    return targets


def of_case(entry, case):
    def limit(name):
        value = entry.get(name)
        return value[case] if isinstance(value, dict) else value
    return {"what": entry["what"], "path": entry["figure"].format(case=case).split("."), "case": case,
            "digits": entry.get("digits", 2), **{name: limit(name) for name in ("at_most", "at_least", "aim")}}


def judged(target, results):
    """(the figure as it is shown, "reached", "missed" or "not measured")."""
    value = figure(results, *target["path"])
    if value is None:
        return NONE, "not measured"
    value = round(value, target["digits"])
    is_in = ((target["at_most"] is None or value <= target["at_most"])
             and (target["at_least"] is None or value >= target["at_least"]))
    return number(value, target["digits"]), "reached" if is_in else "missed"


def limits(target):
    words = [f"{sign} {number(target[name], target['digits'])}" for name, sign in (("at_least", "≥"), ("at_most", "≤"))
             if target[name] is not None]
    return " and ".join(words)


def against_targets(results):
    """Every target: the missed ones first, then those not measured, then the reached."""
    order = ["missed", "not measured", "reached"]
    rows = []
    for target in read():
        title = figure(results, "matrix", target["case"], "title") or target["case"]
        shown, verdict = judged(target, results)
        aim = NONE if target["aim"] is None else number(target["aim"], target["digits"])
        rows.append([target["what"].format(case=title), limits(target), aim, shown, verdict])
    rows.sort(key=lambda row: order.index(row[-1]))
    counts = ", ".join(f"{sum(row[-1] == verdict for row in rows)} {verdict}" for verdict in order)
    return [Table(f"dunlin against its targets: {counts}", ["what", "target", "aim", "measured", ""], rows)]


# The other servers

# What is compared in each case, where less or more is better, and the digits after which it counts as the same.
FIGURES = {"cpu": ("CPU per message", -1, 2), "rate": ("rate", 1, 2), "p99_ratio": ("p99", -1, 2),
           "least_served_share": ("least served", 1, 2)}


def middle(value):
    return value["median"] if isinstance(value, dict) else value


def ahead(servers, name, sign, digits, mine="dunlin"):
    """[(key, its figure)] of the servers that are better than ours, the best first; and our figure."""
    own = middle(figure(servers, mine, name))
    if own is None:
        return [], None
    own = round(own, digits)
    others = {key: round(middle(of[name]), digits) for key, of in servers.items()
              if not is_ours(key) and of.get(name) is not None}
    better = [(key, value) for key, value in others.items() if sign * value > sign * own]
    return sorted(better, key=lambda item: -sign * item[1]), own


def who_is_ahead(results):
    """Where any other server had a better figure than dunlin at its default options; the floor among them."""
    tables = []
    cases = results.get("matrix") or {}
    if cases:
        rows = [row_of(case["title"], words, *ahead(case["servers"], name, sign, digits), digits)
                for case in cases.values() for name, (words, sign, digits) in FIGURES.items()]
        tables.append(Table("Where others are ahead under load (ratios to the floor)",
                            ["case", "what", "dunlin", "ahead of it"], list(filter(None, rows)), words=4))
    if costs := results.get("costs"):
        rows = []
        for name, (words, digits) in COSTS.items():
            better, own = ahead(costs, name, -1, digits)
            rows.append(row_of(words, None, better, own, digits, lambda value, name=name: cost(name, value)))
        tables.append(Table("Where others cost less", ["what", "dunlin", "less"], list(filter(None, rows)), words=3))
    return [table for table in tables if table.rows]


def row_of(title, what, better, own, digits, words=None):
    """A row, or None where nobody is ahead."""
    words = words or (lambda value: number(value, digits))
    if not better:
        return None
    named = ", ".join(f"{name_of(key)}{' against itself' if key == FLOOR and what else ''} {words(value)}"
                      for key, value in better)
    return [title, *([what] if what else []), words(own), named]
