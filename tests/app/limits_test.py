"""What the server's limits do: --max-connections, --idle-timeout, --drain."""

import signal
import time

from support import MIB, AppTest, main, ping, receive, send_until_stuck, until


class MaxConnections(AppTest):
    def test_those_beyond_the_limit_are_served_when_others_leave(self):
        server = self.start("--port", "0", "--max-connections", "2")
        first, second, third = (self.connect(server) for _ in range(3))
        ping(first)
        ping(second)
        third.sendall(b"third")
        third.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            third.recv(1)
        ping(first)
        first.close()
        third.settimeout(10)
        self.assertEqual(receive(third, 5), b"third")
        ping(second)


class IdleTimeout(AppTest):
    def test_a_silent_client_is_let_go_and_a_talking_one_is_not(self):
        server = self.start("--port", "0", "--idle-timeout", "0.8")
        silent, talking = self.connect(server), self.connect(server)
        since = time.monotonic()
        ended = 0.0
        silent.setblocking(False)
        while not ended:
            ping(talking)
            time.sleep(0.05)
            try:
                self.assertEqual(silent.recv(1), b"")
                ended = time.monotonic() - since
            except BlockingIOError:
                self.assertLess(time.monotonic() - since, 10, "the silent client is still there")
        self.assertGreater(ended, 0.7)
        ping(talking)

    def test_a_client_that_never_reads_is_let_go(self):
        server = self.start("--port", "0", "--idle-timeout", "0.5")
        before = server.descriptors()
        send_until_stuck(self.connect(server), 100 * MIB, patience=0.3)
        # Its answers lie in the kernel, and so does what it sent: it lingers for two seconds.
        until(lambda: server.descriptors() == before, "the end of the stuck session", timeout=10)
        self.assert_alive(server)


class Drain(AppTest):
    def end_of_stuck(self, *arguments):
        """How long a server lives that is asked to end while a client does not take its answers."""
        server = self.start("--port", "0", *arguments)
        send_until_stuck(self.connect(server), 100 * MIB, patience=0.3)
        since = time.monotonic()
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 0, server.words())
        self.assertIn("draining: 0 idle and 1 busy sessions", server.errors())
        self.assertIn("1 session was cut off", server.errors())
        return time.monotonic() - since

    def test_a_busy_client_gets_as_long_as_was_said(self):
        self.assertLess(self.end_of_stuck("--drain", "0"), 0.4)
        took = self.end_of_stuck("--drain", "0.7")
        self.assertGreaterEqual(took, 0.69)
        self.assertLess(took, 1.4)


if __name__ == "__main__":
    main()
