"""Every C++ block of the README and of docs/ compiles, links with the library, and runs if it has a main.

    python3 tests/docs/docs_test.py --library build/lib/dunlin/libdunlin.a \
        --sim-library build/lib/dunlin/libdunlin-sim.a --include build/lib -- g++

After `--` stands the compiler with whatever options the library was built with. A block without a main is
compiled only; one without an #include gets <dunlin/dunlin.hpp>. A block whose first line is the comment

    // runs until stopped

is a server: it is sent SIGTERM when it listens (or after a second) and must end with 0. Any other program
must end by itself with 0, or with 1 if its first line is

    // ends with 1

Port 8888 becomes 0 here, except in what is simulated: a block that includes a header of sim/ is linked with
the simulated kernel. A ```text block that begins with `$ NAME=value ./program | filter` shows what the last
program above it prints with that command, to the letter. To show what not to write, use ```text.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import tidy  # noqa: E402  (it knows what a block is)

RUN_SECONDS = 20
PROLOGUE = "#include <dunlin/dunlin.hpp>\nusing namespace std::chrono_literals;\n"
UNTIL_STOPPED = "// runs until stopped"
ENDS_WITH_1 = "// ends with 1"
SESSION = re.compile(r"^```text\n\$ ([^\n]*\./\w+[^\n]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def pages():
    return [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if path.exists()]


def is_simulated(block):
    return "#include <dunlin/sim/" in block


def sessions(text):
    """Yields (line, command, what it prints, the line of the block it runs) of a page."""
    programs = [line for line, block in tidy.doc_blocks(text) if has_main(block)]
    for found in SESSION.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield line, found[1], found[2], max((at for at in programs if at < line), default=None)


def source_of(page, line, block):
    """A whole source file whose messages name the page and its lines."""
    prologue = "" if re.search(r"^\s*#\s*include", block, re.MULTILINE) else PROLOGUE
    if not is_simulated(block):
        block = block.replace(':8888"', ':0"')  # the pages name a port, the test takes any that is free
    return f'{prologue}#line {line} "{page}"\n{block}'


def has_main(block):
    return re.search(r"^\s*(int|auto)\s+main\s*\(", tidy.code_only(block), re.MULTILINE) is not None


def compile_block(source, program, library, options):
    """The compiler's complaints, or nothing."""
    command = [*options.compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'lib'}"]
    command += [f"-I{folder}" for folder in options.include]
    command += [str(source), "-o", str(program)]
    if library:
        command += [str(library), "-pthread", f"-Wl,-rpath,{library.parent}"]
    else:
        command += ["-c"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def listens(pid):
    """Whether the process has a listening TCP socket."""
    try:
        sockets = {os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
    except OSError:
        return False
    for table in ("tcp", "tcp6"):
        path = pathlib.Path(f"/proc/{pid}/net/{table}")
        for fields in map(str.split, path.read_text().splitlines()[1:] if path.exists() else []):
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                return True
    return False


def run_program(program, until_stopped, expected=0):
    """What is wrong with the run, or nothing."""
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen([str(program)], stdin=subprocess.DEVNULL, stdout=words, stderr=words)
        try:
            if until_stopped:
                end = time.monotonic() + 1
                while time.monotonic() < end and process.poll() is None and not listens(process.pid):
                    time.sleep(0.02)
                time.sleep(0.1)
                if process.poll() is None:
                    process.terminate()
            code = process.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            return f"still runs after {RUN_SECONDS} s; a server begins with the line {UNTIL_STOPPED}"
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        words.seek(0)
        return "" if code == expected else f"ended with {code}: {words.read().decode(errors='replace')}"


def run_session(program, command, expected):
    """What is wrong with what a command prints, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / re.search(r"\./(\w+)", command)[1]).symlink_to(program)
        done = subprocess.run(command, shell=True, cwd=folder, text=True, timeout=RUN_SECONDS, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return "" if done.stdout == expected else f"`{command}` printed\n{done.stdout}"


def check(page, line, block, folder, options):
    """What is wrong with a block, or nothing. Compiling is done here, two at a time."""
    name = f"{page.replace('/', '_')}_{line}"
    source = folder / f"{name}.cpp"
    source.write_text(source_of(page, line, block))
    program = folder / name
    library = None
    if has_main(block):
        library = options.sim_library if is_simulated(block) else options.library
    return compile_block(source, program, library, options), program if library else None


def failures(blocks, options, shown=()):
    """Yields (page, line, what is wrong) for the blocks, and the sessions shown, that fail."""
    programs = {}
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        checks = [pool.submit(check, *block, pathlib.Path(folder), options) for block in blocks]
        # Programs run one after another: two servers of the page may want the same port.
        for (page, line, block), done in zip(blocks, checks):
            wrong, program = done.result()
            if not wrong and program:
                programs[page, line] = program
                first = block.lstrip()
                wrong = run_program(program, first.startswith(UNTIL_STOPPED), int(first.startswith(ENDS_WITH_1)))
            if wrong:
                yield page, line, wrong
        for page, line, command, expected, at in shown:
            program = programs.get((page, at))
            wrong = run_session(program, command, expected) if program else "there is no program above it"
            if wrong:
                yield page, line, wrong


def self_test(options):
    """Blocks that must fail, and some that must not: else the test has gone blind."""
    bad = ["#include <cstdio>\nint f() { return no_such_name; }\n",
           "#include <cstdio>\nvoid f(int unused) {}\n",
           "#include <cstdio>\nvoid missing();\nint main() { missing(); }\n",
           "#include <cstdio>\nint main() { return 3; }\n",
           ENDS_WITH_1 + "\n#include <cstdio>\nint main() { return 0; }\n"]
    good = ["#include <cstdio>\nint main() { return 0; }\n",
            "#include <dunlin/result.hpp>\ndunlin::result<int> f();\n",
            UNTIL_STOPPED + "\n#include <csignal>\n#include <unistd.h>\nvoid end(int) { _exit(0); }\n"
            "int main() { signal(SIGTERM, end); for (;;) pause(); }\n",
            ENDS_WITH_1 + "\n#include <cstdio>\nint main() { return 1; }\n",
            '#include <cstdio>\nint main() { std::puts("one\\ntwo"); }\n']
    blocks = [("self-test", n, b) for n, b in enumerate(bad + good)]
    last = len(blocks) - 1
    text = "".join(f"```cpp\n{block}```\n" for block in good)
    text += "```text\n$ ./words | grep two\ntwo\n```\n```text\n$ ./words\ntwo\n```\n"
    shown = [("self-test", 1000 + n, command, expected, last)
             for n, (_, command, expected, at) in enumerate(sessions(text)) if at]
    found = {line for _, line, _ in failures(blocks, options, shown)}
    return len(shown) == 2 and found == {*range(len(bad)), 1001}, found


def main():
    parser = argparse.ArgumentParser(description="compiles and runs the code blocks of the documentation")
    parser.add_argument("--library", type=lambda name: pathlib.Path(name).resolve(), required=True)
    parser.add_argument("--sim-library", type=lambda name: pathlib.Path(name).resolve(), required=True)
    parser.add_argument("--include", action="append", default=[], help="a further include folder")
    parser.add_argument("--without-catch2", action="store_true", help="leave out what includes sim/catch2.hpp")
    parser.add_argument("--self-test", action="store_true", help="check this test instead of the documentation")
    parser.add_argument("compiler", nargs="+", help="the compiler and its options, after --")
    options = parser.parse_args()
    if options.self_test:
        is_right, found = self_test(options)
        print("the bad blocks were found, the good were not" if is_right else f"found {sorted(found)}")
        return 0 if is_right else 1
    blocks = [(page.relative_to(ROOT).as_posix(), line, block)
              for page in pages() for line, block in tidy.doc_blocks(page.read_text())
              if not (options.without_catch2 and "#include <dunlin/sim/catch2.hpp>" in block)]
    shown = [(page.relative_to(ROOT).as_posix(), *session)
             for page in pages() for session in sessions(page.read_text())]
    failed = 0
    for page, line, wrong in failures(blocks, options, shown):
        failed += 1
        print(f"{page}:{line}: {wrong}\n")
    print(f"{len(blocks)} blocks, {len(shown)} sessions, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
