"""The tools of `./dev bench`, without a benchmark: what they make of turns and answers, and of child processes."""

import contextlib
import json
import os
import pathlib
import random
import sys
import time
import unittest
import unittest.mock

import children
import costs
import limits
import load
import machine
import matrix
import measure
import micro
import picture
import ratios
import scale
import servers


def turn(begun, rate, cpu=1e-5, p99=100, seconds=0.08):
    messages = round(rate * seconds)
    return {"begun": begun, "seconds": seconds, "messages": messages, "cpu_seconds": cpu * messages, "p50": p99 / 2,
            "p99": p99}


def target(name, turns, errors=0, least=80, mean=100):
    return {"name": name, "errors": errors, "turns": turns, "least_served": least, "mean_served": mean,
            "latency_us": {"p50": 50, "p99": 100, "max": 200}}


class Ratios(unittest.TestCase):
    def test_a_turn_is_compared_with_the_floor_at_its_own_moment(self):
        # The machine slows down steadily; the server is as fast as the floor all the while.
        floor = [turn(0.0, 100_000), turn(0.4, 60_000)]
        others = [turn(0.1, 90_000), turn(0.2, 80_000), turn(0.3, 70_000)]
        for ratio in ratios.to_floor(others, floor, ratios.rate):
            self.assertAlmostEqual(ratio, 1, places=6)

    def test_before_the_first_and_after_the_last_turn_of_the_floor_the_nearest_counts(self):
        floor = [turn(1.0, 100_000), turn(1.4, 50_000)]
        self.assertEqual(ratios.to_floor([turn(0.5, 100_000), turn(3, 100_000)], floor, ratios.rate), [1, 2])

    def test_a_turn_without_messages_is_no_turn(self):
        floor = [turn(0, 100_000), turn(0.2, 0), turn(0.4, 100_000)]
        self.assertEqual(ratios.to_floor([turn(0.1, 0), turn(0.3, 200_000)], floor, ratios.rate), [2])
        self.assertEqual(ratios.to_floor([turn(0.1, 100_000)], [turn(0, 0)], ratios.rate), [])

    def test_what_is_slower_than_the_floor_is_found_on_a_machine_that_swings(self):
        chance, floor, others = random.Random(1), [], []
        speed = 1.0
        for number in range(400):
            speed = min(max(speed * chance.uniform(0.9, 1.1), 0.6), 1.6)
            into, factor = (floor, 1) if number % 3 == 0 else (others, 0.96)
            into.append(turn(number * 0.08, 100_000 * speed * factor, 1e-5 / speed / factor))
        self.assertAlmostEqual(ratios.spread(ratios.to_floor(others, floor, ratios.rate))["median"], 0.96, delta=0.01)
        self.assertAlmostEqual(ratios.spread(ratios.to_floor(others, floor, ratios.cpu))["median"], 1 / 0.96,
                               delta=0.01)

    def test_a_spread_is_median_and_quartiles(self):
        self.assertEqual(ratios.spread([5, 1, 3, 2, 4]), {"median": 3, "q1": 2, "q3": 4})
        self.assertEqual(ratios.spread([7]), {"median": 7, "q1": 7, "q3": 7})
        self.assertIsNone(ratios.spread([]))

    def test_a_server_is_compared_over_all_groups_that_it_took_part_in(self):
        slow = (target("a", [turn(0.1, 50_000)], least=50), target("floor", [turn(0, 100_000)]))
        fast = (target("a", [turn(0.1, 300_000)], errors=1), target("floor", [turn(0, 200_000)]))
        found = ratios.compared([slow, fast])
        self.assertEqual(found["rate"], {"median": 1.0, "q1": 0.75, "q3": 1.25})
        self.assertEqual((found["least_served_share"], found["errors"]), (0.5, 1))
        self.assertAlmostEqual(found["cpu"]["median"], 1)
        self.assertAlmostEqual(found["cpu_us_per_message"], 10)

    def test_without_processor_time_there_is_no_ratio_of_it(self):
        turns = [{**turn(0, 100_000), "cpu_seconds": None}]
        self.assertIsNone(ratios.compared([(target("a", turns), target("floor", turns))])["cpu"])

    def test_a_floor_that_differs_from_itself_is_warned_of(self):
        def found(rate, cpu):
            return {"rate": {"median": rate}, "cpu": {"median": cpu}}
        self.assertEqual(ratios.unsteady(found(0.99, 1.01)), "")
        self.assertIn("1.020 in rate", ratios.unsteady(found(1.02, 1)))
        self.assertIn("0.980 in CPU time", ratios.unsteady(found(1, 0.98)))
        self.assertIn("not measured", ratios.unsteady({"rate": {"median": 1}, "cpu": None}))


