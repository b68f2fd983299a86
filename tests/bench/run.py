"""Measures dunlin against other echo servers, on this machine: `./dev bench`.

    ./dev bench                        # matrix, costs and picture: what is built here, in about ten minutes
    ./dev bench --quick                # the same in about two: enough to see that it works, too little to quote
    ./dev bench matrix -k asio -c c64  # one part, some servers (the floor is always there), some cases
    ./dev bench --peers --write        # installs the peers' packages first; renews docs/benchmarks.md at the end
    ./dev bench matrix --server 'lto=build-lto/apps/echo --host 127.0.0.1 --port 0'     # any other program, too

Parts: matrix (rates, latencies and CPU time as ratios to a hand-written loop), costs (what can be counted: system
calls, instructions, memory), picture (as idle descriptors grow), scale (100,000 connections), micro (operations of
the library), report (measures nothing: the tables of the results there are). Results are in build-bench/results.json;
a part that is measured again replaces what was there of it.
"""

import argparse
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

import children
import machine
import matrix
import micro
import picture
import scale
import servers

PARTS = ["matrix", "costs", "picture", "scale", "micro", "report"]
DEFAULT_PARTS = ["matrix", "costs", "picture"]
SETUP = ["--buildtype=release", "-Doptimization=2", "-Db_ndebug=false", "-Dtests=enabled", "-Dapps=enabled"]


