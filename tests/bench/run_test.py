"""What `./dev bench` makes of its command line, of build folders and of results, without a benchmark."""

import contextlib
import io
import json
import pathlib
import tempfile
import unittest
import unittest.mock

import children
import costs
import machine
import matrix
import picture
import run
import servers


class Results(unittest.TestCase):
    def test_what_is_measured_again_replaces_and_the_rest_is_kept(self):
        old = {"matrix": {"one": 1, "c64": 2}, "picture": {"idle": [0], "why": 1}, "measured": {"costs": "may"}}
        new = run.merged(old, "matrix", {"c64": 3}, "june")
        self.assertEqual(new["matrix"], {"one": 1, "c64": 3})
        self.assertEqual((new["picture"], new["measured"]), (old["picture"], {"costs": "may", "matrix/c64": "june"}))
        self.assertEqual(run.merged(old, "picture", {"idle": [9]}, "june")["picture"], {"idle": [9]})
        self.assertEqual(run.merged(old, "matrix", {}, "june"), old)
        old["measured"] = {"matrix": "april"}  # as it was before each case had its own
        self.assertEqual(run.merged(old, "matrix", {"c64": 3}, "june")["measured"],
                         {"matrix/one": "april", "matrix/c64": "june"})

    def test_of_older_results_commit_and_command_are_those_of_the_last_run(self):
        old = {"machine": {"date": "may", "commit": "abc"}, "measured": {"matrix": "may", "costs": "april"}}
        self.assertEqual(run.with_origins(old)["measured"],
                         {"matrix": {"date": "may", "commit": "abc", "command": None}, "costs": "april"})
        self.assertEqual(run.with_origins({}), {"measured": {}})

    def test_results_are_what_was_written_and_damaged_ones_are_not_overwritten(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "results.json")
            self.assertEqual(run.read_results(path), {})
            run.write_results(path, {"matrix": {"one": 1}})
            self.assertEqual(run.read_results(path), {"matrix": {"one": 1}})
            path.write_text("{")
            with self.assertRaises(children.Failed):
                run.read_results(path)

    def test_a_folder_that_is_no_build_folder_is_not_removed(self):
        with tempfile.TemporaryDirectory() as folder:
            kept = pathlib.Path(folder, "letter")
            kept.write_text("dear")
            with self.assertRaises(children.Failed):
                run.configure(pathlib.Path(folder), False)
            self.assertEqual(kept.read_text(), "dear")

    def test_the_build_folder_of_another_project_is_not_removed(self):
        with tempfile.TemporaryDirectory() as folder:
            build = pathlib.Path(folder)
            about = build / "meson-info/meson-info.json"
            for name in (about, build / "meson-private/kept"):
                name.parent.mkdir()
                name.write_text(json.dumps({"directories": {"source": "/elsewhere"}}))
            with self.assertRaisesRegex(children.Failed, "of this tree"):
                run.configure(build, False)
            self.assertTrue(about.exists())
            # The default one is ours, wherever it was copied from.
            made = []
            with (unittest.mock.patch.object(run, "BUILD", build), unittest.mock.patch.object(run, "succeed",
                                                                                              made.append)):
                run.configure(build, False)
            self.assertEqual(made[0][:3], ["meson", "setup", folder])
            self.assertFalse(about.exists())
            build.mkdir()

    def test_the_command_line_is_read_as_written(self):
        asked = run.parse(["picture", "matrix", "-k", "asio", "-k", "go", "-c", "c64", "--quick"])
        self.assertEqual((asked.parts, asked.only, asked.cases), (["matrix", "picture"], ["asio", "go"], ["c64"]))
        self.assertEqual(run.parse([]).parts, run.DEFAULT_PARTS)
        self.assertEqual(run.parse(["--quick"]).parts, run.QUICK_PARTS)
        self.assertEqual(run.parse(["costs", "--write", "-k", "go"]).only, ["go"])
        for bad in (["speed"], ["-c", "c65"], ["--rounds", "0"], ["--server", "x"], ["--peer"], ["--write", "--quick"],
                    ["--write", "-k", "go"], ["matrix", "costs", "-c", "c64", "--write"], ["--server", "dunlin=x"],
                    ["--server", "a=x", "--server", "a=y"]):
            with self.assertRaises(SystemExit, msg=bad), contextlib.redirect_stderr(io.StringIO()):
                run.parse(bad)

    def test_only_the_servers_asked_for_and_the_floor_are_chosen(self):
        with tempfile.TemporaryDirectory() as folder:
            build = pathlib.Path(folder)
            for name in ("apps/echo", f"{servers.PEERS}/epoll_et", f"{servers.PEERS}/libuv"):
                (build / name).parent.mkdir(parents=True, exist_ok=True)
                (build / name).write_text("#!/bin/sh\n")
                (build / name).chmod(0o755)
            found, left_out = servers.chosen(build, ["libuv", "go"])
            self.assertEqual([server.key for server in found], ["epoll_et", "libuv"])
            self.assertEqual(list(left_out), ["go"])

    def test_why_a_server_is_not_built_is_said(self):
        def why(*targets):
            found, left_out = servers.chosen(pathlib.Path("/nowhere"), ["libuv"], targets=set(targets))
            self.assertEqual(found, [])
            return left_out["libuv"]
        self.assertIn("without tests", why())
        self.assertIn("package was missing", why("bench_peers"))
        self.assertIn("compiling it failed", why("bench_peers", f"{servers.PEERS}/libuv"))
        more = [servers.foreign("mine=/no/such/program --port 0")]
        self.assertIn("no program /no/such/program", servers.chosen(pathlib.Path("/nowhere"), ["x"], more)[1]["mine"])

    def test_a_program_of_the_users_is_measured_like_ours(self):
        given = servers.foreign("my loop=/opt/echo --port 0")
        self.assertEqual((given.key, given.command(None)), ("my_loop", ["/opt/echo", "--port", "0"]))
        for bad in ("x", "=x", "x=", "", "floor=x", "dunlin=x", "epoll et=x"):
            with self.assertRaises(ValueError, msg=bad):
                servers.foreign(bad)