class Turns(unittest.TestCase):
    def test_the_floor_comes_at_least_every_half_second(self):
        for count in range(1, 30):
            order = ratios.order_of_turns("floor", list(range(count)))
            self.assertEqual(order[0], "floor")
            self.assertEqual(sorted(one for one in order if one != "floor"), sorted(2 * list(range(count))))
            waits = " ".join("f" if one == "floor" else "." for one in order + order).split("f")
            self.assertLessEqual(max(wait.count(".") for wait in waits), ratios.SELDOM, count)

    def test_nobody_comes_always_right_after_the_same_one(self):
        self.assertEqual(ratios.order_of_turns("f", list("abc")), list("fabcfcba"))
        for count in range(2, 30):
            order = ratios.order_of_turns("floor", list(range(count)))
            before = {}
            for one, following in zip(order, order[1:] + order[:1]):
                self.assertNotEqual(one, following)
                before.setdefault(following, set()).add(one)
            for number in range(count):
                # In the middle of a group its neighbours, at the ends of one the floor and a neighbour.
                self.assertEqual(len(before[number]), 2, (count, number))
            self.assertGreaterEqual(len(before["floor"]), 2)

    def test_two_rounds_are_asked_for_at_a_time(self):
        self.assertEqual([round(load.seconds_of(rounds) / load.TURN) for rounds in (1, 2, 3, 50)], [1, 1, 2, 25])

    def test_no_load_generator_gets_more_connections_than_descriptors(self):
        for count in (0, 1, 17, 18, 40):
            groups = ratios.groups_that_fit(list(range(count)), 1_000, 20_000, beside=2)
            self.assertEqual(sorted(sum(groups, [])), list(range(count)))
            self.assertTrue(all((len(group) + 2) * 1_000 + 16 <= 20_000 for group in groups))
        self.assertEqual(len(ratios.groups_that_fit(list(range(17)), 1_000, 20_000, beside=2)), 1)
        self.assertEqual(len(ratios.groups_that_fit(list(range(18)), 1_000, 20_000, beside=2)), 2)
        with self.assertRaises(ValueError):
            ratios.groups_that_fit([1], 1_000, 1_024)

    def test_a_server_that_cannot_have_so_many_connections_is_left_out_with_a_word(self):
        case = next(case for case in matrix.CASES if case.key == "idle10000")
        fit, left_out = matrix.fitting(case, [servers.by_key("select"), servers.by_key("poll")])
        self.assertEqual([server.key for server in fit], ["poll"])
        self.assertIn("10,100 connections: select(2)", left_out["select"])

    def test_every_case_has_its_own_key(self):
        self.assertEqual([case.key for case in matrix.CASES],
                         ["one", "one_awake", "c64", "c1000", "depth16", "size16k", "churn", "idle10000"])
        self.assertEqual(len({server.key for server in servers.ALL}), len(servers.ALL))

    def test_the_whole_matrix_takes_ten_minutes_and_in_quick_one(self):
        count = len(servers.ALL)
        for rounds, least, most in ((matrix.ROUNDS, 420, 780), (matrix.QUICK_ROUNDS, 40, 140)):
            self.assertTrue(least < sum(matrix.seconds_expected(case, count, rounds) for case in matrix.CASES) < most)


