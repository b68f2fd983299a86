"""The plots of docs/benchmarks.md and the README: SVG files, made of results.json by python3-matplotlib.

    python3 tests/bench/plots.py build-bench/results.json docs/benchmarks

They are seen on white and on dark pages (an SVG in an <img> cannot know which: its media queries ask the system,
not the page). So the background is transparent, and every colour of text is as far from white as from a dark page's
#0d1117, which is 4.3 times in luminance: 4.5 to both cannot be had. The same results give the same bytes.
"""

import importlib.util
import json
import pathlib
import sys
import textwrap

import servers
from tables import FLOOR, figure, name_of, shortest

INK = "#787878"  # text and axes
FAINT = "#9a9a9a"  # lines that only guide the eye
OURS = "#d73a00"
THEIRS = "#4078c0"  # the floor
OTHERS = ["#7a7a00", "#8c6bb1", "#1a8a5a"]
SIZE = 11  # points; nothing is smaller
WIDTH = 9.6  # inches: about what a page is wide, so that nothing is made smaller there

NAMES = ("cpu", "picture", "costs")
MOST = 1.42  # the largest ratio that is drawn to scale; those beyond are written


# What they say

def title(name, results):
    """The finding, in a sentence that the figures make; None if there is nothing to draw."""
    return {"cpu": cpu_title, "picture": picture_title, "costs": costs_title}[name](results)


def cpu_title(results):
    """A case that cannot be trusted may make us look worse here, not better."""
    middles = {}
    for case in (results.get("matrix") or {}).values():
        if found := figure(case, "servers", "dunlin", "cpu"):
            middles.setdefault(bool(case.get("warning")), []).append(found["median"])
    if not middles:
        return None
    least, most = min(middles.get(False) or middles[True]), max(sum(middles.values(), []))
    return (f"dunlin takes {least:.2f} to {most:.2f} times" if f"{least:.2f}" != f"{most:.2f}" else
            f"dunlin takes {least:.2f} times") + " the CPU of a hand-written epoll loop"


def picture_title(results):
    kept, last = [], None
    for key, points in (figure(results, "picture", "servers") or {}).items():
        if len(points) > 1 and points[0] and points[-1]:
            last = points[-1]["idle"]
            kept.append(f"{short_name(key)} {points[-1]['rate'] / points[0]['rate']:.0%}".replace("%", " %"))
    kept.reverse()  # ours is the last of the measured
    return f"What {last:,} idle connections leave of the rate: {', '.join(kept)}" if kept else None


def costs_title(results):
    found = figure(results, "costs", "dunlin") or {}
    words = [f"{found[name]:,} {of}" for name, of in (("instructions_64", "instructions a message"),
                                                     ("idle_bytes", "bytes an idle connection"))
             if found.get(name) is not None]
    return f"dunlin takes {' and '.join(words)}" if words else None


def short_name(key):
    return {FLOOR: "epoll by hand", "epoll_lt": "epoll, level-triggered", "asio_callbacks": "Asio, callbacks",
            "asio_coroutines": "Asio, coroutines", "select": "select", "poll": "poll"}.get(key, name_of(key))


def order_of(keys):
    """As in the list of servers, those that are not in it last; ours first anyway."""
    known = [server.key for server in servers.ALL if server.key in keys]
    return known + [key for key in keys if key not in known]


def colour_of(key, number=0):
    return OURS if key.startswith("dunlin") else THEIRS if key == FLOOR else OTHERS[number % len(OTHERS)]


# Drawing

