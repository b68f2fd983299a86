"""`echo bench` against servers that are wrong, leave, hang or are not there."""

import json
import socket
import threading
import time

import support
from support import WAIT, main
from bench_support import Bench, echo


class BadServers(Bench):
    def test_a_changed_byte_is_found_and_named(self):
        def corrupt(data, before):
            at = 70 - before
            if 0 <= at < len(data):
                data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
            return data
        for depth in (1, 4):
            server = self.bad_server(lambda client, _: echo(client, change=corrupt))
            self.assert_fails(f"bad=127.0.0.1:{server.port}", "--count", 100, "--warmup", 0, "--depth", depth,
                              words=rf"bad \(127.0.0.1:{server.port}\): connection 0: the echo is wrong: "
                                    r"message 1, byte 6 is 0x\w\w instead of 0x\w\w")

    def test_a_lost_a_doubled_and_a_swapped_byte_are_found(self):
        # Two bytes that are alike cannot be told apart, so that where they are found may be later.
        changes = {"lost": lambda data: data[:10] + data[11:], "doubled": lambda data: data[:10] + data[9:],
                   "swapped": lambda data: data[:10] + data[20:21] + data[11:20] + data[10:11] + data[21:]}
        for name, change in changes.items():
            with self.subTest(name):
                server = self.bad_server(lambda client, _: echo(client, change=lambda data, _: change(data)))
                self.assert_fails(f"127.0.0.1:{server.port}", "--count", 10, "--warmup", 0, "--grace", 1,
                                  words=r"the echo is wrong: message 0, byte \d")

    def test_echoes_of_another_connection_are_found(self):
        pair, both = [], threading.Barrier(2)

        def cross(client, _):
            pair.append(client)
            both.wait(WAIT)
            other = pair[1] if client is pair[0] else pair[0]
            while data := client.recv(65536):
                other.sendall(data)
        server = self.bad_server(cross)
        self.assert_fails(f"127.0.0.1:{server.port}", "--connections", 2, "--count", 10, "--warmup", 0,
                          words=r"the echo is wrong: message 0, byte \d")

    def test_an_echo_of_the_message_before_is_found(self):
        def late(client, _):
            before = client.recv(64)
            client.sendall(before)
            while data := client.recv(64):
                client.sendall(before)
                before = data
        server = self.bad_server(late)
        self.assert_fails(f"127.0.0.1:{server.port}", "--count", 10, "--warmup", 0,
                          words=r"the echo is wrong: message 1, byte \d")

    def test_bytes_that_nobody_sent_are_found_even_after_the_last_message(self):
        server = self.bad_server(lambda client, _: echo(client, change=lambda data, before:
                                                        data + b"!!" if before == 64 * 9 else data))
        self.assert_fails(f"127.0.0.1:{server.port}", "--count", 10, "--warmup", 0,
                          words="2 more bytes than were sent came after message 9, byte 63")

    def test_bytes_on_a_connection_that_sent_none_are_found(self):
        def greet_the_silent(client, _):
            if data := client.recv(65536):
                client.sendall(data)
                echo(client)
            else:
                client.sendall(b"hello")
                client.close()
        server = self.bad_server(greet_the_silent)
        self.assert_fails(f"127.0.0.1:{server.port}", "--connections", 2, "--count", 1, "--warmup", 0,
                          words=r"connection \d: the echo is wrong: 5 bytes came before any were sent")

    def test_a_server_that_closes_is_an_error_and_the_other_connections_go_on(self):
        def leave_first(client, number):
            if number == 0:
                client.recv(64)
                client.close()
            else:
                echo(client)
        server = self.bad_server(leave_first)
        done = self.assert_fails(f"127.0.0.1:{server.port}", "--connections", 3, "--duration", 0.3, "--warmup", 0, "--json",
                                 words=r"connection \d: the server closed the connection at message 0, byte 0")
        target = self.only(json.loads(done.stdout))
        self.assertEqual(target["errors"], 1)
        self.assertEqual(target["least_served"], 0)
        self.assertGreater(target["most_served"], 1)

    def test_a_reset_is_an_error(self):
        server = self.bad_server(lambda client, _: (client.recv(10), support.reset(client)))
        self.assert_fails(f"127.0.0.1:{server.port}", "--count", 5, words="reset")

    def test_a_server_that_hangs_is_an_error_and_the_other_target_is_measured(self):
        good = self.start()
        hang = self.bad_server(lambda client, _: (client.recv(10), time.sleep(WAIT)))
        begun = time.monotonic()
        done = self.assert_fails(f"hangs=127.0.0.1:{hang.port}", f"good=127.0.0.1:{good.port}", "--duration", 0.2,
                                 "--turn", 50, "--grace", 0.5, "--json",
                                 words=r"hangs .*: connection 0: nothing came back for 0.5 s at message 0, byte 0")
        self.assertLess(time.monotonic() - begun, WAIT)
        hangs, fine = json.loads(done.stdout)["targets"]
        self.assertEqual((hangs["errors"], fine["errors"]), (1, 0))
        self.assertGreater(fine["messages"], 0)
        for options in (["--count", 5], ["--churn", "--count", 5], ["--size", 10_000_000, "--count", 1]):
            self.assert_fails(f"127.0.0.1:{hang.port}", "--grace", 0.3, "--warmup", 0, *options,
                              words="nothing came back for 0.3 s")

    def test_a_slow_server_is_waited_for(self):
        def slow(client, _):
            while data := client.recv(16):
                time.sleep(0.1)
                client.sendall(data)
        server = self.bad_server(slow)
        target = self.only(self.result(f"127.0.0.1:{server.port}", "--count", 3, "--warmup", 0, "--grace", 0.3))
        self.assertEqual(target["messages"], 3)
        self.assertGreater(target["latency_us"]["p50"], 300_000)

    def test_nobody_there_is_an_error(self):
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        for options in ([], ["--churn"], ["--idle", 3], ["--connections", 10], ["--count", 3]):
            with self.subTest(options=options):
                self.assert_fails(f"gone=127.0.0.1:{port}", *options, words=rf"gone \(127.0.0.1:{port}\): .*refused")

    def test_many_errors_are_counted_and_the_first_are_named(self):
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        done = self.assert_fails(f"127.0.0.1:{port}", "--connections", 20, words="17 more errors")
        self.assertEqual(len(done.stderr.splitlines()), 4)

    def test_an_output_that_cannot_be_written_is_an_error(self):
        server = self.start()
        with open("/dev/full", "w") as full:
            done = self.run_bench(f"127.0.0.1:{server.port}", "--count", 1, stdout=full)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output", done.stderr)


if __name__ == "__main__":
    main()