class Matrix(unittest.TestCase):
    def measure(self, errors=(), cannot_start=()):
        """A case over a server that is half as fast as the floor; what was measured."""
        def start(self, build):
            if self.key in cannot_start:
                raise children.Failed("it does not start")
            return contextlib.nullcontext(type("Running", (), {"port": 1, "pid": 1}))

        def run_load(build, order, seconds, **given):
            speeds = {"libuv": 500_000}
            return {each.name: target(each.name, [turn(0, speeds.get(each.name, 1_000_000))], each.name in errors)
                    for each in order}
        listed = [servers.by_key(key) for key in ("epoll_et", "libuv", "go")]
        with (unittest.mock.patch.object(load, "run", run_load),
              unittest.mock.patch.object(servers.Server, "start", start)):
            return matrix.measure_case(matrix.CASES[2], listed, None, 1)

    def test_all_are_compared_with_the_floor_and_the_floor_with_itself(self):
        found = self.measure()
        self.assertEqual({key: one["rate"]["median"] for key, one in found["servers"].items()},
                         {"epoll_et": 1, "libuv": 0.5, "go": 1})
        self.assertEqual((found["left_out"], found["warning"]), ({}, ""))
        self.assertIn("rate 1.000", matrix.summary(found))

    def test_a_server_that_fails_is_left_out_with_a_word_and_the_others_are_measured(self):
        for found in (self.measure(errors=["go"]), self.measure(cannot_start=["go"])):
            self.assertEqual(list(found["servers"]), ["epoll_et", "libuv"])
            self.assertEqual(list(found["left_out"]), ["go"])
            self.assertIn("without go", matrix.summary(found))

    def test_without_the_floor_nothing_is_measured(self):
        for bad in ({"errors": ["floor"]}, {"errors": ["epoll_et"]}, {"cannot_start": ["epoll_et"]}):
            with self.assertRaises(children.Failed, msg=bad):
                self.measure(**bad)
        with self.assertRaises(children.Failed):
            matrix.measure([servers.by_key("go")], None)


class Answers(unittest.TestCase):
    def answer(self, **more):
        return json.dumps({"targets": [{**target("a", [turn(0, 1_000)]), **more}]}).encode()

    def test_targets_are_read_by_name(self):
        self.assertEqual(load.parse(self.answer())["a"]["turns"][0]["messages"], 80)

    def test_an_answer_without_sense_is_refused(self):
        for bad in (self.answer(turns=[{"begun": 1}]), b"", b"[]", b'{"targets": 3}', b'{"targets": [{}]}', b"{"):
            with self.assertRaises(children.Failed, msg=bad):
                load.parse(bad)

    def test_a_target_with_errors_or_without_messages_is_not_measured(self):
        self.assertEqual(load.errors_in(target("a", [turn(0, 1_000)])), "")
        self.assertIn("2 errors", load.errors_in(target("a", [turn(0, 1_000)], errors=2)))
        self.assertIn("no message", load.errors_in(target("a", [turn(0, 0)])))

    def test_options_are_words_of_a_command_line(self):
        self.assertEqual(load.options({"connections": 64, "churn": True, "idle": None, "json": False}),
                         ["--connections", "64", "--churn"])

    def test_a_target_has_name_place_and_process(self):
        server = type("Server", (), {"port": 9001, "pid": 77})
        self.assertEqual(str(load.Target("floor", server)), "floor=127.0.0.1:9001/77")

    def test_a_holder_says_how_long_it_took(self):
        self.assertEqual(load.HOLDING.search(b"holding 10000 connections, opened in 0.734 s\n").groups(),
                         (b"10000", b"0.734"))
        self.assertIsNone(load.HOLDING.search(b"holding 10000 connections, opened in 0.7"))  # half a line


