"""What run.py measured, for people: tables on the terminal, and the parts of the docs that are made of figures.

    python3 tests/bench/report.py build-bench/results.json           # the tables
    python3 tests/bench/report.py build-bench/results.json --write   # renews docs/benchmarks.md, its plots, README.md

In the docs, a part between `<!-- generated: NAME -->` and `<!-- end -->` is replaced; the words around it are
written by hand and stay. What a table holds is in tables.py, what falls short in targets.py, plots in plots.py.
"""

import argparse
import json
import pathlib
import re
import sys

import plots
import tables as parts
import targets

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ("docs/benchmarks.md", "README.md")
PLOTS = "docs/benchmarks"  # a folder
# What is not in results.json. These parts have to be asked for by name.
NOT_MEASURED = "*Not measured yet: `./dev bench --peers --write` does it.*"
ASKED_FOR = ("scale", "micro")

BEGIN = re.compile(r"^<!-- generated: (.*?) -->$", re.MULTILINE)
PART = re.compile(r"^<!-- generated: (?P<name>[\w ]+) -->\n(?P<text>.*?)^<!-- end -->$", re.MULTILINE | re.DOTALL)

# What can stand in a page: `plot NAME` for each plot besides.
TABLES = {"machine": parts.machine, "servers": parts.peers, "summary": parts.summary, "matrix": parts.matrix,
          "costs": parts.costs, "picture": parts.picture, "scale": parts.scale, "micro": parts.micro,
          "targets": targets.against_targets, "ahead": targets.who_is_ahead}


def tables(results):
    """All of it for a terminal."""
    names = ["machine", "matrix", "summary", "costs", "picture", "scale", "micro"]
    names += ["targets", "ahead"] if results.keys() & {"matrix", "costs"} else []
    return "\n\n\n".join(table.text() for name in names for table in TABLES[name](results))


def part(name, results, page, root):
    """The Markdown that stands between the markers of a name."""
    if name.startswith("plot "):
        return image(name.removeprefix("plot "), results, page, root)
    found = TABLES[name](results) if results else []
    return "\n\n".join(table.markdown() for table in found) or not_measured(name)


def not_measured(name):
    return NOT_MEASURED.replace("bench", f"bench {name}").replace(" --peers", "") if name in ASKED_FOR else NOT_MEASURED


def image(name, results, page, root):
    """A plot, if there is one: it cannot be drawn without matplotlib, or without results."""
    file = root / PLOTS / f"{name}.svg"
    words = plots.title(name, results) if file.exists() else None
    if words is None:
        return NOT_MEASURED
    return f"![{words}]({file.relative_to((root / page).parent).as_posix()})"


def renewed(text, results, page, root=ROOT):
    """A page's text with its generated parts made anew."""
    def anew(found):
        name = found["name"]
        return f"<!-- generated: {name} -->\n\n{part(name, results, page, root)}\n\n<!-- end -->"
    return PART.sub(anew, text)


def problems(text, page, root=ROOT):
    """Yields what is wrong with the markers and images of a page."""
    whole = {found["name"] for found in PART.finditer(text)}
    begun = [found[1] for found in BEGIN.finditer(text)]
    if len(begun) != text.count("<!-- end -->") or set(begun) != whole:
        yield f"{page}: markers do not pair up: {begun} begin, {text.count('<!-- end -->')} end"
    for found in PART.finditer(text):
        if "<!-- generated:" in found["text"]:
            yield f"{page}: {found['name']} has no end"
    for name in begun:
        if name not in TABLES and name.removeprefix("plot ") not in plots.NAMES:
            yield f"{page}: nothing is called {name}"
    for target in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)|<img [^>]*src=\"([^\"]+)\"", text):
        path = "".join(target)
        if ":" not in path and not (root / page).parent.joinpath(path).exists():
            yield f"{page}: there is no image {path}"


def write(results, root=ROOT):
    """Renews the pages and the plots in the tree."""
    if plots.can_draw():
        plots.draw_all(results, root / PLOTS)
    else:
        print(f"the plots stay as they are: {sys.executable} has no matplotlib (Debian: python3-matplotlib)",
              file=sys.stderr)
    for page in PAGES:
        path = root / page
        path.write_text(renewed(path.read_text(), results, page, root))


def main():
    parser = argparse.ArgumentParser(description="what was measured, for people")
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--write", action="store_true", help="renew the docs")
    asked = parser.parse_args()
    results = json.loads(asked.results.read_text())
    print(tables(results))
    if asked.write:
        write(results)


if __name__ == "__main__":
    main()
