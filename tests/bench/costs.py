"""What each server's echo program costs, free of noise: what is counted comes out the same on a busy machine.

    python3 tests/bench/costs.py build-bench              # all servers that are built there
    python3 tests/bench/costs.py build-bench dunlin go    # those whose keys have one of these in them

`measure(servers, build)` is what run.py calls. How calls, instructions, allocations and memory are counted is
in tests/measure.py, which measures dunlin's budgets, too. A figure that cannot be had is None, and `why_not`
says why. Of the source of a server:

- it is compiled (not linked) three times at -O2, by the compiler and with the standard, include folders and
  definitions of the build, but without debug info and warnings; the median of the processor seconds counts;
- the binary is stripped. dunlin's is the peer whose lines are counted, with the library in it;
  libevent and libuv are shared libraries, which are not counted;
- a line of code is one with something on it other than comment, in the source and in the files of ours that
  it includes by their names in quotes.
"""

import argparse
import functools
import io
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import tokenize

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import measure as tools  # noqa: E402
from measure import ROOT, CannotMeasure  # noqa: E402

ROUNDS = 3  # of compiling
NAMES = ["system_calls_1", "system_calls_64", "instructions_1", "instructions_64", "allocations_1", "allocations_64",
         "idle_bytes", "compile_seconds", "preprocessed_lines", "binary_bytes", "lines_of_code"]
SPARE = 15  # descriptors of a server that cannot have 10,000, beside its connections
SLOW_MESSAGES = 2_000  # under callgrind, where Python takes a minute for five times as many

# What a language has no figure for, and why.
ALLOCATOR = "the language has an allocator of its own, which takes memory from the system in large pieces"
MEANINGLESS = {
    "Go": {"instructions": "valgrind cannot run Go, whose goroutines change stacks behind its back",
           "allocations": ALLOCATOR,
           "compile_seconds": "go build compiles and links in one and keeps what it has compiled",
           "preprocessed_lines": "there is no preprocessor"},
    "Python": {"allocations": ALLOCATOR,
               "compile_seconds": "Python compiles when it runs",
               "preprocessed_lines": "there is no preprocessor",
               "binary_bytes": "Python makes no binary"},
}


# Of the source

def compile_command(commands, folder, source):
    """How the build compiles a source, as words, without what is not the same for all: see above.

    `commands` is what compile_commands.json holds. A source that is no part of the build is compiled like the
    echo program.
    """
    by_file = {(pathlib.Path(entry["directory"]) / entry["file"]).resolve(): entry for entry in commands}
    entry = by_file.get((ROOT / source).resolve()) or by_file.get(ROOT / "apps/echo/main.cpp")
    if entry is None:
        raise CannotMeasure(f"{folder} does not say how it compiles {source}")
    words = shlex.split(entry["command"])
    first_option = next(index for index, word in enumerate(words) if word.startswith("-"))
    kept, rest = words[:first_option], iter(words[first_option:])
    for word in rest:
        if word in ("-I", "-isystem", "-D"):
            kept += [word, next(rest)]
        elif word.startswith(("-I", "-isystem", "-D", "-std=", "-pthread")):
            kept.append(word)
    return [*kept, "-O2"], entry["directory"]


class Source:
    """The source of a server: what compiling it takes, and what becomes of it."""

    def __init__(self, server, build):
        self.path, self.build = ROOT / server.source, build
        with open(build / "compile_commands.json") as file:
            self.command, self.folder = compile_command(json.load(file), build, server.source)

    def compile(self, *arguments, libraries=()):
        done = subprocess.run([*self.command, *arguments, str(self.path), *libraries], cwd=self.folder, text=True,
                              capture_output=True)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "error" in line]
            raise CannotMeasure(f"it does not compile: {(errors or ['?'])[0]}")
        return done.stdout

    def seconds(self):
        with tempfile.TemporaryDirectory() as folder:
            rounds = [tools.cpu_seconds(lambda: self.compile("-c", "-o", f"{folder}/echo.o")) for _ in range(ROUNDS)]
        return round(statistics.median(rounds), 2)

    def preprocessed_lines(self):
        return self.compile("-E", "-P").count("\n")

    def bytes_with_library(self):
        """The size of the program that is made of it and our library."""
        library = self.build / "lib/dunlin/libdunlin.a"
        if not library.exists():
            raise CannotMeasure("the build has no static library")
        with tempfile.TemporaryDirectory() as folder:
            self.compile("-o", f"{folder}/echo", libraries=[str(library)])
            return stripped_bytes(f"{folder}/echo")


def stripped_bytes(binary):
    tools.needs("strip")
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/stripped"
        subprocess.run(["strip", "-o", out, binary], check=True)
        return os.path.getsize(out)


