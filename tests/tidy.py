"""The rules of this source tree that a program can check, as a test.

    python3 tests/tidy.py                           # everything below
    python3 tests/tidy.py layers awaits six words   # some of it; six: the six tests of every awaiter
    python3 tests/tidy.py headers g++ -Ibuild/lib   # each header compiles alone, with that compiler

Each rule is a function that takes text and yields (line, what is wrong), so that tidy_test.py can show it bad
text and see it found. Nothing here needs a build but `headers`.
"""

import concurrent.futures
import pathlib
import re
import subprocess
import sys

from tidy_await import await_problems, code_only, excused_lines

ROOT = pathlib.Path(__file__).resolve().parent.parent

# A folder may include those of a lower rank, and itself. A new layer is a new entry here.
RANKS = {"result.hpp": 0, "version.hpp": 0, "util": 0, "sys": 1, "loop": 2, "task": 3, "sync": 4, "net": 5,
         "http": 6, "websocket": 6, "tls": 6, "sim": 7, "testing": 7, "dunlin.hpp": 8}
# These stand beside their rank: they may include nothing but what is named.
ONLY = {"result.hpp": {"version.hpp"}, "version.hpp": set(), "util": {"util"},
        "sys": {"result.hpp", "util", "sys"}, "sys_sim": {"result.hpp", "util", "sys", "sys_sim"}}
# And these what has no rank.
BESIDES = {"sim": {"sys_sim"}}

# Of sys/, users see the epoll object and the descriptor handles.
PUBLIC_IN_SYS = {"sys/fd.hpp", "sys/epoll.hpp", "sys/error.hpp", "sys/resolver_error.hpp"}
# Each of these costs every user's every file a tenth of a second or more.
HEAVY = {"memory", "functional", "algorithm", "ranges", "thread", "iostream"}

# Whoever does input, output, time or chance by himself escapes the simulated kernel.
KERNEL = re.compile(r"(sys|netinet|arpa|net|linux|asm|bits|rpc)/.*\.h|\w+\.h|csignal|ctime|thread|random")
MAKES_SYSTEM_CALLS = {"sys", "sys_sim"}
# Programs stand on the public headers; the hand-written one shows what the others are spared, and what the load
# generator wants to know of processes (their CPU time, the descriptor limit) no network library offers.
BARE_APPS = {"apps/echo_epoll", "apps/echo/process.cpp"}

# Code that shows what not to write, or another library's way of writing it.
NOT_OURS_TO_JUDGE = ("tests/compiler/", "tests/bench/", "tests/budgets/")