class Machine(unittest.TestCase):
    def test_facts_are_found_in_what_files_say(self):
        self.assertEqual(machine.processor("processor\t: 0\nmodel name\t: AMD EPYC 7\nflags: x\n"), "AMD EPYC 7")
        self.assertEqual(machine.boost_version('#define BOOST_LIB_VERSION "1_74"\n'), "1.74")
        self.assertEqual(machine.system_name('ID=debian\nPRETTY_NAME="Debian GNU/Linux 12"\n'), "Debian GNU/Linux 12")

    def test_slab_caches_are_counted_in_objects_and_no_more_than_one_a_socket(self):
        text = ("slabinfo - version: 2.1\n# name <active_objs> <num_objs> <objsize> ...\n"
                "TCP 100 128 2304 14 8 : tunables 0 0 0 : slabdata 9 9 0\n")
        before = scale.parse_slabinfo(text)
        self.assertEqual(before, {"TCP": (100, 2304)})
        after = {"TCP": (120, 2304), "dentry": (9_000, 192), "ext4_inode_cache": (50, 1_000)}
        self.assertEqual(scale.caches_per_socket(before, after, 20), {"TCP": 2304, "dentry": 192})
        self.assertEqual(scale.caches_per_socket(after, before, 20), {})

    def test_more_connections_than_memory_or_files_are_refused_in_words(self):
        with self.assertRaisesRegex(children.Failed, "memory"):
            limits.refuse_what_cannot_be(1 << 40, 1)
        limits.refuse_what_cannot_be(1, 1)

    def test_a_case_that_needs_more_memory_than_there_is_is_not_begun(self):
        with (unittest.mock.patch.object(limits, "meminfo", lambda name: 10_000 * limits.BYTES),
              unittest.mock.patch.object(servers.Server, "start", lambda *_: self.fail("it was started"))):
            with self.assertRaisesRegex(children.Failed, "20,200 connections are too many"):
                matrix.measure_group(matrix.CASES[-1], servers.by_key("epoll_et"), [servers.by_key("epoll_et")], "", 1)

    def test_load_and_servers_share_a_core_only_if_there_is_one(self):
        ours, theirs = children.cores()
        self.assertTrue(ours != theirs or len(os.sched_getaffinity(0)) == 1)
        self.assertNotIn(theirs, scale.core_for(0) if ours != theirs else ())

    def test_the_loads_core_is_no_other_thread_of_the_servers_if_there_is_a_choice(self):
        self.assertEqual(children.parse_list("0-2,8\n"), {0, 1, 2, 8})
        self.assertIn(0, children.threads_of(0))
        pairs = {0: {0, 1}, 1: {0, 1}, 2: {2, 3}, 3: {2, 3}}
        for allowed, chosen, shared in (({0, 1, 2, 3}, (0, 2), False), ({0, 1}, (0, 1), True), ({3}, (3, 3), True),
                                        ({1, 2}, (1, 2), False)):
            with (unittest.mock.patch.object(os, "sched_getaffinity", lambda _, allowed=allowed: allowed),
                  unittest.mock.patch.object(children, "threads_of", pairs.get)):
                self.assertEqual((children.cores(), children.share_a_core()), (chosen, shared), allowed)


SERVER = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening on 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
while True:
    client, _ = listener.accept()
    client.close()
