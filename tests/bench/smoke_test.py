"""The measuring itself, once and briefly, with real servers under real load: that all of it works together.

    python3 tests/bench/smoke_test.py build

How fast anything is does not matter here; the parts, without processes, are bench_tools_test.py's.
"""

import dataclasses
import pathlib
import sys
import unittest
import unittest.mock

import children
import costs
import matrix
import picture
import scale
import servers

BUILD = pathlib.Path()
LISTED = [servers.by_key(key) for key in ("dunlin", "dunlin_spin", servers.FLOOR)]
FEW = 100


def briefly(case):
    return dataclasses.replace(case, idle=min(case.idle, FEW))


class Matrix(unittest.TestCase):
    def test_every_case(self):
        for case in map(briefly, matrix.CASES):
            with self.subTest(case.key):
                found = matrix.measure_case(case, LISTED, BUILD, 2)
                self.assertEqual(found["left_out"], {})
                self.assertEqual(set(found["servers"]), {server.key for server in LISTED})
                for server in found["servers"].values():
                    self.assert_whole(server, case.load.get("churn", False))

    def assert_whole(self, server, is_churn):
        self.assertEqual(server["errors"], 0)
        for name in ("rate", "cpu", "p99_ratio"):
            spread = server[name]
            self.assertGreater(spread["q1"], 0, name)
            self.assertLessEqual(spread["q1"], spread["median"], name)
            self.assertLessEqual(spread["median"], spread["q3"], name)
        for name in ("rate_absolute", "cpu_us_per_message", "p50", "p99"):
            self.assertGreater(server[name], 0, name)
        self.assertLessEqual(server["p50"], server["p99"])
        if is_churn:
            self.assertIsNone(server["least_served_share"])
        else:
            self.assertLessEqual(server["least_served_share"], 1)


class OtherParts(unittest.TestCase):
    def test_the_picture(self):
        found = picture.measure(LISTED, BUILD, rounds=2, idle=[0, FEW], say=str)
        for key in ("dunlin", servers.FLOOR):
            points = found["servers"][key]
            self.assertEqual([point["idle"] for point in points], [0, FEW])
            for point in points:
                self.assertGreater(point["p99"], 0)

    def test_scale_over_two_processes(self):
        with unittest.mock.patch.object(scale, "SETTLED", 0.2):
            found = scale.hold(BUILD, 2, 3 * FEW, children.allow_descriptors())
        self.assertEqual((found["connections"], found["processes"]), (3 * FEW, 2))
        self.assertGreater(found["descriptors_least"], FEW // 2)  # the kernel dealt them out
        self.assertGreater(found["while_held"]["p50"], 0)

    def test_what_a_source_costs(self):
        names = ("lines_of_code", "preprocessed_lines", "compile_seconds", "binary_bytes")
        with unittest.mock.patch.object(costs, "ROUNDS", 1):
            ours, floor = ({name: costs.Costs(servers.by_key(key), BUILD).of(name) for name in names}
                           for key in ("dunlin", servers.FLOOR))
        for name in names:
            self.assertGreater(ours[name], 0, name)
            self.assertGreater(floor[name], 0, name)
        # Both have the peers' header; a coroutine is less to write than a loop, and its library more to compile.
        self.assertLess(ours["lines_of_code"], floor["lines_of_code"])
        self.assertGreater(ours["preprocessed_lines"], floor["preprocessed_lines"])


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
    children.raise_on_sigterm()
    unittest.main()