def lines_of_code(path):
    """Lines of a file, and of those of ours that it includes, that hold more than comment."""
    text = path.read_text()
    if path.suffix == ".py":
        return python_lines(text)
    own = [path.parent / name for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', text, re.MULTILINE)]
    return c_lines(text) + sum(lines_of_code(file) for file in own if file.exists())


# Comments, or what looks like them and is a string or a character. A digit's separator is no character.
C_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|`[^`]*`|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)


def c_lines(text):
    """Of C, C++ or Go."""
    def replacement(found):
        # What a comment spanned stays apart, what is no comment stays.
        return "\n" * found[0].count("\n") if found[0].startswith(("//", "/*")) else found[0]
    return sum(bool(line.strip()) for line in C_TOKEN.sub(replacement, text).splitlines())


def python_lines(text):
    """Without comments and documentation strings."""
    blank = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines, begins_statement = set(), True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in blank and not (token.type == tokenize.STRING and begins_statement):
            lines.update(range(token.start[0], token.end[0] + 1))
        if token.type != tokenize.COMMENT and token.type != tokenize.NL:
            begins_statement = token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    return len(lines)


# Of a server

class Costs:
    """One server's figures. Each of NAMES is a method, `_1` and `_64` being connections."""

    def __init__(self, server, build):
        self.server, self.build = server, build
        self.command = [str(word) for word in server.command(build)]

    def of(self, name):
        found = re.fullmatch(r"(\w+)_(\d+)", name)
        method, arguments = (found[1], [int(found[2])]) if found else (name, [])
        why_not = MEANINGLESS.get(self.server.language, {}).get(method)
        if why_not:
            raise CannotMeasure(why_not)
        return getattr(self, method)(*arguments)

    @property
    def good_ends(self):
        return tools.CAUGHT if self.server.key.startswith("dunlin") else tools.CAUGHT_OR_NOT

    def system_calls(self, connections):
        return tools.system_calls(self.command, connections, self.good_ends)

    @functools.cache
    def callgrind(self, connections):
        more = {"messages": SLOW_MESSAGES} if self.server.language == "Python" else {}
        return tools.callgrind(self.command, connections, good_ends=self.good_ends, **more)

    def instructions(self, connections):
        return round(self.callgrind(connections)[0])

    def allocations(self, connections):
        return round(self.callgrind(connections)[1], 3)

    def idle_bytes(self):
        return tools.idle_bytes(self.command, min(tools.IDLE, self.server.limit - SPARE))

    @functools.cached_property
    def source(self):
        if not self.server.source:
            raise CannotMeasure("its source is not ours")
        return Source(self.server, self.build)

    def compile_seconds(self):
        return self.source.seconds()

    def preprocessed_lines(self):
        return self.source.preprocessed_lines()

    def binary_bytes(self):
        # The program under load has many options and other commands; the peers have none.
        if self.server.key == "dunlin":
            return self.source.bytes_with_library()
        return stripped_bytes(self.command[0])

    def lines_of_code(self):
        if not self.server.source:
            raise CannotMeasure("its source is not ours")
        return lines_of_code(ROOT / self.server.source)


def measure(servers, build, say=lambda text: print(text, file=sys.stderr, flush=True), keep=lambda found: None):
    """{server key: {name: figure or None, "why_not": {name: why it is None}}} of those that are there.

    `keep` is given each server's as soon as they are there.
    """
    costs, sources = {}, set()
    for server in servers:
        if not server.is_available(build) or (server.source and server.source in sources):
            continue  # or it is the same program with another option
        sources.add(server.source)
        say(f"costs of {server.name}")
        taken = Costs(server, build)
        figures, why_not = dict.fromkeys(NAMES), {}
        for name in NAMES:
            try:
                figures[name] = taken.of(name)
            except (CannotMeasure, AssertionError, OSError, subprocess.SubprocessError) as error:
                why_not[name] = str(error)
                if not isinstance(error, CannotMeasure):
                    say(f"  {name}: {error}")
        costs[server.key] = figures | {"why_not": why_not}
        keep({server.key: costs[server.key]})
    return costs


def main():
    import servers  # here, so that `measure` asks for no more than it is given
    parser = argparse.ArgumentParser(description="what each server's echo program costs, free of noise")
    parser.add_argument("build", type=pathlib.Path, help="the build folder")
    parser.add_argument("wanted", nargs="*", help="parts of servers' keys; else all")
    asked = parser.parse_args()
    chosen = [server for server in servers.ALL if not asked.wanted or any(part in server.key for part in asked.wanted)]
    print(json.dumps(measure(chosen, asked.build.resolve()), indent=1))


if __name__ == "__main__":
    main()
