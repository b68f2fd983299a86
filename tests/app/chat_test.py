"""The chat: everybody hears everybody, and one who does not listen is no burden to the others."""

import re
import signal
import socket
import subprocess
import time
import unittest

import support
from support import AppTest, WAIT, connect, main, receive_to_end, reset, until


class Client:
    """Somebody in the chat, read line by line."""

    def __init__(self, server, name="", **options):
        self.socket = connect(server.port, **options)
        self.lines = self.socket.makefile("rb")
        self.address = self.name = "%s:%d" % self.socket.getsockname()
        self.hear(f"* you are {self.name}")
        if name:
            self.say(f"/name {name}")
            self.hear(f"* {self.name} is now {name}")
            self.name = name

    def say(self, line):
        self.socket.sendall(line.encode() + b"\n")

    def next(self):
        """The next line; None at the end."""
        line = self.lines.readline()
        return line.decode().removesuffix("\n") if line else None

    def hear(self, wanted):
        """Passes over lines of the server up to the one wanted."""
        while (line := self.next()) != wanted:
            if line is None or not line.startswith("* "):
                raise AssertionError(f"{line!r} came instead of {wanted!r}")

    def close(self):
        self.lines.close()
        self.socket.close()


class ChatTest(AppTest):
    def join(self, server, name="", **options):
        client = Client(server, name, **options)
        self.addCleanup(client.close)
        return client

    def together(self, server, *names):
        """Clients of whom each has heard that the later ones are there."""
        clients = []
        for name in names:
            clients.append(self.join(server, name))
            for earlier in clients[:-1]:
                earlier.hear(f"* {clients[-1].address} is now {name}")
        return clients


class Talking(ChatTest):
    def test_two_clients_hear_each_other_and_not_themselves(self):
        server = self.start()
        alice, bob = self.together(server, "alice", "bob")
        alice.say("hello")
        bob.hear("alice: hello")
        bob.say("hello yourself")
        bob.say("how are you?")
        self.assertEqual(alice.next(), "bob: hello yourself")
        self.assertEqual(alice.next(), "bob: how are you?")

    def test_who_has_no_name_is_called_by_the_address(self):
        server = self.start()
        one = self.join(server)
        other = self.join(server)
        one.hear(f"* {other.name} joined")
        other.say("anybody here?")
        self.assertEqual(one.next(), f"{other.name}: anybody here?")

    def test_leaving_is_announced_however_it_is_done(self):
        server = self.start()
        stays, quits, closes, resets = self.together(server, "stays", "quits", "closes", "resets")
        quits.say("/quit")
        stays.hear("* quits left")
        self.assertIsNone(quits.next())
        closes.hear("* quits left")  # closing with lines unread would be a reset
        closes.close()
        stays.hear("* closes left")
        resets.lines.close()
        reset(resets.socket)
        self.assertRegex(stays.next(), r"^\* resets left")

    def test_a_hundred_clients_all_hear_each_of_them(self):
        server = self.start()
        clients = [self.join(server, f"c{i}") for i in range(100)]
        for client in clients:
            # Far more at once than a queue has room for, and nobody is slow.
            client.socket.sendall(b"".join(b"%d of %s\n" % (i, client.name.encode()) for i in range(10)))
        for client in clients:
            heard = []
            while len(heard) < 990:
                line = client.next()
                self.assertIsNotNone(line, f"{client.name} was dropped after {len(heard)} lines")
                if not line.startswith("* "):
                    heard.append(line)
            wanted = [f"{c.name}: {i} of {c.name}" for c in clients if c is not client for i in range(10)]
            self.assertCountEqual(heard, wanted)
            of_one = [line for line in heard if line.startswith("c42:")]
            self.assertEqual(of_one, [line for line in wanted if line.startswith("c42:")])

    def test_many_lines_in_one_piece_all_arrive_in_order(self):
        server = self.start()
        alice, bob = self.together(server, "alice", "bob")
        alice.socket.sendall(b"".join(b"%d\n" % i for i in range(2000)))
        for i in range(2000):
            self.assertEqual(bob.next(), f"alice: {i}")

    def test_who_quits_gets_what_was_said_before_although_it_goes_on_sending(self):
        server = self.start()
        alice, bob, carol = self.together(server, "alice", "bob", "carol")
        bob.say("before")
        carol.hear("bob: before")
        alice.socket.sendall(b"/quit\n" + b"and more\n" * 20_000)
        bob.hear("* alice left")
        time.sleep(0.1)  # a reset would come now, and destroy what alice has not read
        alice.hear("bob: before")
        self.assertIsNone(alice.next())

    def test_what_was_said_before_the_end_of_a_client_s_half_arrives_and_so_do_its_own_lines(self):
        server = self.start()
        alice, bob, carol = self.together(server, "alice", "bob", "carol")
        bob.say("before")
        carol.hear("bob: before")
        alice.socket.sendall(b"last\nwithout an end")
        alice.socket.shutdown(socket.SHUT_WR)
        bob.hear("alice: last")
        self.assertEqual(bob.next(), "alice: without an end")
        self.assertEqual(bob.next(), "* alice left")
        alice.hear("bob: before")
        self.assertIsNone(alice.next())


