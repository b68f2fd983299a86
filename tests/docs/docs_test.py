"""Every C++ block of the README and of docs/ compiles, links with the library, and runs if it has a main.

    python3 tests/docs/docs_test.py --library build/lib/dunlin/libdunlin.a --include build/lib -- g++

After `--` stands the compiler with whatever options the library was built with. A block without a main is
compiled only; one without an #include gets <dunlin/dunlin.hpp>. A block whose first line is the comment

    // runs until stopped

is a server: it is sent SIGTERM when it listens (or after a second) and must end with 0. Any other program
must end by itself with 0. Port 8888 becomes 0 here. To show what not to write, use ```text.
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


def pages():
    return [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if path.exists()]


def source_of(page, line, block):
    """A whole source file whose messages name the page and its lines."""
    prologue = "" if re.search(r"^\s*#\s*include", block, re.MULTILINE) else PROLOGUE
    block = block.replace(':8888"', ':0"')  # the pages name a port, the test takes any that is free
    return f'{prologue}#line {line} "{page}"\n{block}'


def has_main(block):
    return re.search(r"^\s*(int|auto)\s+main\s*\(", tidy.code_only(block), re.MULTILINE) is not None


def compile_block(source, program, links, options):
    """The compiler's complaints, or nothing."""
    command = [*options.compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'lib'}"]
    command += [f"-I{folder}" for folder in options.include]
    command += [str(source), "-o", str(program)]
    if links:
        folder = options.library.parent
        command += [str(options.library), "-pthread", f"-Wl,-rpath,{folder}"]
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


def run_program(program, until_stopped):
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
        return f"ended with {code}: {words.read().decode(errors='replace')}" if code else ""


def check(page, line, block, folder, options):
    """What is wrong with a block, or nothing. Compiling is done here, two at a time."""
    name = f"{page.replace('/', '_')}_{line}"
    source = folder / f"{name}.cpp"
    source.write_text(source_of(page, line, block))
    program = folder / name
    links = has_main(block)
    return compile_block(source, program, links, options), program if links else None


def failures(blocks, options):
    """Yields (page, line, what is wrong) for the blocks that fail."""
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        checks = [pool.submit(check, *block, pathlib.Path(folder), options) for block in blocks]
        # Programs run one after another: two servers of the page may want the same port.
        for (page, line, block), done in zip(blocks, checks):
            wrong, program = done.result()
            if not wrong and program:
                wrong = run_program(program, block.lstrip().startswith(UNTIL_STOPPED))
            if wrong:
                yield page, line, wrong


def self_test(options):
    """Blocks that must fail, and some that must not: else the test has gone blind."""
    bad = ["#include <cstdio>\nint f() { return no_such_name; }\n",
           "#include <cstdio>\nvoid f(int unused) {}\n",
           "#include <cstdio>\nvoid missing();\nint main() { missing(); }\n",
           "#include <cstdio>\nint main() { return 3; }\n"]
    good = ["#include <cstdio>\nint main() { return 0; }\n",
            "#include <dunlin/result.hpp>\ndunlin::result<int> f();\n",
            UNTIL_STOPPED + "\n#include <csignal>\n#include <unistd.h>\nvoid end(int) { _exit(0); }\n"
            "int main() { signal(SIGTERM, end); for (;;) pause(); }\n"]
    found = {line for _, line, _ in failures([("self-test", n, b) for n, b in enumerate(bad + good)], options)}
    return found == set(range(len(bad))), found


def main():
    parser = argparse.ArgumentParser(description="compiles and runs the code blocks of the documentation")
    parser.add_argument("--library", type=lambda name: pathlib.Path(name).resolve(), required=True)
    parser.add_argument("--include", action="append", default=[], help="a further include folder")
    parser.add_argument("--self-test", action="store_true", help="check this test instead of the documentation")
    parser.add_argument("compiler", nargs="+", help="the compiler and its options, after --")
    options = parser.parse_args()
    if options.self_test:
        is_right, found = self_test(options)
        print("the bad blocks were found, the good were not" if is_right else f"found {sorted(found)}")
        return 0 if is_right else 1
    blocks = [(page.relative_to(ROOT).as_posix(), line, block)
              for page in pages() for line, block in tidy.doc_blocks(page.read_text())]
    failed = 0
    for page, line, wrong in failures(blocks, options):
        failed += 1
        print(f"{page}:{line}: {wrong}\n")
    print(f"{len(blocks)} blocks, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