def prepared():
    """matplotlib, set up to draw what was said above."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({
        "svg.hashsalt": "dunlin", "svg.fonttype": "none", "font.size": SIZE, "font.family": "sans-serif",
        "text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.edgecolor": FAINT,
        "axes.titlecolor": INK, "axes.titlesize": SIZE, "axes.spines.top": False, "axes.spines.right": False,
        "axes.facecolor": "none", "figure.facecolor": "none", "savefig.facecolor": "none",
        "xtick.minor.size": 0, "ytick.minor.size": 0, "text.parse_math": False,
    })
    import matplotlib.pyplot
    return matplotlib.pyplot


def figure_of(pyplot, name, results):
    """The drawn figure, or None if there is nothing to draw."""
    headline = title(name, results)
    if headline is None:
        return None
    drawn = {"cpu": draw_cpu, "picture": draw_picture, "costs": draw_costs}[name](pyplot, results)
    drawn.suptitle(headline, x=0.012, ha="left", fontsize=SIZE + 2, fontweight="bold")
    drawn.get_layout_engine().set(h_pad=0.1)
    return drawn


def draw_cpu(pyplot, results):
    cases = list(results["matrix"].values())
    keys = order_of({key for case in cases for key in case["servers"] if key != "dunlin_spin"})
    columns = min(4, len(cases))
    rows = -(-len(cases) // columns)
    drawn, axes = pyplot.subplots(rows, columns, sharex=True, sharey=True, squeeze=False,
                                  figsize=(WIDTH, 0.9 + rows * (0.85 + 0.23 * len(keys))), layout="constrained")
    for axis in axes.flat[len(cases):]:
        axis.remove()
    there = filter(None, (figure(case, "servers", key, "cpu") for case in cases for key in keys))
    least = min([0.95, *(found["q1"] for found in there)])
    for axis, case in zip(axes.flat, cases):
        axis.set_xlim(least - 0.02, MOST + 0.25)
        draw_case(axis, case, keys)
        axis.tick_params(labelbottom=True)
    drawn.supxlabel("server CPU time per message: 1 is the loop by hand at the same moment, bars: half of all turns",
                    fontsize=SIZE, color=INK)
    return drawn


def draw_case(axis, case, keys):
    axis.set_title(wrapped(case["title"]), loc="left")
    axis.axvline(1, color=FAINT, linewidth=1)
    axis.set_ylim(len(keys) - 0.4, -0.6)
    axis.set_xticks([1.0, 1.2, 1.4], ["1.0", "1.2", "1.4"])
    axis.set_yticks(range(len(keys)), [short_name(key) for key in keys])
    mark_ours(axis)
    axis.tick_params(left=False)
    axis.spines["left"].set_visible(False)
    for row, key in enumerate(keys):
        found = figure(case, "servers", key, "cpu")
        if found is None:
            axis.text(1.02, row, "–", va="center")
            continue
        colour = OURS if key == "dunlin" else INK
        look = {"color": colour, "fontweight": "bold" if key == "dunlin" else "normal", "va": "center"}
        if found["median"] > MOST:
            axis.text(MOST + 0.24, row, f"{shortest(found['median'])} →", ha="right", **look)
            continue
        end = min(found["q3"], MOST)
        axis.plot([found["q1"], end], [row, row], color=colour, linewidth=2, solid_capstyle="butt")
        axis.plot([found["median"]], [row], "o", color=colour, markersize=6)
        axis.text(max(end, found["median"]) + 0.03, row, f"{found['median']:.2f}", ha="left", **look)


def wrapped(text, width=24):
    return "\n".join(textwrap.wrap(text, width))


def draw_picture(pyplot, results):
    found = results["picture"]
    drawn, axes = pyplot.subplots(1, 2, figsize=(WIDTH, 4.4), layout="constrained")
    drawn.get_layout_engine().set(wspace=0.08)
    active = found.get("active", 10)
    if any(point and point.get("spread") for points in found["servers"].values() for point in points):
        drawn.supxlabel("shaded: half of all turns", fontsize=SIZE, color=INK)
    for axis, name, words in zip(axes, ("rate", "p99"), (f"messages per second of {active} active connections",
                                                         "p99 latency of a message, µs")):
        axis.set_title(words, loc="left")
        axis.set_xscale("log")
        positions = [max(count, 10) for count in found["idle"]]  # a logarithmic axis has no 0
        labels = [f"{count // 1000}k" if count >= 10_000 else f"{count:,}" for count in found["idle"]]
        axis.set_xticks(positions, labels)
        axis.get_xticklabels()[-2].set_ha("right")  # the last two are close
        axis.set_xlim(8, 250_000)  # room for the names
        axis.set_xlabel("idle connections beside them", loc="left")
        ends = [draw_line(axis, key, points, name, number) for number, (key, points) in
                enumerate(found["servers"].items())]
        if name == "p99":
            axis.set_yscale("log")
            axis.yaxis.set_minor_formatter("")  # it would label these, too, where all is within a decade
            low, high = axis.get_ylim()
            axis.set_ylim(low * 0.8, high * 1.3)
            ticks = [tick for power in range(7) for tick in (10**power, 2 * 10**power, 5 * 10**power)
                     if axis.get_ylim()[0] <= tick <= axis.get_ylim()[1]]
            axis.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
        else:
            axis.set_ylim(0, axis.get_ylim()[1] * 1.08)
            axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        name_lines(axis, [end for end in ends if end], found, below=name == "rate")
    return drawn


def draw_line(axis, key, points, name, number):
    there = [point for point in points if point and point.get(name) is not None]
    if not there:
        return None
    x, y = [max(point["idle"], 10) for point in there], [point[name] for point in there]
    spread = [figure(point, "spread", name) for point in there]
    if all(spread):  # older results have none
        axis.fill_between(x, [found["q1"] for found in spread], [found["q3"] for found in spread],
                          color=colour_of(key, number), alpha=0.15, linewidth=0)
    axis.plot(x, y, "o-", color=colour_of(key, number), linewidth=2.5 if key == "dunlin" else 1.8, markersize=5)
    return key, x[-1], y[-1], colour_of(key, number), len(there) < len(points)


def name_lines(axis, ends, found, below):
    """Each line's name at its end, pushed apart where two ends are close. One that ends early says why, on the
    side where no lines are: lines that fall have that below them, lines that rise above."""
    to_shares = axis.transData + axis.transAxes.inverted()
    gap, last = 0.07, -1.0
    for key, x, y, colour, ends_early in sorted(ends, key=lambda end: to_shares.transform((end[1], end[2]))[1]):
        share_x, share_y = to_shares.transform((x, y))
        words = short_name(key)
        if ends_early:
            words += ends_because(found.get("why", {}).get(key, ""))
            axis.plot([x], [y], "x", color=colour, markersize=9, markeredgewidth=2)
            axis.annotate(words, (share_x, share_y), xytext=(-10, -2 if below else 6), textcoords="offset points",
                          ha="right", va="top" if below else "bottom", xycoords="axes fraction", color=colour)
            continue
        last = max(share_y, last + gap)
        axis.annotate(words, (share_x + 0.02, last), xycoords="axes fraction", va="center", color=colour,
                      fontweight="bold" if key == "dunlin" else "normal")


def ends_because(why):
    return " ends here:\nit has no descriptor\nabove 1,023" if "1,023" in why else " ends here"


def draw_costs(pyplot, results):
    found = {key: results["costs"][key] for key in order_of(results["costs"]) if key != "dunlin_spin"}
    panels = [("instructions_64", "user instructions per message"),
              ("idle_bytes", "user bytes per idle connection")]
    drawn, axes = pyplot.subplots(1, 2, sharey=True, figsize=(WIDTH, 1.4 + 0.27 * len(found)), layout="constrained")
    for axis, (name, words) in zip(axes, panels):
        axis.set_title(words, loc="left")
        axis.set_xscale("log")
        values = [of.get(name) for of in found.values()]
        there = [value for value in values if value is not None and value > 0] or [1]
        axis.set_xlim(min(there) / 1.6, max(there) * 3.2)
        axis.set_xticks([])
        axis.spines["bottom"].set_visible(False)
        axis.spines["left"].set_visible(False)
        axis.tick_params(left=False)
        axis.set_ylim(len(found) - 0.4, -0.6)
        axis.set_yticks(range(len(found)), [short_name(key) for key in found])
        for row, (key, value) in enumerate(zip(found, values)):
            colour = OURS if key == "dunlin" else INK
            weight = "bold" if key == "dunlin" else "normal"
            if value is None:
                axis.text(min(there) / 1.6, row, " not measured", va="center", fontstyle="italic")
                continue
            shown = max(value, min(there) / 1.4)
            axis.plot([axis.get_xlim()[0], shown], [row, row], color=colour, linewidth=1, alpha=0.5)
            axis.plot([shown], [row], "o", color=colour, markersize=7)
            axis.text(shown * 1.2, row, f"{value:,}", va="center", color=colour, fontweight=weight)
    mark_ours(axes[0])
    drawn.supxlabel("64 connections, 64 bytes a message; lengths are logarithmic", fontsize=SIZE, color=INK)
    return drawn


def mark_ours(axis):
    for label in axis.get_yticklabels():
        if label.get_text() == "dunlin":
            label.set(color=OURS, fontweight="bold")


# Files

def draw_all(results, folder):
    """Writes what can be drawn; the names of it."""
    pyplot = prepared()
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name in NAMES:
        drawn = figure_of(pyplot, name, results)
        if drawn is None:
            continue
        path = folder / f"{name}.svg"
        drawn.savefig(path, format="svg", metadata={"Date": None, "Title": title(name, results)})
        pyplot.close(drawn)
        # matplotlib leaves blanks at the ends of lines, which no file of ours has.
        path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
        made.append(name)
    return made


def can_draw():
    """Whether this interpreter has matplotlib; the system's has Debian's, another one may not."""
    return importlib.util.find_spec("matplotlib") is not None


if __name__ == "__main__":
    draw_all(json.loads(pathlib.Path(sys.argv[1]).read_text()), pathlib.Path(sys.argv[2]))