class Commands(ChatTest):
    def test_a_new_name_is_announced_and_used(self):
        server = self.start()
        alice, bob = self.together(server, "alice", "bob")
        bob.say("/name robert")
        alice.hear("* bob is now robert")
        bob.hear("* bob is now robert")
        bob.say("it is me")
        self.assertEqual(alice.next(), "robert: it is me")

    def test_names_that_would_deceive_are_refused_and_told_to_that_client_only(self):
        server = self.start()
        alice, bob = self.together(server, "alice", "bob")
        for bad in ("two words", "a:b", "x" * 33, "\x1b[2J", " "):
            bob.say("/name " + bad)
            self.assertRegex(bob.next(), "^! a name has")
        bob.say("/name alice")
        self.assertEqual(bob.next(), "! alice is here already")
        bob.say("/nonsense")
        self.assertRegex(bob.next(), "^! there are only")
        bob.say("hello")
        self.assertEqual(alice.next(), "bob: hello")

    def test_too_long_a_line_is_an_error_to_that_client_who_goes_on(self):
        server = self.start()
        alice, bob = self.together(server, "alice", "bob")
        longest = "x" * 4096
        bob.say(longest)
        self.assertEqual(alice.next(), f"bob: {longest}")
        for size in (4097, 5000, 100_000, 1_000_000):
            bob.say("y" * size)
            self.assertEqual(bob.next(), "! too long a line")
            bob.say("\nshort")
            self.assertEqual(alice.next(), "bob: short")


class SlowReader(ChatTest):
    def test_it_is_dropped_while_the_others_go_on_promptly(self):
        server = self.start(env=support.environment(support.MEASURES_MEMORY))
        alice, bob = self.together(server, "alice", "bob")
        slow = self.join(server, "slow")
        alice.hear(f"* {slow.address} is now slow")
        bob.hear(f"* {slow.address} is now slow")
        before, longest = server.rss(), 0.0
        text = "x" * 4000
        for count in range(100_000):
            since = time.monotonic()
            alice.say(text)
            line = bob.next()
            if line.startswith("* "):
                break
            self.assertEqual(line, f"alice: {text}")
            longest = max(longest, time.monotonic() - since)
        self.assertEqual(line, "* slow was dropped: it reads too slowly")
        self.assertEqual(bob.next(), f"alice: {text}")
        self.assertLess(longest, 2.0, "somebody waited for the slow one")
        self.assertLess(server.rss() - before, 8 * support.MIB)
        self.assertEqual(alice.next(), "* slow was dropped: it reads too slowly")
        receive_to_end(slow.socket)  # and that ends
        bob.say("it is gone")
        self.assertEqual(alice.next(), "bob: it is gone")

    def test_one_that_does_not_read_its_own_answers_is_dropped_too(self):
        server = self.start()
        alice = self.join(server, "alice")
        slow = self.join(server, "slow")
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        alice.hear(f"* {slow.address} is now slow")
        end = time.monotonic() + WAIT
        with self.assertRaises((ConnectionResetError, BrokenPipeError)):
            while time.monotonic() < end:
                slow.socket.sendall(b"/?\n" * 1000)
        alice.hear("* slow was dropped: it reads too slowly")

    def test_who_leaves_without_reading_does_not_stay_for_ever(self):
        server = self.start()
        alice = self.join(server, "alice")
        idle = server.descriptors()
        slow = self.join(server)
        alice.hear(f"* {slow.name} joined")
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(90):  # more than the kernel takes, less than the queue
            alice.say("x" * 4000)
        alice.say("/?")
        self.assertRegex(alice.next(), "^! ")
        slow.say("/quit")
        self.assertEqual(alice.next(), f"* {slow.name} left")
        self.assertGreater(server.descriptors(), idle, "it had taken everything: this tests nothing")
        self.assert_descriptors_return_to(server, idle)


