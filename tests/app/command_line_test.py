"""What the program says and returns when it is asked something, or asked wrongly."""

import os
import re
import signal
import socket
import subprocess
import time
import unittest

import support
from support import AppTest, WAIT, connect, main, ping, stream


def call(*arguments):
    """Runs the program to its end."""
    return subprocess.run([support.PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=WAIT)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def names_of_loopback():
    """Names other than localhost by which /etc/hosts knows this machine itself."""
    try:
        with open("/etc/hosts") as hosts:
            lines = [line.split("#")[0].split() for line in hosts]
    except OSError:
        return []
    known = {name for line in lines if line and line[0] in ("127.0.0.1", "::1") for name in line[1:]}
    return sorted(known - {"localhost"})


class Asking(unittest.TestCase):
    def test_help_names_the_commands_and_options_and_ends_with_zero(self):
        done = call("--help")
        self.assertEqual(done.returncode, 0, done)
        for word in ("server", "client", "--version"):
            self.assertIn(word, done.stdout)
        for command in ("server", "client"):
            done = call(command, "--help")
            self.assertEqual(done.returncode, 0, done)
            for word in ("--host", "--port"):
                self.assertIn(word, done.stdout)

    def test_version_ends_with_zero(self):
        done = call("--version")
        self.assertEqual(done.returncode, 0, done)
        self.assertRegex(done.stdout, r"\d+\.\d+\.\d+")

    def test_an_unknown_option_ends_with_two_and_shows_the_usage(self):
        for arguments in (["--bogus"], ["server", "--bogus"], ["client", "--bogus"], ["bogus"], ["--port"]):
            with self.subTest(arguments=arguments):
                done = call(*arguments)
                self.assertEqual(done.returncode, 2, done)
                self.assertRegex((done.stdout + done.stderr).lower(), "usage|--help")

    def test_a_limit_that_is_none_ends_with_two_and_shows_the_usage(self):
        seconds = ("-0.5", "soon", "", "nan", "inf", "1e99", "1,5", "5s")
        wrong = {"--max-connections": ("0", "-1", "1.5", "x", "", "1000000001", "99999999999999999999"),
                 "--idle-timeout": seconds, "--drain": seconds,
                 "--spin": ("50", "50s", "us", "", "soon", "nan", "-1us", "+1us", "1.5us", "0x10us", "50 us", " 50us",
                            "50us ", "50US", "11ms", "10000001ns", "99999999999999999999ns")}
        for option, values in wrong.items():
            for value in values:
                for command in ([], ["server"]):
                    with self.subTest(option=option, value=value, command=command):
                        done = call(*command, f"{option}={value}", "--port", "0")
                        self.assertEqual(done.returncode, 2, done)
                        self.assertEqual(done.stdout.count("listening"), 0, done)
                        self.assertRegex((done.stdout + done.stderr).lower(), "usage|--help")
                        self.assertIn(option, done.stdout + done.stderr)
            done = call("client", f"{option}=1")
            self.assertEqual(done.returncode, 2, done)

    def test_help_names_the_limits_of_the_server(self):
        done = call("server", "--help")
        for word in ("--max-connections", "--idle-timeout", "--drain", "--spin", "--reuse-port"):
            self.assertIn(word, done.stdout)

    def test_a_span_that_is_none_is_named_with_what_it_should_be(self):
        done = call("--spin", "50", "--port", "0")
        self.assertIn('--spin: "50" is not a span: a number and ns, us or ms', done.stdout + done.stderr)
        done = call("--spin", "11ms", "--port", "0")
        self.assertIn("--spin: 11ms is more than 10ms", done.stdout + done.stderr)


class Refusing(unittest.TestCase):
    """One line that names address and cause, exit 1."""

    def assert_refused(self, arguments, *words):
        with self.subTest(arguments=arguments):
            done = call(*arguments)
            self.assertEqual(done.returncode, 1, done)
            self.assertEqual(done.stdout, "", done)
            lines = done.stderr.splitlines()
            self.assertEqual(len(lines), 1, f"not one line: {done.stderr!r}")
            for word in words:
                self.assertIn(word.lower(), lines[0].lower())
            self.assertGreater(len(lines[0]), len(" ".join(words)) + 3, f"no cause: {lines[0]!r}")

    def test_a_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            self.assert_refused(["--port", str(port)], f"127.0.0.1:{port}", "in use")
            self.assert_refused(["server", "--port", str(port)], f"127.0.0.1:{port}", "in use")

    def test_a_port_that_is_no_port(self):
        for port in ("65536", "-1", "0x10", "1e3", " 80", "80 ", "+80", "4294967376", "99999999999999999999", "http"):
            self.assert_refused([f"--port={port}"], port)
            self.assert_refused(["client", f"--port={port}"], port)
        self.assert_refused(["--port", ""])

    def test_an_address_that_is_no_address(self):
        for host in ("256.0.0.1", "127.0.0", "1.2.3.4.5", "0x7f.0.0.1", "::1::", "[::1", "127.0.0.1:80"):
            self.assert_refused(["--host", host, "--port", "0"], host, "not a valid address")
            self.assert_refused(["client", "--host", host, "--port", "1"], host, "not a valid address")

    def test_a_name_that_nobody_has(self):
        # libc knows without asking a name server: a blank, a label of 64 letters, an empty one.
        for host in ("no such host", "a" * 64 + ".example", "double..dot"):
            self.assert_refused(["--host", host, "--port", "0"], host, "not known")
            self.assert_refused(["client", "--host", host, "--port", "1"], host, "not known")

    def test_an_address_that_is_not_this_machine_s(self):
        self.assert_refused(["--host", "192.0.2.1", "--port", "0"], "192.0.2.1", "assign")


class Listening(AppTest):
    def test_it_prints_one_line_with_the_port_it_got_once_it_listens(self):
        process = subprocess.Popen([support.PROGRAM, "--port", "0"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        line = process.stdout.readline()  # a pipe: the line comes only if it was flushed
        found = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)
        self.assertTrue(found, repr(line))
        with connect(int(found[1])) as client:  # at once: it listens already
            ping(client)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(WAIT), 0)
        self.assertEqual(process.stdout.read(), "", "without --verbose there is nothing more to say")

    def test_echo_server_is_the_same_as_echo(self):
        server = self.start("server", "--port", "0")
        self.assertIn(f"listening on 127.0.0.1:{server.port}\n", server.output())
        self.assert_alive(server)

    def test_localhost_and_addresses_of_both_families_are_taken(self):
        hosts = [("localhost", "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("0.0.0.0", "127.0.0.1")]
        if has_ipv6():
            hosts += [("::1", "::1"), ("::", "::1")]
        for host, reached_at in hosts:
            with self.subTest(host=host):
                server = self.start("--host", host, "--port", "0")
                if host == "localhost" and f"[::1]:{server.port}" in server.output():
                    reached_at = "::1"
                with connect(server.port, host=reached_at) as client:
                    ping(client)
                if ":" in host:
                    self.assertIn(f"listening on [{host}]:{server.port}\n", server.output())

    def test_a_name_serves_on_both_sides(self):
        for name in ("localhost", *names_of_loopback()):
            with self.subTest(name=name):
                server = self.start("--host", name, "--port", "0")
                done = subprocess.run([support.PROGRAM, "client", "--host", name, "--port", str(server.port)],
                                      input="by name\n", capture_output=True, text=True, timeout=WAIT)
                self.assertEqual((done.returncode, done.stdout), (0, "by name\n"), done)

    def test_a_client_tries_the_addresses_of_a_name_until_one_answers(self):
        server = self.start("--host", "127.0.0.1", "--port", "0")  # nobody is at ::1, if localhost has it
        done = subprocess.run([support.PROGRAM, "client", "--host", "localhost", "--port", str(server.port)],
                              input="found\n", capture_output=True, text=True, timeout=WAIT)
        self.assertEqual((done.returncode, done.stdout), (0, "found\n"), done)

    def test_a_second_server_on_the_port_is_refused_while_the_first_goes_on(self):
        server = self.start()
        self.assertEqual(call("--port", str(server.port)).returncode, 1)
        self.assert_alive(server)

    def test_none_of_its_descriptors_would_leak_into_a_child(self):
        server = self.start()
        client = self.connect(server)
        ping(client)
        for name in os.listdir(f"/proc/{server.pid}/fd"):
            if int(name) > 2:
                flags = int(re.search(r"flags:\s+(\d+)", support.read(f"/proc/{server.pid}/fdinfo/{name}"))[1], 8)
                self.assertTrue(flags & os.O_CLOEXEC, f"descriptor {name} is not close-on-exec")


class Sharing(AppTest):
    def test_servers_that_say_so_share_a_port(self):
        first = self.start("--port", "0", "--reuse-port")
        second = self.start("server", "--port", str(first.port), "--reuse-port")
        self.assertEqual(second.port, first.port)
        before = [server.descriptors() for server in (first, second)]
        for _ in range(64):  # spread by a hash of the client's port: 2 in 2^64 that one gets none
            ping(self.connect(first))
        gained = [server.descriptors() - count for server, count in zip((first, second), before)]
        self.assertEqual(sum(gained), 64)
        self.assertGreater(min(gained), 0, gained)

    def test_a_server_that_does_not_say_so_is_refused(self):
        server = self.start("--port", "0", "--reuse-port")
        self.assertEqual(call("--port", str(server.port)).returncode, 1)
        alone = self.start()
        self.assertEqual(call("--port", str(alone.port), "--reuse-port").returncode, 1)
        self.assert_alive(server)
        self.assert_alive(alone)


class Spinning(AppTest):
    def test_every_unit_is_taken_and_the_server_serves_and_stops(self):
        for span in ("0", "0ms", "200ns", "50us", "1ms", "10ms"):
            for command in ([], ["server"]):
                with self.subTest(span=span, command=command):
                    server = self.start(*command, "--port", "0", "--spin", span)
                    client = self.connect(server)
                    for _ in range(100):
                        ping(client)
                    data = support.pattern(300_000)
                    self.assert_same(stream(client, data), data)
                    server.signal(signal.SIGTERM)
                    self.assertEqual(server.wait(3), 0, server.words())

    def test_a_server_that_spins_hears_a_signal_while_it_is_busy(self):
        server = self.start("--port", "0", "--spin", "10ms")
        client = self.connect(server)
        for _ in range(100):
            ping(client)
        server.signal(signal.SIGTERM)  # within the ten milliseconds
        self.assertEqual(server.wait(3), 0, server.words())

    def test_a_server_to_which_nothing_comes_stops_spinning(self):
        server = self.start("--port", "0", "--spin", "10ms")
        client = self.connect(server)
        for _ in range(20):
            ping(client)  # waits are short: it spins
        for _ in range(6):  # now each is longer than it polls for
            time.sleep(0.03)
            ping(client)
        before = server.cpu_seconds()
        for _ in range(20):
            time.sleep(0.03)
            ping(client)
        # Spinning would have taken 20 * 10 ms; the clock of this figure ticks in hundredths.
        self.assertLess(server.cpu_seconds() - before, 0.1)


class Verbose(AppTest):
    def test_it_tells_of_connections_bytes_and_ends_with_their_addresses(self):
        server = self.start("--port", "0", "--verbose")
        client = self.connect(server)
        address = "127.0.0.1:%d" % client.getsockname()[1]
        ping(client, b"twelve bytes")
        client.close()
        for word in ("new connection", "received", "sent", "closed"):
            support.until(lambda: any(word in line.lower() and address in line
                                      for line in (server.output() + server.errors()).splitlines()),
                          f"a line with {word!r} and {address}: {server.words()}", timeout=5)
        self.assertRegex(server.output() + server.errors(), r"\b12\b")

    def test_it_ends_a_verbose_server_with_zero(self):
        server = self.start("--port", "0", "--verbose")
        with self.connect(server) as client:
            data = support.pattern(300_000)
            self.assert_same(stream(client, data), data)
        server.signal(signal.SIGINT)
        self.assertEqual(server.wait(3), 0, server.words())


if __name__ == "__main__":
    main()
