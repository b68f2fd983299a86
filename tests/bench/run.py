"""Measures dunlin against other echo servers, on this machine: `./dev bench`.

    ./dev bench                        # matrix, costs and picture: what is built here, in about twenty minutes
    ./dev bench --quick                # matrix and picture in about two: to see that it works, too little to quote
    ./dev bench matrix -k asio -c c64  # one part, some servers (the floor is always there), some cases
    ./dev bench --peers --write        # installs the peers' packages first; renews docs/benchmarks.md at the end
    ./dev bench scale micro            # these have to be asked for
    ./dev bench matrix --server 'lto=build-lto/apps/echo --host 127.0.0.1 --port 0'     # any other program, too

Parts: matrix (rates, latencies and CPU time as ratios to a hand-written loop), costs (what can be counted: system
calls, instructions, memory), picture (as idle descriptors grow), scale (as many connections as one process may have,
20,000 descriptors at most, and 100,000 over several), micro (operations of the library), report (measures nothing: the
tables of the results there are). Results are in build-bench/results.json; a part that is measured again replaces what
was there of it. What --quick measures, and matrix and picture with -k, is in partial.json beside it instead.
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
QUICK_PARTS = ["matrix", "picture"]  # what costs counts takes as long as it takes
SEPARATE = ("matrix", "costs", "micro")  # parts of which one thing can be measured again without the others
BUILD = servers.ROOT / "build-bench"
SETUP = ["--buildtype=release", "-Doptimization=2", "-Db_ndebug=false", "-Dtests=enabled", "-Dapps=enabled"]


def parse(words):
    about, _, more = __doc__.partition("\n\n")
    # Without abbreviations: dev looks for --peers, too.
    parser = argparse.ArgumentParser(prog="./dev bench", description=about, epilog=more, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART",
                        help=f"{', '.join(PARTS)}; default: {' '.join(DEFAULT_PARTS)}, with --quick "
                             f"{' '.join(QUICK_PARTS)}")
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
    parser.add_argument("--build", type=pathlib.Path, default=BUILD, help="the build folder")
    asked = parser.parse_args(words)
    if unknown := [part for part in asked.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    asked.parts = asked.parts or (QUICK_PARTS if asked.quick else DEFAULT_PARTS)
    asked.parts = [part for part in PARTS if part in asked.parts]
    if asked.write and (asked.quick or asked.only or asked.cases) and not set(asked.parts) <= {"costs", "report"}:
        parser.error("--write publishes what is measured with all servers, in all cases and long enough: not together "
                     "with -k, -c or --quick, except costs")
    keys = [server.key for server in asked.foreign]
    if len(set(keys)) != len(keys):
        parser.error("two programs given with --server have the same name")
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
    """Makes the folder, or the default one that was copied from elsewhere anew.

    `again` looks for packages that were missing.
    """
    about = build / "meson-info/meson-info.json"
    is_ours = about.exists() and json.loads(about.read_text())["directories"]["source"] == str(servers.ROOT)
    if build.exists() and not is_ours and (not build.is_dir() or any(build.iterdir())):
        if build != BUILD or not (build / "meson-private").exists():
            raise children.Failed(f"{build} is not a build folder of this tree")
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


def merged(results, part, found, origin):
    """The results with one part measured anew, and in "measured" when that was, of which commit, by which command.

    A case of the matrix and the costs of a server stand for themselves, so those not measured now are kept, with
    where they come from. So is a part of which nothing could be measured.
    """
    if not found:
        return results
    measured = dict(results.get("measured", {}))
    if part not in SEPARATE:
        return {**results, part: found, "measured": {**measured, part: origin}}
    kept = results.get(part, {})
    if of_all := measured.pop(part, None):  # as older results have it
        measured |= {f"{part}/{name}": of_all for name in kept}
    measured |= {f"{part}/{name}": origin for name in found}
    return {**results, part: {**kept, **found}, "measured": measured}


def with_origins(results):
    """Older results have the date alone; the commit and the command of that run are the machine's facts, until now."""
    known = results.get("machine", {})
    origin = {name: known.get(name) for name in ("date", "commit", "command")}
    return {**results, "measured": {name: origin if found == known.get("date") else found
                                    for name, found in results.get("measured", {}).items()}}


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
        self.results = with_origins(read_results(self.results_path))
        self.partial = {}
        self.listed, self.left_out = [], {}

    def complain(self, words):
        self.failed.append(words)
        self.say(words)

    def matrix(self):
        rounds = self.asked.rounds or (matrix.QUICK_ROUNDS if self.asked.quick else matrix.ROUNDS)
        cases = [case for case in matrix.CASES if not self.asked.cases or case.key in self.asked.cases]
        seconds = sum(matrix.seconds_expected(case, len(self.listed), rounds) for case in cases)
        self.say(f"matrix: {len(cases)} cases, {len(self.listed)} servers, {rounds} rounds: about {span(seconds)}")
        return matrix.measure(self.listed, self.asked.build, cases, rounds, self.say, self.complain,
                              lambda found: self.keep("matrix", found))

    def costs(self):
        import costs
        self.say(f"costs: {len(self.listed)} servers under tools that count: about {span(40 * len(self.listed))}")
        return costs.measure(self.listed, self.asked.build, keep=lambda found: self.keep("costs", found))

    def picture(self):
        rounds = self.asked.rounds or (picture.QUICK_ROUNDS if self.asked.quick else picture.ROUNDS)
        idle = picture.QUICK_IDLE if self.asked.quick else picture.IDLE
        self.say(f"picture: up to {idle[-1]:,} idle connections to each of {', '.join(picture.KEYS)}")
        return picture.measure(self.listed, self.asked.build, rounds, idle, self.say)

    def scale(self):
        many = scale.QUICK_MANY if self.asked.quick else scale.MANY
        self.say(f"scale: one process with up to {children.DESCRIPTORS:,} descriptors, then {many:,} connections")
        return scale.measure(self.asked.build, many, self.say, self.complain)

    def micro(self):
        return micro.measure(self.asked.build, self.say)

    def is_partial(self, part):
        """Whether what is measured of it now must not stand where all servers are, measured long enough."""
        return part in ("matrix", "picture") and bool(self.asked.only) or part != "costs" and self.asked.quick

    def keep(self, part, found):
        """Stores what is there of a part."""
        if self.is_partial(part):
            self.partial = merged({**self.partial, "machine": self.facts}, part, found, self.origin)
            write_results(self.results_path.with_name("partial.json"), self.partial)
        else:
            self.results = merged({**self.results, "machine": self.facts}, part, found, self.origin)
            write_results(self.results_path, self.results)

    def all(self):
        """Measures all parts asked for; what there is of them then."""
        children.allow_descriptors()
        self.listed, self.left_out = servers.chosen(self.asked.build, self.asked.only, self.asked.foreign,
                                                    targets_of(self.asked.build))
        self.facts = facts = {**machine.facts(self.asked.build), "command": self.asked.command}
        self.origin = {name: facts[name] for name in ("date", "commit", "command")}
        self.say(f"{facts['processor']}, {facts['cores']} cores, Linux {facts['kernel']}, "
                 f"{facts['versions'].get('compiler', '')}")
        if facts["cores"] == 1:
            self.say("warning: there is one core only, which server and load share: rates and latencies mean little")
        elif facts["shares_a_core"]:
            self.say("warning: all cores allowed are threads of one, so server and load take time from each other")
        if facts["build_options"].get("optimization") not in ("2", "3"):
            self.say(f"warning: {self.asked.build} is not built at -O2: its figures mean little")
        for key, why in self.left_out.items():
            self.say(f"without {key}: {why}")
        for part in self.asked.parts:
            if part == "report":
                continue
            try:
                found = getattr(self, part)()
            except children.Failed as why:
                self.complain(f"{part}: not measured: {why}")
                continue
            if found:
                self.keep(part, found)
        if self.partial:
            self.say(f"kept in partial.json: {', '.join(part for part in PARTS if part in self.partial)}")
        return self.shown()

    def shown(self):
        """What was measured now, or all there is if `report` is among the parts."""
        shown = {"machine": (self.partial or self.results).get("machine"), "measured": {}}
        for part in PARTS if "report" in self.asked.parts else self.asked.parts:
            source = self.partial if part in self.partial else self.results
            if part in source:
                shown[part] = source[part]
                shown["measured"] |= {name: origin for name, origin in source.get("measured", {}).items()
                                      if name.partition("/")[0] == part}
        return shown


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
        results = run.all() if asked.parts != ["report"] else run.results
        import report
        say("")
        say(report.tables(results))
        if asked.write:
            report.write(run.results)
        for words in run.failed:
            print(f"failed: {words}", file=sys.stderr)
        return 1 if run.failed else 0
    except children.Failed as why:
        print(f"bench: {why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped; each case and each server's costs that were measured to the end are kept",
              file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
