"""What becomes of results: tables, verdicts, pages; and that the pages in the tree are whole.

    python3 tests/bench/report_test.py

Exits 77, which Meson calls SKIP, where a case was skipped.
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import costs
import plots
import ratios
import report
import tables
import targets


def spread(median):
    return {"median": median, "q1": median - 0.01, "q3": median + 0.02}


def server(cpu, **more):
    return {"cpu": spread(cpu), "rate": spread(1 / cpu), "p99_ratio": spread(cpu), "rate_absolute": 140_000 / cpu,
            "cpu_us_per_message": 7 * cpu, "p50": 31.2, "p99": 88.1, "least_served_share": 0.8, "errors": 0, **more}


def results():
    """A small run: few servers, some without some figures, one that is not in our list."""
    nothing = dict.fromkeys(("cpu", "rate", "p99_ratio", "cpu_us_per_message", "p50", "p99", "least_served_share"))
    matrix = {
        "c64": {"title": "64 connections", "rounds": 50, "left_out": {"select": "it has no room"}, "warning": "",
                "servers": {"dunlin": server(1.01), "epoll_et": server(1.0), "libuv": server(1.04),
                            "mine": server(0.9), "go": {**server(1.3), **nothing, "errors": 2}}},
        "c1000": {"title": "1,000 connections", "rounds": 50, "left_out": {}, "warning": "the floor is unsteady",
                  "servers": {"dunlin": server(1.03), "epoll_et": server(1.0), "poll": server(40.0)}},
    }
    point = {"p50": 40.0, "p99": 80.0, "cpu_us_per_message": None}
    picture = {"idle": [0, 1000, 19000], "active": 10, "why": {"select": "it cannot watch a descriptor above 1,023"},
               "servers": {"select": [{"idle": 0, "rate": 100, **point}, {"idle": 1000, "rate": 50, **point}, None],
                           "dunlin": [{"idle": idle, "rate": 200 - idle / 1000, **point} for idle in (0, 1000, 19000)]}}
    of_go = {**dict.fromkeys(costs.NAMES), "system_calls_1": 3.5, "lines_of_code": 12,
             "why_not": {"instructions_1": "it cannot be run", "instructions_64": "it cannot be run"}}
    of_dunlin = {**dict.fromkeys(costs.NAMES, 0), "instructions_1": 396, "instructions_64": 324, "idle_bytes": 520,
                 "lines_of_code": 16, "why_not": {}}
    scale = {"one_process": {"not_measured": "too little memory"}}
    machine = {"processor": "A | B", "cores": 2, "server_core": 0, "load_core": 1, "date": "today",
               "versions": {"compiler": "g++ 12"}, "build_options": {"optimization": "2", "cpp_args": []}}
    return {"machine": machine, "matrix": matrix, "picture": picture, "costs": {"dunlin": of_dunlin, "go": of_go},
            "scale": scale}


class Tables(unittest.TestCase):
    def row(self, table, name):
        return next(row for row in table.rows if row[0] == name)

    def test_a_terminal_and_a_page_show_the_same_cells(self):
        table = tables.Table("T", ["a", "b"], [["x|y", "1"], ["z", "1,000"]], ["N."])
        self.assertEqual(table.text(), "T\n\na        b\n---  -----\nx|y      1\nz    1,000\nN.")
        self.assertEqual(table.markdown(), "**T**\n\n| a | b |\n|---|--:|\n| x\\|y | 1 |\n| z | 1,000 |\n\nN.")

    def test_ratios_have_their_quartiles_and_what_is_missing_a_dash(self):
        c64, _ = tables.matrix(results())
        self.assertEqual(self.row(c64, "dunlin")[1], "1.01 [1.00–1.03]")
        self.assertEqual(self.row(c64, "Go")[1:4], ["–", "–", "–"])
        self.assertIn("2 errors", c64.notes[0])
        self.assertIn("it has no room", c64.notes[0])

    def test_the_floor_is_shown_against_itself_and_a_warning_is_not_lost(self):
        c64, c1000 = tables.matrix(results())
        self.assertTrue(any("against itself" in row[0] for row in c64.rows))
        self.assertNotIn("Not to be trusted", c64.notes[0])
        self.assertIn("Not to be trusted: The floor is unsteady.", c1000.notes[0])

    def test_the_summary_has_each_server_once_also_those_that_are_not_ours(self):
        cpu, rate = tables.summary(results())
        self.assertEqual(self.row(cpu, "dunlin"), ["dunlin", "1.01", "1.03"])
        self.assertEqual(self.row(cpu, "mine"), ["mine", "0.90", "–"])
        self.assertEqual(self.row(rate, "C poll"), ["C poll", "–", "0.03"])  # 1/40, and it was in one case only
        self.assertEqual(len({row[0] for row in cpu.rows}), len(cpu.rows))

    def test_costs_say_why_a_figure_is_missing(self):
        running, building = tables.costs(results())
        self.assertEqual(self.row(running, "Go")[1:4], ["3.50", "–", "–"])
        self.assertEqual(building.notes, ["No instructions of Go: it cannot be run."])

    def test_what_could_not_be_held_is_said(self):
        scale, = tables.scale(results())
        self.assertEqual((scale.rows, scale.notes), ([], ["One process: not measured: too little memory."]))
        self.assertIn("too little memory", scale.text())

    def test_the_picture_has_quartiles_where_they_are_known(self):
        found = results()
        self.assertEqual(tables.picture(found)[0].rows[1], ["dunlin", "200", "199", "181"])
        found["picture"]["floor"] = {"rate": 210}
        for point in found["picture"]["servers"]["dunlin"]:
            point["spread"] = {"rate": {"q1": 150, "median": 190, "q3": 220}, "p99": None}
        rate, p99, _ = tables.picture(found)
        self.assertEqual(rate.rows[1][1:], ["200 [150–220]", "199 [150–220]", "181 [150–220]"])
        self.assertEqual(p99.rows[1][1], "80.0")
        self.assertIn("median, 210;", rate.notes[0])
        self.assertIn("above 1,023", rate.notes[0])

    def test_operations_are_shown_by_one(self):
        micro, = tables.micro({"micro": {"1,000 yields": {"mean": 41_500, "low": 41_000, "high": 420_000}}})
        self.assertEqual(micro.rows, [["yields", "41.5", "41.0–420"]])

    def test_what_is_of_another_day_or_commit_is_said(self):
        def rows(measured):
            machine, = tables.machine({"machine": {"processor": "x", "date": "may", "commit": "abc"},
                                       "measured": measured})
            return machine.rows[1:]
        may = {"date": "may", "commit": "abc", "command": "./dev bench"}
        june = {"date": "june", "commit": "def", "command": "./dev bench costs"}
        self.assertEqual(rows({"matrix/one": may, "picture": may}),
                         [["commit", "abc"], ["date", "may"], ["command", "`./dev bench`"]])
        self.assertEqual(rows({"matrix/one": may, "matrix/c64": june, "costs/go": june}),
                         [["commit: matrix (one)", "abc"], ["date: matrix (one)", "may"],
                          ["command: matrix (one)", "`./dev bench`"], ["commit: matrix (c64), costs", "def"],
                          ["date: matrix (c64), costs", "june"],
                          ["command: matrix (c64), costs", "`./dev bench costs`"]])
        # As older results have it: the date alone, and the rest of what was measured last.
        self.assertEqual(rows({"matrix": "may"}), [["commit", "abc"], ["date", "may"]])
        self.assertEqual(rows({"matrix": "april", "costs": "may"}),
                         [["date: matrix", "april"], ["commit: costs", "abc"], ["date: costs", "may"]])
        self.assertEqual(rows({}), [["commit", "abc"], ["date", "may"]])

    def test_of_nothing_there_are_no_tables_but_all_targets_are_open(self):
        self.assertEqual(report.tables({}), "")
        verdicts = {row[-1] for row in targets.against_targets({})[0].rows}
        self.assertEqual(verdicts, {"not measured"})

    def test_every_part_can_be_missing(self):
        for name in results():
            report.tables({key: value for key, value in results().items() if key != name})


class Targets(unittest.TestCase):
    def verdicts(self, found):
        return {row[0]: row[-2:] for row in targets.against_targets(found)[0].rows}

    def test_a_miss_is_called_one_and_comes_first(self):
        found = self.verdicts(results())
        self.assertEqual(found["server CPU per message, to the floor's: 1,000 connections"], ["1.03", "missed"])
        self.assertEqual(found["server CPU per message, to the floor's: 64 connections"], ["1.01", "reached"])
        self.assertEqual(found["user memory per idle connection, bytes"], ["520", "missed"])
        self.assertEqual(found["server CPU per message, to the floor's: churn"], ["–", "not measured"])
        self.assertEqual(targets.against_targets(results())[0].rows[0][-1], "missed")

    def test_what_is_judged_is_what_is_shown(self):
        target = {"path": ["a"], "digits": 2, "at_most": 1.02, "at_least": None}
        self.assertEqual(targets.judged(target, {"a": 1.0249}), ("1.02", "reached"))
        self.assertEqual(targets.judged(target, {"a": 1.0251}), ("1.03", "missed"))
        target |= {"at_most": None, "at_least": 2.5}
        self.assertEqual(targets.judged(target, {"a": 2.4}), ("2.40", "missed"))

    def test_the_floor_against_itself_is_judged_as_the_tables_warn_of_it(self):
        floors = [target for target in targets.read() if ".epoll_et." in ".".join(target["path"])]
        self.assertTrue(floors)
        for value, verdict in ((1.0104, "reached"), (1.0106, "missed"), (0.9896, "reached"), (0.988, "missed")):
            warned = ratios.unsteady({"rate": {"median": value}, "cpu": {"median": value}})
            self.assertEqual(bool(warned), verdict == "missed", value)
            for target in floors:
                self.assertEqual(targets.judged({**target, "path": ["a"]}, {"a": value})[1], verdict, value)

    def test_every_target_has_a_limit_and_a_way_to_a_figure_that_is_measured(self):
        for target in targets.read():
            self.assertTrue(targets.limits(target), target)
            part, *_, last = target["path"]
            self.assertIn(part, ("matrix", "costs"))
            self.assertIn(last, [*costs.NAMES, "median", "least_served_share"])

    def test_whoever_is_ahead_is_named(self):
        load, costs_of = targets.who_is_ahead(results())
        row = next(row for row in load.rows if row[:2] == ["64 connections", "CPU per message"])
        self.assertEqual(row[2:], ["1.01", "mine 0.90, C epoll, edge-triggered against itself 1.00"])
        self.assertIn(["lines of code", "16", "Go 12"], costs_of.rows)


PAGE = "Words.\n\n<!-- generated: costs -->\nold\n<!-- end -->\n\nMore.\n\n<!-- generated: plot cpu -->\n<!-- end -->\n"


class Pages(unittest.TestCase):
    def test_words_stay_and_parts_are_made_anew_and_again_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / report.PLOTS).mkdir(parents=True)
            (root / report.PLOTS / "cpu.svg").write_text("<svg/>")
            once = report.renewed(PAGE, results(), "docs/benchmarks.md", root)
            self.assertNotIn("old", once)
            self.assertIn("| dunlin |", once)
            self.assertIn("![dunlin takes 1.01 to 1.03 times the CPU of a hand-written epoll loop](benchmarks/cpu.svg)",
                          once)
            self.assertTrue(once.startswith("Words.\n\n<!--") and "\n\nMore.\n\n" in once)
            self.assertEqual(report.renewed(once, results(), "docs/benchmarks.md", root), once)
            self.assertEqual(list(report.problems(once, "docs/benchmarks.md", root)), [])
            (root / report.PLOTS / "cpu.svg").unlink()
            self.assertEqual(len(list(report.problems(once, "docs/benchmarks.md", root))), 1)

    def test_without_results_a_part_says_so(self):
        self.assertEqual(report.renewed(PAGE, {}, "README.md").count(report.NOT_MEASURED), 2)
        self.assertIn("`./dev bench scale --write` does it", report.part("scale", {}, "README.md", report.ROOT))

    def test_broken_markers_are_found(self):
        for bad in ("<!-- generated: costs -->\n", "<!-- end -->\n", "<!-- generated: nonsense -->\n<!-- end -->\n",
                    "<!-- generated: costs -->\n<!-- generated: matrix -->\n<!-- end -->\n", "![x](nowhere.svg)\n",
                    '<img alt="x" src="nowhere.svg">\n'):
            self.assertTrue(list(report.problems(bad, "README.md")), bad)

    def test_the_pages_of_the_tree_are_whole(self):
        for page in report.PAGES:
            text = (report.ROOT / page).read_text()
            self.assertIn("<!-- generated:", text)
            self.assertEqual(list(report.problems(text, page)), [])

    def test_everything_that_can_be_shown_is_shown(self):
        shown = set(report.BEGIN.findall((report.ROOT / "docs/benchmarks.md").read_text()))
        self.assertEqual(shown, {*report.TABLES, *(f"plot {name}" for name in plots.NAMES)})


def contrast(one, other):
    """Of two colours, as WCAG 2 defines it."""
    def luminance(colour):
        shares = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


class Plots(unittest.TestCase):
    def test_text_can_be_read_on_white_and_on_dark_pages(self):
        self.assertAlmostEqual(contrast("#ffffff", "#000000"), 21)
        for colour in (plots.INK, plots.OURS, plots.THEIRS, *plots.OTHERS):
            for page in ("#ffffff", "#0d1117"):
                self.assertGreater(contrast(colour, page), 4, f"{colour} on {page}")

    def test_titles_say_what_the_figures_say(self):
        self.assertEqual(plots.title("cpu", results()),
                         "dunlin takes 1.01 to 1.03 times the CPU of a hand-written epoll loop")
        flattering = results()
        flattering["matrix"]["c1000"]["servers"]["dunlin"]["cpu"]["median"] = 0.9  # where the floor is unsteady
        self.assertIn("takes 1.01 times", plots.title("cpu", flattering))
        self.assertEqual(plots.title("picture", results()),
                         "What 19,000 idle connections leave of the rate: dunlin 90 %")
        self.assertEqual(plots.title("costs", results()),
                         "dunlin takes 324 instructions a message and 520 bytes an idle connection")
        self.assertEqual([plots.title(name, {}) for name in plots.NAMES], [None] * len(plots.NAMES))

    def run_in_the_systems_python(self, case):
        """Debian's matplotlib is for Debian's Python, which another one may stand before."""
        system = "/usr/bin/python3"
        try:
            subprocess.run([system, "-c", "import matplotlib, tomllib"], check=True, stderr=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError):
            self.skipTest(f"neither {sys.executable} nor {system} has matplotlib")
        done = subprocess.run([system, __file__, case], text=True, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_same_results_give_the_same_files(self):
        if not plots.can_draw():
            self.run_in_the_systems_python("Plots.test_the_same_results_give_the_same_files")
            return
        with tempfile.TemporaryDirectory() as folder:
            runs = []
            for name in ("one", "two"):
                self.assertEqual(plots.draw_all(results(), pathlib.Path(folder, name)), list(plots.NAMES))
                runs.append({path.name: path.read_text() for path in pathlib.Path(folder, name).iterdir()})
            self.assertEqual(runs[0], runs[1])
            for text in runs[0].values():
                self.assertNotIn("<dc:date>", text)
                self.assertRegex(text, r"<text[^>]*>dunlin")
                self.assertNotRegex(text, r"[ \t]\n")
            self.assertNotIn("shaded", runs[0]["picture.svg"])
            found = results()
            for point in found["picture"]["servers"]["dunlin"]:
                point["spread"] = {name: {"q1": 60, "median": 80, "q3": 100} for name in ("rate", "p99")}
            plots.draw_all(found, pathlib.Path(folder))
            self.assertIn("shaded", pathlib.Path(folder, "picture.svg").read_text())
            few = {"costs": {"dunlin": {"idle_bytes": 400}}}
            self.assertEqual(plots.draw_all(few, pathlib.Path(folder)), ["costs"])


class Counting(unittest.TestCase):
    def test_comments_are_no_code_and_strings_no_comments(self):
        self.assertEqual(costs.c_lines('// one\n\nint a; // two\n/* three\nfour */ int b;\nchar* c = "// five";\n'
                                       'int d = 1\'000; // six\'s\n/*\n*/\n'), 4)
        self.assertEqual(costs.python_lines('"""Words\nand words."""\n\nimport os  # why\n# what\n\ndef f():\n'
                                            '    """More."""\n    return """a\nb"""\n'), 4)

    def test_flags_are_the_builds_without_what_is_not_the_same_for_all(self):
        commands = [{"directory": "/x/build", "file": str(costs.ROOT / "apps/echo/main.cpp"),
                     "command": "ccache c++ -Ilib -isystem /y -Wall -std=c++20 -O0 -g -DA=1 -MD -MF a.d -c main.cpp"}]
        self.assertEqual(costs.compile_command(commands, "build", "tests/bench/peers/dunlin.cpp"),
                         (["ccache", "c++", "-Ilib", "-isystem", "/y", "-std=c++20", "-DA=1", "-O2"], "/x/build"))
        with self.assertRaises(costs.CannotMeasure):
            costs.compile_command([], "build", "any.cpp")


if __name__ == "__main__":
    run = unittest.main(exit=False).result
    sys.exit(1 if not run.wasSuccessful() else 77 if run.skipped else 0)