class Run(unittest.TestCase):
    """Runs in which nothing is measured: the parts give what they are told to."""

    def run_parts(self, folder, *words, found=None, stopped_after=None):
        """Results as they are on disk after `./dev bench`: (results.json, partial.json), and what was shown."""
        build = pathlib.Path(folder)
        found = found or {"one": {"rate": 1}, "c64": {"rate": 2}}

        def measure_matrix(*arguments):
            for number, (case, result) in enumerate(found.items()):
                if number == stopped_after:
                    raise KeyboardInterrupt
                arguments[-1]({case: result})
            return found
        facts = {"processor": "x", "cores": 2, "versions": {}, "build_options": {"optimization": "2"}, "kernel": "6",
                 "shares_a_core": False, "date": f"date of {words}", "commit": "abc"}
        asked = run.parse([*words, "--build", folder])
        with (unittest.mock.patch.object(matrix, "measure", measure_matrix),
              unittest.mock.patch.object(picture, "measure", lambda *_: {"idle": [], "of": list(words)}),
              unittest.mock.patch.object(costs, "measure", lambda *_, **more: {"go": {"by": list(words)}}),
              unittest.mock.patch.object(machine, "facts", lambda _: facts),
              unittest.mock.patch.object(run, "targets_of", lambda _: set())):
            try:
                shown = run.Run(asked, lambda words: None).all()
            except KeyboardInterrupt:
                shown = None
        return *(run.read_results(build / name) for name in ("results.json", "partial.json")), shown

    def test_what_was_measured_before_a_stop_is_kept(self):
        with tempfile.TemporaryDirectory() as folder:
            kept, _, _ = self.run_parts(folder, "matrix", stopped_after=1)
            self.assertEqual(kept["matrix"], {"one": {"rate": 1}})
            self.assertEqual(kept["measured"]["matrix/one"]["commit"], "abc")

    def test_what_is_measured_of_few_servers_or_shortly_does_not_replace_what_was_of_all(self):
        with tempfile.TemporaryDirectory() as folder:
            before, _, _ = self.run_parts(folder)
            for words in (["matrix", "picture", "-k", "asio"], ["--quick"]):
                after, partial, shown = self.run_parts(folder, *words, found={"one": {"rate": 9}})
                self.assertEqual(after, before, words)
                self.assertEqual((partial["matrix"], partial["picture"]["of"]), ({"one": {"rate": 9}}, words))
                self.assertEqual((shown["matrix"], "costs" in shown), (partial["matrix"], False))
                self.assertEqual(set(shown["measured"]), {"matrix/one", "picture"})

    def test_costs_are_kept_server_by_server_and_cases_whole(self):
        with tempfile.TemporaryDirectory() as folder:
            self.run_parts(folder)
            after, _, shown = self.run_parts(folder, "costs", "-k", "go")
            self.assertEqual(after["costs"]["go"]["by"], ["costs", "-k", "go"])
            self.assertEqual(set(shown), {"machine", "measured", "costs"})
            after, _, _ = self.run_parts(folder, "matrix", "-c", "one", found={"one": {"rate": 7}})
            self.assertEqual(after["matrix"], {"one": {"rate": 7}, "c64": {"rate": 2}})
            self.assertNotEqual(after["measured"]["matrix/one"], after["measured"]["matrix/c64"])


if __name__ == "__main__":
    unittest.main()