SIX = ["ready", "later", "spurious", "stopped", "destroyed", "destroyed-ready"]

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(text):
    for number, line in enumerate(text.splitlines(), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found[1], found[2]


def folder_of(name):
    """`loop` of `loop/scheduler.hpp`, and `result.hpp` of itself."""
    return name.split("/", 1)[0]


def is_public(name):
    """Whether a header (named as it is included, without `dunlin/`) is one that users may include."""
    if not name.endswith(".hpp") or "detail" in pathlib.PurePath(name).parts or folder_of(name) == "sys_sim":
        return False
    return folder_of(name) != "sys" or name in PUBLIC_IN_SYS


def may_include(here, there):
    if here in ONLY:
        return there in ONLY[here]
    if there in ("util", "result.hpp", "version.hpp", *BESIDES.get(here, ())) or here == there:
        return True
    if here not in RANKS:
        return False
    return there in RANKS and RANKS[there] < RANKS[here]


def layer_problems(name, text):
    """For a file of lib/dunlin, named as it is included: no include points left, none reaches the kernel."""
    here = folder_of(name)
    if here not in RANKS and here not in ONLY:
        yield 1, f"the folder {here} has no place among the layers: give it one in tests/tidy.py"
        return
    excused = excused_lines(text)
    for line, quote, header in includes(text):
        if line in excused:
            continue
        if quote == '"':
            yield line, f'"{header}": write <dunlin/…>, as users do'
        elif header.startswith("dunlin/"):
            there = header.removeprefix("dunlin/")
            if not may_include(here, folder_of(there)):
                yield line, f"{here} may not include <{header}>: the arrow points the other way"
            if is_public(name) and not is_public(there):
                yield line, f"a public header includes <{header}>, which is not installed"
        elif KERNEL.fullmatch(header) and here not in MAKES_SYSTEM_CALLS:
            yield line, f"<{header}>: system headers, clocks and dice stay inside sys/"
        elif KERNEL.fullmatch(header) and is_public(name):
            yield line, f"<{header}> in a public header: its names would meet our users'"
        elif header in HEAVY and is_public(name):
            yield line, f"<{header}> in a public header costs every user's every file too much"


def app_problems(path, text):
    """For a file of apps/: public headers only, and the kernel only where that is the point."""
    for line, _, header in includes(text):
        if header.startswith("dunlin/") and not is_public(header.removeprefix("dunlin/")):
            yield line, f"<{header}> is not public: a program does with what users have"
        # What a signal does to the process is the program's business, and it is standard C++ to say so.
        if KERNEL.fullmatch(header) and header != "csignal" and not path.startswith(tuple(BARE_APPS)):
            yield line, f"<{header}>: what this program needs of the system, the library must offer"


def without_arguments(names):
    """The text without template arguments, nested ones included."""
    while "<" in names:
        shorter = re.sub(r"<[^<>]*>", "", names)
        if shorter == names:
            break
        names = shorter
    return names


def derived_operations(texts):
    """The classes that end a chain of derivation from `operation`, and where: {name: (path, line)}."""
    bases, places = {}, {}
    head = re.compile(r"\b(?:class|struct)\s+(?:\[\[.*?\]\]\s*)*(?:[A-Z][A-Z_]+\s+)*(\w+)\s*(?:final\s*)?"
                      r":(?!:)\s*([^{};]*)\{")
    for path, text in texts:
        code = code_only(text)
        for found in head.finditer(code):
            bases[found[1]] = set(re.findall(r"(?:\w+::)*(\w+)", without_arguments(found[2])))
            places[found[1]] = (path, code.count("\n", 0, found.start()) + 1)
    family = {"operation"}
    while True:
        more = {name for name, above in bases.items() if above & family} - family
        if not more:
            break
        family |= more
    inner = set().union(*(bases[name] for name in family if name in bases))
    return {name: places[name] for name in family - inner - {"operation"}}


def missing_tests(operations, test_texts):
    """Yields (path, line, what is missing): each awaiter meets its six cases, tagged [six:NAME:CASE]."""
    tags = set(re.findall(r"\[six:(\w+):([\w-]+)\]", "\n".join(test_texts)))
    for name, (path, line) in sorted(operations.items()):
        lacks = [case for case in SIX if (name, case) not in tags]
        if lacks:
            yield path, line, f"no test is tagged [six:{name}:{{{','.join(lacks)}}}]"
    for name, case in sorted(tags):
        if name not in operations:
            yield "tests", 0, f"[six:{name}:{case}] names no awaiter"
        elif case not in SIX:
            yield "tests", 0, f"[six:{name}:{case}] is none of the six"


def word_problems(text, root=str(ROOT)):
    """Any text file: nothing of the machine it was written on, and tidy at its end."""
    # The patterns are written so that they do not match themselves.
    places = re.compile(r"/(home|Users)/\w|/(root|tmp)/\w|" + re.escape(root) + r"\b")
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\bTO" r"DO\b(?!\((perf|test|cleanup)\))", line):
            yield number, "say which kind of work is left: perf, test or cleanup in parentheses"
        if re.search(r"\bFIX" r"ME\b|\bXX" r"X\b", line):
            yield number, "not a word for a note that stays"
        if places.search(line):
            yield number, "a path of one machine"
        if line != line.rstrip():
            yield number, "a blank at the end of the line"
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "the file does not end with a newline"
    if "\r" in text:
        yield 1, "line ends as on Windows"


def doc_blocks(text):
    """Yields (line of its first line, text) of every ```cpp block of a Markdown text."""
    for found in re.finditer(r"^[ ]*```cpp[^\n]*\n(.*?)^[ ]*```", text, re.DOTALL | re.MULTILINE):
        yield text.count("\n", 0, found.start(1)) + 1, found[1]


def files(*patterns, under=("lib", "apps", "tests", "docs")):
    for folder in under:
        for pattern in patterns:
            for path in sorted((ROOT / folder).rglob(pattern)):
                if path.is_file() and "__pycache__" not in path.parts:
                    yield path.relative_to(ROOT).as_posix(), path.read_text()


def check_layers():
    for path, text in files("*.hpp", "*.cpp", under=("lib/dunlin",)):
        for line, problem in layer_problems(path.removeprefix("lib/dunlin/"), text):
            yield path, line, problem
    for path, text in files("*.hpp", "*.cpp", under=("apps",)):
        for line, problem in app_problems(path, text):
            yield path, line, problem


def check_awaits():
    for path, text in files("*.hpp", "*.cpp"):
        if not path.startswith(NOT_OURS_TO_JUDGE):
            for line, problem in await_problems(text):
                yield path, line, problem
    for path, text in [*files("*.md"), *top_level_files()]:
        if path.endswith(".md"):
            for first, block in doc_blocks(text):
                for line, problem in await_problems(block):
                    yield path, first + line - 1, problem


def check_six():
    texts = dict(files("*.hpp", "*.cpp", under=("lib",)))
    operations = {name: (path, line) for name, (path, line) in derived_operations(texts.items()).items()
                  if line not in excused_lines(texts[path])}
    yield from missing_tests(operations, [text for _, text in files("*.cpp", under=("tests",))])


def check_words():
    for path, text in [*files("*"), *top_level_files()]:
        for line, problem in word_problems(text):
            yield path, line, problem


CHECKS = {"layers": check_layers, "awaits": check_awaits, "six": check_six, "words": check_words}


def top_level_files():
    for path in sorted([*ROOT.glob("*"), *ROOT.glob("subprojects/*.wrap")]):
        if path.is_file() and path.name != ".git":
            yield path.relative_to(ROOT).as_posix(), path.read_text()


def header_problems(compiler):
    """Compiles every header of the library alone, two at a time; yields (path, 0, the compiler's first words)."""
    def compile_alone(path):
        command = [*compiler, "-std=c++20", f"-I{ROOT / 'lib'}", "-fsyntax-only", "-x", "c++", "-"]
        name = path.removeprefix("lib/")
        done = subprocess.run(command, input=f"#include <{name}>\n#include <{name}>\n", capture_output=True, text=True)
        return path, done.returncode, done.stderr
    headers = [path for path, _ in files("*.hpp", under=("lib",))]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for path, code, words in pool.map(compile_alone, headers):
            if code:
                errors = [line for line in words.splitlines() if "error" in line]
                yield path, 0, "does not compile alone: " + (errors or [words])[0]


def main(arguments):
    if arguments[:1] == ["headers"]:
        found = list(header_problems(arguments[1:]))
    else:
        found = [problem for name in arguments or CHECKS for problem in CHECKS[name]()]
    for path, line, problem in found:
        print(f"{path}:{line}: {problem}")
    print(f"{len(found)} found" if found else "tidy")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