def parse(words):
    about, _, more = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(prog="./dev bench", description=about, epilog=more,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART",
                        help=f"{', '.join(PARTS)}; default: {' '.join(DEFAULT_PARTS)}")
    parser.add_argument("--quick", action="store_true", help="few rounds and small numbers")
    parser.add_argument("--rounds", type=positive, metavar="N", help=f"rounds of the matrix ({matrix.ROUNDS}) and the "
                        f"picture ({picture.ROUNDS})")
    parser.add_argument("-k", dest="only", action="append", default=[], metavar="SERVER",
                        help="only servers whose key has this in it; may be given again")
    parser.add_argument("-c", dest="cases", action="append", default=[], metavar="CASE",
                        choices=[case.key for case in matrix.CASES], help="only this case of the matrix; may be given "
                        "again: " + ", ".join(case.key for case in matrix.CASES))
    parser.add_argument("--server", dest="foreign", action="append", default=[], type=foreign, metavar="NAME=COMMAND",
                        help="measure this program, too; it listens on a free port and says which, as apps/echo does")
    parser.add_argument("--write", action="store_true", help="renew docs/benchmarks.md and its plots")
    parser.add_argument("--peers", action="store_true", help="install what peers need that are not built here")
    parser.add_argument("--build", type=pathlib.Path, default=servers.ROOT / "build-bench", help="the build folder")
    asked = parser.parse_args(words)
    if unknown := [part for part in asked.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    asked.parts = [part for part in PARTS if part in (asked.parts or DEFAULT_PARTS)]
    asked.build = asked.build.resolve()
    asked.command = shlex.join(["./dev", "bench", *words])
    return asked


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def foreign(text):
    try:
        return servers.foreign(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


# The build

def configure(build, again):
    """Makes the folder, or one that was copied from elsewhere anew; `again` looks for packages that were missing."""
    about = build / "meson-info/meson-info.json"
    is_ours = about.exists() and json.loads(about.read_text())["directories"]["source"] == str(servers.ROOT)
    if build.exists() and not is_ours:
        if any(build.iterdir()) and not (build / "meson-private").exists():
            raise children.Failed(f"{build} is not a build folder")
        shutil.rmtree(build)
    if not is_ours or not (build / "build.ninja").exists():
        command = ["meson", "setup", str(build), str(servers.ROOT), *SETUP]
    elif again:
        command = ["meson", "setup", "--reconfigure", str(build), str(servers.ROOT)]
    else:
        return
    succeed(command)


def succeed(command):
    """Runs a program silently, unless it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise children.Failed(f"{' '.join(command)}:\n{done.stdout[-3000:]}")
    return done.stdout


def targets_of(build):
    listed = succeed(["ninja", "-C", str(build), "-t", "targets", "all"])
    return {line.rsplit(":", 1)[0] for line in listed.splitlines() if ":" in line}


def prepare(asked, say):
    """Brings all that is measured up to date."""
    configure(asked.build, asked.peers)
    say(f"building {asked.build.name} ...")
    succeed(["ninja", "-C", str(asked.build), "apps/echo"])
    if "bench_peers" in targets_of(asked.build):
        try:
            # One that does not compile here shall not keep the others away.
            succeed(["ninja", "-C", str(asked.build), "-k", "0", "bench_peers"])
        except children.Failed as why:
            say(f"warning: not all peers could be built: {why}")


# The results

def read_results(path):
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise children.Failed(f"{path} is damaged ({error}); remove it") from None


def merged(results, part, found, date):
    """The results with one part measured anew.

    A case of the matrix and the costs of a server stand for themselves, so those not measured now are kept. So is
    a part of which nothing could be measured.
    """
    if not found:
        return results
    kept = results.get(part, {}) if part in ("matrix", "costs", "micro") else {}
    return {**results, part: {**kept, **found}, "measured": {**results.get("measured", {}), part: date}}


def write_results(path, results):
    """In one step: a Ctrl-C must not cost what took an hour."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(results, indent=1) + "\n")
    os.replace(new, path)


# The parts

class Run:
    """What `parse` asked for, carried out. `failed` has what could not be measured."""

    def __init__(self, asked, say):
        self.asked, self.say = asked, say
        self.failed = []
        self.results_path = asked.build / "results.json"
        self.listed, self.left_out = servers.chosen(asked.build, asked.only, asked.foreign)

    def complain(self, words):
        self.failed.append(words)
        self.say(words)

    def matrix(self):
        rounds = self.asked.rounds or (matrix.QUICK_ROUNDS if self.asked.quick else matrix.ROUNDS)
        cases = [case for case in matrix.CASES if not self.asked.cases or case.key in self.asked.cases]
        seconds = sum(matrix.seconds_expected(case, len(self.listed), rounds) for case in cases)
        self.say(f"matrix: {len(cases)} cases, {len(self.listed)} servers, {rounds} rounds: about {span(seconds)}")
        return matrix.measure(self.listed, self.asked.build, cases, rounds, self.say, self.complain)

    def costs(self):
        import costs
        self.say("costs: a few minutes, under tools that count")
        return costs.measure(self.listed, self.asked.build)

    def picture(self):
        rounds = self.asked.rounds or (picture.QUICK_ROUNDS if self.asked.quick else picture.ROUNDS)
        idle = picture.QUICK_IDLE if self.asked.quick else picture.IDLE
        self.say(f"picture: up to {idle[-1]:,} idle connections to each of {len(picture.KEYS)} servers")
        return picture.measure(self.listed, self.asked.build, rounds, idle, self.say)

    def scale(self):
        many = scale.QUICK_MANY if self.asked.quick else scale.MANY
        self.say(f"scale: one process, then {many:,} connections")
        return scale.measure(self.asked.build, many, self.say, self.complain)

    def micro(self):
        return micro.measure(self.asked.build, self.say)

    def all(self):
        children.allow_descriptors()
        facts = {**machine.facts(self.asked.build), "command": self.asked.command}
        self.say(f"{facts['processor']}, {facts['cores']} cores, Linux {facts['kernel']}, "
                 f"{facts['versions'].get('compiler', '')}")
        if facts["cores"] == 1:
            self.say("warning: there is one core only, which server and load share: rates and latencies mean little")
        if facts["build_options"].get("optimization") not in ("2", "3"):
            self.say(f"warning: {self.asked.build} is not built at -O2: its figures mean little")
        for key, why in self.left_out.items():
            self.say(f"without {key}: {why}")
        results = read_results(self.results_path)
        for part in self.asked.parts:
            if part == "report":
                continue
            try:
                found = getattr(self, part)()
            except children.Failed as why:
                self.complain(f"{part}: not measured: {why}")
                continue
            results = merged({**results, "machine": facts}, part, found, facts["date"])
            write_results(self.results_path, results)
        return results


def span(seconds):
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def main(words):
    asked = parse(words)
    children.raise_on_sigterm()

    def say(text):
        print(text, flush=True)
    try:
        if asked.parts != ["report"]:
            prepare(asked, say)
        run = Run(asked, say)
        results = run.all() if asked.parts != ["report"] else read_results(run.results_path)
        import report
        say("")
        say(report.tables(results))
        if asked.write:
            report.write(results)
        for words in run.failed:
            print(f"failed: {words}", file=sys.stderr)
        return 1 if run.failed else 0
    except children.Failed as why:
        print(f"bench: {why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped; what was measured to the end is kept", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