class Ending(ChatTest):
    def test_either_signal_ends_it_at_once_when_all_have_heard_everything(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            server = self.start()
            clients = self.together(server, "alice", "bob", "carol")
            clients[0].say("the last word")  # and nothing is said to alice
            clients[1].hear("alice: the last word")
            since = time.monotonic()
            server.signal(number)
            for client in clients:
                while client.next() is not None:
                    pass
            self.assertEqual(server.wait(), 0, server.words())
            self.assertLess(time.monotonic() - since, 1.3, "idle clients were given the drain's 1.5 s")

    def test_a_client_that_does_not_read_is_cut_off_after_the_drain(self):
        server = self.start("--port", "0", "--drain", "0.5")
        alice = self.join(server, "alice")
        slow = self.join(server)
        alice.hear(f"* {slow.name} joined")
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(90):
            alice.say("x" * 4000)
        alice.say("/?")
        self.assertRegex(alice.next(), "^! ")
        since = time.monotonic()
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 0, server.words())
        self.assertLess(time.monotonic() - since, 2.5)
        self.assertIn("1 session was cut off", server.errors())

    def test_a_silent_client_is_given_up_after_the_idle_timeout(self):
        server = self.start("--port", "0", "--idle-timeout", "0.3")
        silent = self.join(server)
        self.assertIsNone(silent.next())

    def test_no_more_than_so_many_are_let_in(self):
        server = self.start("--port", "0", "--max-connections", "1")
        one = self.join(server)
        waiting = connect(server.port)
        self.addCleanup(waiting.close)
        waiting.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            waiting.recv(1)
        one.say("/quit")
        self.assertIsNone(one.next())
        one.close()
        waiting.settimeout(WAIT)
        self.assertEqual(waiting.recv(9), b"* you are")


class Dump(ChatTest):
    def test_it_shows_for_each_client_the_reader_and_the_writer(self):
        server = self.start()
        self.together(server, "alice", "bob")
        server.signal(signal.SIGUSR1)
        text = until(lambda: server.errors() if server.errors().count("    spawned at ") >= 5 else "", "the dump")
        self.assertIn("tasks: 5\n", text)
        self.assertEqual(len(re.findall(r"waits: readable, fd \d+, 127\.0\.0\.1:", text)), 2, text)
        self.assertEqual(len(re.findall(r"chat::\S*.*write_to", text)), 4, text)
        self.assertRegex(text, r"at chat::.*listen_to \S*apps/chat/server\.cpp:\d+")


class CommandLine(unittest.TestCase):
    def call(self, *arguments):
        return subprocess.run([support.PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=WAIT)

    def test_help_and_version_end_with_zero(self):
        done = self.call("--help")
        self.assertEqual(done.returncode, 0, done)
        for word in ("--host", "--port", "--max-connections", "--idle-timeout", "--drain", "--version"):
            self.assertIn(word, done.stdout)
        done = self.call("--version")
        self.assertEqual(done.returncode, 0, done)
        self.assertRegex(done.stdout, r"^chat \(dunlin\) \d+\.\d+\.\d+")

    def test_bad_options_end_with_two(self):
        for arguments in (["--bogus"], ["bogus"], ["--port"], ["--port", "x"], ["--port", "65536"], ["--port", "-1"],
                          ["--drain", "-1"], ["--drain", "nan"], ["--max-connections", "0"], ["--idle-timeout", "x"]):
            with self.subTest(arguments=arguments):
                done = self.call(*arguments)
                self.assertEqual(done.returncode, 2, done)

    def test_where_it_cannot_listen_it_says_so_in_one_line_and_ends_with_one(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            for arguments, where in ((["--port", port], f"127.0.0.1:{port}"),
                                     (["--host", "192.0.2.1", "--port", "0"], "192.0.2.1:0"),
                                     (["--host", "no.such.host.invalid", "--port", "1"], "no.such.host.invalid:1")):
                with self.subTest(arguments=arguments):
                    done = self.call(*arguments)
                    self.assertEqual(done.returncode, 1, done)
                    self.assertEqual(done.stdout, "")
                    self.assertRegex(done.stderr, rf"\Achat: cannot listen on {re.escape(where)}: .+\n\Z")


class Listening(ChatTest):
    def test_it_says_where(self):
        server = self.start()
        until(lambda: server.output() == f"listening on 127.0.0.1:{server.port}\n", server.words())


if __name__ == "__main__":
    main()
