"""`echo bench`: what it measures, how it ends, and what it refuses."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import time

from support import WAIT, environment, main
from bench_support import Bench, echo


class Measuring(Bench):
    def test_a_count_is_exact(self):
        server = self.start()
        for options in ([], ["--connections", 7], ["--depth", 5], ["--connections", 3, "--depth", 16],
                        ["--churn", "--connections", 4], ["--turn", 1]):
            with self.subTest(options=options):
                target = self.only(self.result(f"127.0.0.1:{server.port}", "--count", 1001, "--warmup", 0.01, *options))
                self.assertEqual(target["messages"], 1001)
                self.assertEqual(sum(turn["messages"] for turn in target["turns"]), 1001)
                self.assertEqual(target["errors"], 0)

    def test_that_many_bytes_reach_the_server_and_no_more(self):
        got = []

        def count(client, _):
            def note(data, _):
                got.append(len(data))
                return data
            echo(client, change=note)
        server = self.bad_server(count)
        self.result(f"127.0.0.1:{server.port}", "--count", 100, "--size", 33, "--depth", 3, "--warmup", 0)
        self.assertEqual(sum(got), 3300)

    def test_every_key_of_the_json_is_there_and_makes_sense(self):
        server = self.start()
        where = f"127.0.0.1:{server.port}"
        result = self.result(f"{where}/{server.pid}", "--connections", 4, "--duration", 0.5, "--idle", 3, "--size", 100)
        self.assertEqual({key: result[key] for key in ("connections", "size", "depth", "idle", "churn", "turn_seconds")},
                         {"connections": 4, "size": 100, "depth": 1, "idle": 3, "churn": False, "turn_seconds": 0.5})
        target = self.only(result)
        self.assertEqual((target["name"], target["address"]), (where, where))
        self.assertGreater(target["messages"], 0)
        self.assertGreaterEqual(target["seconds"], 0.5)
        self.assertAlmostEqual(target["rate"], target["messages"] / target["seconds"], delta=1)
        self.assertAlmostEqual(target["megabytes_per_second"], target["rate"] * 100 / 1e6, delta=0.01)
        latency = target["latency_us"]
        values = [latency[name] for name in ("p50", "p90", "p99", "p99.9", "max")]
        self.assertEqual(values, sorted(values))
        self.assertGreater(values[0], 0)
        self.assertLess(values[-1], WAIT * 1e6)
        self.assertLessEqual(target["least_served"], target["mean_served"])
        self.assertLessEqual(target["mean_served"], target["most_served"])
        self.assertAlmostEqual(target["mean_served"] * 4, target["messages"], delta=1)
        self.assertGreater(target["cpu_seconds"], 0)
        self.assertLess(target["cpu_seconds"], target["seconds"] * 1.1)
        self.assertEqual(target["idle_opened"], 3)
        self.assertGreater(target["idle_open_seconds"], 0)
        turn, = target["turns"]
        self.assertEqual(turn["messages"], target["messages"])
        self.assertEqual(turn["cpu_seconds"], target["cpu_seconds"])
        self.assertEqual(set(turn), {"begun", "seconds", "messages", "cpu_seconds", "p50", "p99"})

    def test_targets_alternate_and_one_named_again_has_another_turn(self):
        a, b = self.start(), self.start()
        result = self.result(f"floor=127.0.0.1:{a.port}/{a.pid}", f"b=127.0.0.1:{b.port}", "floor", f"c=127.0.0.1:{b.port}",
                             "--turn", 20, "--duration", 0.1, "--warmup", 0, "--connections", 2)
        self.assertEqual([target["name"] for target in result["targets"]], ["floor", "b", "c"])
        turns = sorted((turn["begun"], target["name"]) for target in result["targets"] for turn in target["turns"])
        self.assertEqual("".join(name[0] for _, name in turns), "fbfc" * 5)
        self.assertIsNone(result["targets"][1]["cpu_seconds"])
        for target in result["targets"]:
            for turn in target["turns"]:
                self.assertGreaterEqual(turn["seconds"], 0.02)
                self.assertGreater(turn["messages"], 0)
        ends = [(turn["begun"], turn["begun"] + turn["seconds"]) for t in result["targets"] for turn in t["turns"]]
        ends.sort()
        for (_, end), (begin, _) in zip(ends, ends[1:]):
            self.assertGreaterEqual(begin, end, "two turns overlap")

    def test_messages_that_no_buffer_holds_come_back_too(self):
        server = self.start()
        for size, depth in ((65536, 1), (65537, 1), (3_000_000, 2), (1000, 500), (1, 1), (65521, 1), (131042, 2)):
            with self.subTest(size=size, depth=depth):
                target = self.only(self.result(f"127.0.0.1:{server.port}", "--size", size, "--depth", depth, "--count", 20,
                                               "--warmup", 0, "--connections", 2))
                self.assertEqual(target["messages"], 20)
        target = self.only(self.result(f"127.0.0.1:{server.port}", "--size", 1_000_000, "--churn", "--count", 10, "--idle", 2))
        self.assertEqual((target["messages"], target["idle_opened"]), (10, 2))

    def test_churn_connects_anew_for_each_message(self):
        server = self.bad_server(echo)
        target = self.only(self.result(f"127.0.0.1:{server.port}", "--churn", "--count", 50, "--warmup", 0))
        self.assertEqual((target["messages"], server.accepted), (50, 50))
        self.assertEqual([target[f"{which}_served"] for which in ("least", "mean", "most")], [None] * 3)

    def test_connections_are_spread_over_the_source_addresses(self):
        hosts = []
        server = self.bad_server(lambda client, _: (hosts.append(client.getpeername()[0]), echo(client)))
        self.result(f"127.0.0.1:{server.port}", "--connections", 4, "--idle", 2, "--sources", 3, "--count", 10)
        self.assertEqual(sorted(hosts), sorted(f"127.0.0.{2 + i % 3}" for i in (0, 1, 2, 3, 0, 1)))

    def test_the_table_names_targets_and_columns(self):
        server = self.start()
        done = self.run_bench(f"one=127.0.0.1:{server.port}", "--count", 10)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        about, headings, row = done.stdout.splitlines()
        self.assertIn("1 connection, 1 message of 64 bytes", about)
        self.assertEqual(headings.split(), ["target", "messages", "seconds", "messages/s", "MB/s", "p50", "p90", "p99",
                                            "p99.9", "max", "CPU", "errors"])
        self.assertEqual(row.split()[:2], ["one", "10"])

    def test_a_name_is_quoted_in_json(self):
        server = self.start()
        name = 'a "b" \\ \t c'
        self.assertEqual(self.only(self.result(f"{name}=127.0.0.1:{server.port}", "--count", 1))["name"], name)

    def test_a_host_may_be_a_name(self):
        server = self.start()
        self.assertEqual(self.only(self.result(f"localhost:{server.port}", "--count", 3))["messages"], 3)

    def test_a_terminal_sees_progress_and_the_line_goes_away(self):
        server = self.start()
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        done = self.run_bench(f"127.0.0.1:{server.port}", "--duration", 1, stderr=theirs)
        os.close(theirs)
        self.assertEqual(done.returncode, 0)
        seen = b""
        with contextlib.suppress(OSError):  # EIO is the end of a pseudo-terminal
            while more := os.read(ours, 10000):
                seen += more
        seen = seen.decode()
        self.assertRegex(seen, rf"127.0.0.1:{server.port}: \d+ messages/s")
        self.assertTrue(seen.endswith("\r\x1b[K"), seen)

    def test_idle_connections_take_no_memory_for_messages_in_flight(self):
        server = self.start()
        with subprocess.Popen(self.command(f"127.0.0.1:{server.port}", "--depth", 100_000, "--idle", 1_000, "--count", 10),
                              stdout=subprocess.DEVNULL, env=environment()) as bench:
            _, status, used = os.wait4(bench.pid, 0)
            bench.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(bench.returncode, 0)
        self.assertLess(used.ru_maxrss, 400_000)  # KiB: half of what a place for each message would take


class Stopping(Bench):
    def start_bench(self, *arguments):
        process = subprocess.Popen(self.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        return process

    def test_sigint_ends_it_with_what_was_measured(self):
        server = self.start()
        for options in (["--depth", 4], ["--churn"], ["--count", 10**9], ["--size", 1_000_000]):
            with self.subTest(options=options):
                process = self.start_bench(f"127.0.0.1:{server.port}", "--connections", 3, "--json", "--warmup", 0,
                                           *(options if "--count" in options else ["--duration", 60, *options]))
                time.sleep(0.7)
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=WAIT)
                self.assertEqual((process.returncode, err), (0, ""))
                result = json.loads(out)
                self.assertTrue(result["interrupted"])
                self.assertGreater(self.only(result)["messages"], 0)
                self.assertLess(self.only(result)["seconds"], WAIT)
        self.assert_alive(server)

    def test_idle_connections_alone_are_held_until_a_signal(self):
        server = self.start()
        before = server.descriptors()
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start_bench(f"127.0.0.1:{server.port}", "--connections", 0, "--idle", 200)
            self.assertRegex(process.stdout.readline(), r"^holding 200 connections, opened in \d+\.\d{3} s\n$")
            self.assertEqual(server.descriptors(), before + 200)
            self.assertIsNone(process.poll())
            process.send_signal(number)
            out, err = process.communicate(timeout=WAIT)
            self.assertEqual((process.returncode, out, err), (0, "", ""))
            self.assert_descriptors_return_to(server, before)

    def test_held_for_a_duration_and_told_as_json(self):
        server = self.start()
        target = self.only(self.result(f"127.0.0.1:{server.port}", "--connections", 0, "--idle", 5, "--duration", 0.3))
        self.assertEqual(target["idle_opened"], 5)
        self.assertGreater(target["idle_open_seconds"], 0)

    def test_a_held_connection_that_the_server_closes_is_an_error(self):
        server = self.start()
        process = self.start_bench(f"127.0.0.1:{server.port}", "--connections", 0, "--idle", 2)
        process.stdout.readline()
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 0)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=WAIT)
        self.assertEqual(process.returncode, 1)
        self.assertIn("idle connection 1: the server closed the connection", err)


class CommandLine(Bench):
    def assert_refused(self, *arguments, words):
        done = self.run_bench(*arguments)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done)
        self.assertRegex(done.stderr.splitlines()[0], words)

    def test_what_makes_no_sense_is_refused(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        cases = [
            (["--size", 0], "--size"), (["--size", "x"], "--size"), (["--size", -1], "--size"),
            (["--depth", 0], "--depth"), (["--turn", 0], "--turn"), (["--count", 0], "--count"),
            (["--duration", 0], "--duration"), (["--duration", "nan"], "--duration"),
            (["--count", 5, "--duration", 1], "excludes"), (["--sources", 251], "--sources"),
            (["--sources", 0], "--sources"), (["--connections", 0], "without --idle"),
            (["--connections", 0, "--idle", 1, "--count", 1], "--count"), (["--churn", "--depth", 2], "--depth"),
            (["--no-such-option"], "--no-such-option"),
            (["a=127.0.0.1:1", "a=127.0.0.1:2"], "the name a is given to two targets, 127.0.0.1:1 and 127.0.0.1:2"),
            (["a=127.0.0.1:1/1", "a=127.0.0.1:1/2"], "two processes"),
            (["127.0.0.1:65536"], "\"65536\" is not a port"), (["127.0.0.1:0"], "\"0\" is not a port"),
            (["127.0.0.1:"], "is not a port"), (["127.0.0.1"], "HOST:PORT"), (["nobody"], "HOST:PORT"), ([":1"], "HOST:PORT"),
            (["[]:1"], "HOST"), (["=127.0.0.1:1"], "name"), (["127.0.0.1:1/x"], "\"x\" is not a process id"),
            (["127.0.0.1:1/0"], "process id"), ([f"127.0.0.1:1/{gone.pid}"], f"no process {gone.pid}"),
            (["--connections", 1000, "--depth", 100_000], "are 100000000, and 10000000 are the most"),
            (["192.0.2.1:1", "--sources", 2], "do not reach 192.0.2.1:1"),
        ]
        for arguments, words in cases:
            with self.subTest(arguments=arguments):
                self.assert_refused(*arguments, words=words)

    def test_more_connections_than_descriptors_are_refused_with_the_numbers(self):
        done = subprocess.run(["sh", "-c", 'ulimit -n 100 && exec "$0" "$@"', *self.command("127.0.0.1:1", "--idle", 200)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=WAIT, env=environment())
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"1 active and 200 idle .* need 217 descriptors, .* may have 100")

    def test_the_soft_limit_is_raised_to_the_hard_one(self):
        server = self.start()
        done = subprocess.run(["sh", "-c", 'ulimit -Sn 50 && exec "$0" "$@"',
                               *self.command(f"127.0.0.1:{server.port}", "--idle", 200, "--count", 1)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=WAIT, env=environment())
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_help_tells_of_everything(self):
        done = self.run_bench("--help")
        self.assertEqual(done.returncode, 0)
        for name in ("--connections", "--size", "--depth", "--duration", "--count", "--warmup", "--turn", "--idle",
                     "--churn", "--sources", "--grace", "--json", "NAME", "Exit code"):
            self.assertIn(name, done.stdout)


if __name__ == "__main__":
    main()