"""


class Children(unittest.TestCase):
    def test_a_server_says_its_port_and_is_gone_in_the_end(self):
        with children.Listening([sys.executable, "-c", SERVER, "0"]) as server:
            os.kill(server.pid, 0)
            self.assertEqual(os.sched_getaffinity(server.pid), children.server_core())
            self.assertGreater(server.port, 0)
            self.assertGreater(server.resident(), 100_000)
        with self.assertRaises(ProcessLookupError):
            os.kill(server.pid, 0)

    def test_an_error_or_a_stop_ends_it_as_well(self):
        for error in (KeyboardInterrupt, RuntimeError):
            with contextlib.suppress(error):
                with children.Listening([sys.executable, "-c", SERVER, "0"]) as server:
                    raise error
            with self.assertRaises(ProcessLookupError):
                os.kill(server.pid, 0)

    def test_one_that_ends_at_once_is_reported_with_its_own_words(self):
        with self.assertRaisesRegex(children.Failed, "ended with 3: no luck"):
            children.Listening([sys.executable, "-c", "import sys; print('no luck', file=sys.stderr); sys.exit(3)"])
        with self.assertRaisesRegex(children.Failed, "Traceback.* KeyError: 1"):
            children.Listening([sys.executable, "-c", "{}[1]"])
        with self.assertRaisesRegex(children.Failed, "No such file"):
            children.Listening(["/nowhere/at/all"])

    def test_whose_figures_are_counted_has_to_end_as_it_is_allowed_to(self):
        # Without a handler, as Python starts: SIGTERM ends it.
        command = [sys.executable, "-c", SERVER, "0"]
        measure.observed([], command, lambda server: None, measure.CAUGHT_OR_NOT)
        with self.assertRaisesRegex(AssertionError, "ended with -15"):
            measure.observed([], command, lambda server: None)
        self.assertEqual([costs.Costs(servers.by_key(key), pathlib.Path()).good_ends for key in ("dunlin", "go")],
                         [measure.CAUGHT, measure.CAUGHT_OR_NOT])

    def test_waiting_has_an_end(self):
        with children.Child([sys.executable, "-c", "import time; time.sleep(60)"], children.load_core()) as child:
            began = time.monotonic()
            self.assertIsNone(child.wait(0.05))
            with self.assertRaises(children.Failed):
                child.until_says(children.LISTENING, 0.05)
            self.assertLess(time.monotonic() - began, 10)


class Picture(unittest.TestCase):
    def test_the_line_of_select_ends_at_its_limit_with_a_word(self):
        self.assertEqual(picture.too_many(servers.by_key("select"), 1_010), "")
        self.assertIn("1,023", picture.too_many(servers.by_key("select"), 10_010))
        self.assertEqual(picture.too_many(servers.by_key("poll"), 500), "")

    def test_a_point_is_a_ratio_to_a_floor_without_idle_connections(self):
        # The machine is half as fast as it is most of the time, and so is the floor.
        floor = {"rate": 100_000, "p50": 50, "p99": 100, "cpu_us_per_message": 10}
        reference = target("floor", [turn(0, 50_000, 2e-5, p99=200), turn(4, 50_000, 2e-5, p99=200)])
        turns = [turn(1, 25_000, 4e-5, p99=400), turn(2, 30_000, 4e-5, p99=600), turn(3, 20_000, 4e-5, p99=200)]
        found = picture.point(100, target("a", turns), reference, floor)
        self.assertEqual({name: round(found[name], 3) for name in ("idle", *picture.FIGURES)},
                         {"idle": 100, "rate": 50_000, "p50": 100, "p99": 200, "cpu_us_per_message": 20})
        self.assertEqual({key: round(value) for key, value in found["spread"]["rate"].items()},
                         {"q1": 45_000, "median": 50_000, "q3": 55_000})
        without = target("a", [{**each, "cpu_seconds": None} for each in turns])
        self.assertIsNone(picture.point(100, without, reference, floor)["cpu_us_per_message"])

    def test_idle_connections_are_added_to_until_a_line_ends(self):
        held = []

        class Holder(contextlib.nullcontext):
            def __init__(self, build, server, count):
                super().__init__(self)
                held.append((server.port, count))

            def until_open(self):
                pass

        def start(self, build):
            return contextlib.nullcontext(type("Running", (), {"port": self.key, "pid": 1}))

        def run_load(build, targets, seconds, connections):
            self.assertEqual(connections, picture.ACTIVE)
            return {each.name: target(each.name, [turn(0, 1_000)]) for each in targets}
        with (unittest.mock.patch.object(load, "run", run_load), unittest.mock.patch.object(load, "Holder", Holder),
              unittest.mock.patch.object(servers.Server, "start", start)):
            listed = [servers.by_key(key) for key in ("select", "poll", servers.FLOOR)]
            found = picture.measure(listed, None, 1, [0, 100, 1_500], say=str)
            with self.assertRaises(children.Failed):
                picture.measure(listed[:2], None, 1, [0], say=str)
        # The floor that all is compared with has none.
        self.assertEqual(held, [("select", 100), ("poll", 100), ("epoll_et", 100),
                                ("poll", 1_400), ("epoll_et", 1_400)])
        self.assertEqual([point and point["idle"] for point in found["servers"]["select"]], [0, 100, None])
        self.assertEqual([point["idle"] for point in found["servers"]["poll"]], [0, 100, 1_500])
        self.assertEqual(list(found["why"]), ["select"])


class Micro(unittest.TestCase):
    def test_the_programs_are_found_among_the_targets(self):
        listed = ("tests/bench/micro/tasks: cpp_LINKER\ntests/bench/micro/tasks.p/tasks.cpp.o: cpp_COMPILER\n"
                  "apps/echo: cpp_LINKER\ntests/bench/micro/all: phony\n")
        self.assertEqual(micro.PROGRAM.findall(listed), ["tests/bench/micro/tasks"])

    def test_benchmarks_are_read_from_the_report_of_catch2(self):
        text = """<?xml version="1.0" encoding="UTF-8"?><Catch2TestRun><TestCase name="tasks">
          <BenchmarkResults name="a call" samples="100" iterations="9">
            <mean value="41.5" lowerBound="41" upperBound="42.25" ci="0.95"/><standardDeviation value="1" lowerBound="1"
            upperBound="2" ci="0.95"/><outliers variance="0.1"/></BenchmarkResults></TestCase></Catch2TestRun>"""
        self.assertEqual(micro.parse(text), {"a call": {"mean": 41.5, "low": 41, "high": 42.25}})
        with self.assertRaises(children.Failed):
            micro.parse("<Catch2TestRun>")

    def test_what_is_shown_is_one_operation(self):
        found = {"mean": 41_500.0, "low": 41_000.0, "high": 42_250.0}
        self.assertEqual(micro.of_one("1,000 calls beside 10,000", found),
                         ("calls beside 10,000", {"mean": 41.5, "low": 41, "high": 42.25}))
        self.assertEqual(micro.of_one("a call", found), ("a call", found))


if __name__ == "__main__":
    unittest.main()
