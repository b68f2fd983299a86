"""What compare.py must find: a kernel that tells the truth agrees with itself, one that lies does not.

    python3 tests/behaviour/compare_test.py BEHAVIOUR FUZZ LYING_BEHAVIOUR LYING_FUZZ
"""

import pathlib
import re
import subprocess
import sys
import unittest

COMPARE = pathlib.Path(__file__).with_name("compare.py")
BEHAVIOUR, FUZZ, LYING_BEHAVIOUR, LYING_FUZZ = sys.argv[1:5]


def compare(*arguments):
    run = subprocess.run([sys.executable, COMPARE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, timeout=300, check=False)
    return run.returncode, run.stdout, run.stderr


class situations(unittest.TestCase):
    def test_a_kernel_agrees_with_itself(self):
        code, out, err = compare(BEHAVIOUR, BEHAVIOUR)
        self.assertEqual((code, out), (0, ""), err)

    def test_lies_are_found_and_named(self):
        code, out, _ = compare("--most", "1000", BEHAVIOUR, LYING_BEHAVIOUR)
        self.assertEqual(code, 1)
        self.assertIn("ending one's reading half", out)
        self.assertIn("one-shot: ", out)
        self.assertNotIn("h_options: ", out)  # nothing there shuts down or is one-shot

    def test_a_false_claim_fails_the_program(self):
        run = subprocess.run([LYING_BEHAVIOUR], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(run.returncode, 1)
        self.assertIn("FAILED k_pair: Unix pair: who ends his reading half", run.stderr)


class random_programs(unittest.TestCase):
    def test_a_kernel_agrees_with_itself(self):
        for seeds, *without in (["1:300", "--without", "buffers"], ["8:8"]):  # 8 fills buffers, which takes long
            code, out, err = compare("--seeds", seeds, FUZZ, FUZZ, "--", *without)
            self.assertEqual((code, out), (0, ""), err)

    def test_a_lie_is_found_and_shrunk_to_a_few_calls(self):
        code, out, _ = compare("--seeds", "1:100", "--most", "1", FUZZ, LYING_FUZZ, "--", "--without", "buffers")
        self.assertEqual(code, 1)
        left = int(re.search(r"(\d+) of \d+ calls", out)[1])
        self.assertLessEqual(left, 8, out)

    def test_the_same_seed_is_the_same_program(self):
        first, second = (subprocess.run([FUZZ, "--seed", "5", "--count", "20", "--program"], stdout=subprocess.PIPE,
                                        text=True, check=True).stdout for _ in range(2))
        self.assertEqual(first, second)
        self.assertGreater(len(first.splitlines()), 20 * 15)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
