"""A kernel in a bad mood: interrupted calls, calls that move a few bytes, accept and send that fail.

strace answers system calls in the kernel's place; short_io.cpp, preloaded, cuts them short.
Arguments: PROGRAM SHIM [CASE...].
"""

import shutil
import signal
import subprocess
import time

import support
from support import AppTest, MIB, connect, environment, main, pattern, ping, receive, stream


class ShortIo(AppTest):
    """The calls of the program as short_io.cpp bends them."""

    def bent(self, *words, seed=1):
        env = environment(LD_PRELOAD=support.EXTRA[0], DUNLIN_SHORT_IO=",".join(words), DUNLIN_SHORT_IO_SEED=str(seed))
        return self.start(env=env)

    def assert_streams(self, server, sizes=(1, 13, 14, 1000, 100_000)):
        for size in sizes:
            with connect(server.port) as client:
                data = pattern(size, seed=size)
                self.assert_same(stream(client, data), data, f"{size} bytes")
            with connect(server.port) as client:
                self.assert_same(stream(client, data, finish=True), data, f"{size} bytes, then FIN")

    def test_the_shim_really_cuts_calls_short(self):
        server = self.start("--port", "0", "--verbose", env=environment(
            LD_PRELOAD=support.EXTRA[0], DUNLIN_SHORT_IO="short"))
        with connect(server.port) as client:
            stream(client, bytes(1000))
        support.until(lambda: server.output().lower().count("received") > 50, "more than 50 reads of 1,000 bytes")

    def test_reads_and_writes_of_a_few_bytes_lose_and_double_nothing(self):
        self.assert_streams(self.bent("short"))

    def test_interrupted_calls_are_repeated(self):
        self.assert_streams(self.bent("eintr"), sizes=(1, 1000, MIB))

    def test_readiness_that_was_a_false_alarm_is_waited_out(self):
        self.assert_streams(self.bent("again"), sizes=(1, 1000, MIB))

    def test_all_of_it_at_once_with_many_clients(self):
        for seed in range(5):
            server = self.bent("short", "eintr", "again", "aborted", seed=seed)
            clients = [self.connect(server) for _ in range(50)]
            for turn in range(5):
                for number, client in enumerate(clients):
                    client.sendall(b"%d:%d;" % (number, turn) * 20)
                for number, client in enumerate(clients):
                    wanted = b"%d:%d;" % (number, turn) * 20
                    self.assert_same(receive(client, len(wanted)), wanted, f"seed {seed}, client {number}")
            self.assert_streams(server, sizes=(20_000,))

    def test_connections_aborted_before_they_are_accepted_are_skipped(self):
        server = self.bent("aborted")
        for _ in range(100):
            self.assert_alive(server)

    def test_a_send_that_finds_no_buffers_costs_at_most_that_connection(self):
        server = self.bent("enobufs")
        served = 0
        for _ in range(200):
            with connect(server.port) as client:
                try:
                    ping(client)
                    served += 1
                except (AssertionError, ConnectionError):
                    pass  # this one was dropped
            self.assertTrue(server.is_running(), server.words())
        self.assertGreater(served, 150, "of 200 clients, one in 40 of whose sends failed")

    def test_the_end_is_as_polite_with_interrupted_calls(self):
        # Not with short ones: after a short read the kernel's buffer is empty, so what comes after the
        # stop was not there before it; the shim cannot keep that promise.
        server = self.bent("eintr")
        client = self.connect(server)
        ping(client)
        server.pause()
        data = pattern(48_000)
        client.sendall(data)
        time.sleep(0.1)
        server.signal(signal.SIGTERM)
        server.go_on()
        self.assert_same(receive(client, len(data) + 1), data, "sent before the signal")
        self.assertEqual(server.wait(3), 0, server.words())


class Strace(AppTest):
    """System calls answered by strace. A call that the program does not make injects nothing."""

    RECEIVE = "?recvfrom,?recvmsg"
    SEND = "?sendto,?sendmsg"
    WAIT = "?epoll_wait,?epoll_pwait,?epoll_pwait2"

    def setUp(self):
        if not shutil.which("strace"):
            self.skipTest("strace is not installed")
        if subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode:
            self.skipTest("strace may not trace here")

    def traced(self, *injections):
        wrapper = ["strace", "-D", "-f", "-o", "/dev/null"]  # -D: the tracer is the grandchild, the pid ours
        for injection in injections:
            wrapper += ["-e", f"inject={injection}"]
        return self.start(wrapper=wrapper, env=environment(asan=support.IS_TRACED))

    def assert_streams(self, server, rounds=3):
        for _ in range(rounds):
            with connect(server.port) as client:
                for _ in range(20):
                    ping(client)
                data = pattern(300_000)
                self.assert_same(stream(client, data, finish=True), data, "300,000 bytes, then FIN")

    def test_every_third_call_is_interrupted_and_nothing_is_lost(self):
        names = f"{self.RECEIVE},{self.SEND},{self.WAIT},?accept4"
        for when in ("3+3", "4+2"):
            # The first reads are the loader's, which does not expect to be interrupted.
            self.assert_streams(self.traced(f"{names}:error=EINTR:when={when}", "?read,?readv:error=EINTR:when=20+2"))

    def test_a_kernel_without_epoll_pwait2_is_served_with_epoll_wait(self):
        for error in ("ENOSYS", "EPERM"):
            server = self.traced(f"?epoll_pwait2:error={error}")
            self.assert_streams(server)
            server.signal(signal.SIGTERM)
            self.assertEqual(server.wait(5), 0, server.words())

    def test_connections_that_die_in_the_queue_do_not_end_the_listener(self):
        for error in ("ECONNABORTED", "EPROTO", "ENETDOWN", "EHOSTUNREACH", "EPERM", "ETIMEDOUT"):
            server = self.traced(f"?accept4,?accept:error={error}:when=1+3")
            for _ in range(10):
                self.assert_alive(server)

    def test_accept_that_finds_no_memory_or_descriptors_tries_again_later(self):
        for error in ("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"):
            server = self.traced(f"?accept4,?accept:error={error}:when=1+3")
            for _ in range(5):
                self.assert_alive(server)

    def test_a_full_epoll_set_costs_at_most_that_connection(self):
        for error in ("ENOSPC", "ENOMEM"):
            server = self.traced(f"?epoll_ctl:error={error}:when=6+2")
            served = 0
            for _ in range(20):
                with connect(server.port, timeout=5) as client:
                    try:
                        ping(client)
                        ping(client)
                        served += 1
                    except (AssertionError, ConnectionError):
                        pass
            self.assertTrue(server.is_running(), server.words())
            self.assertGreater(served, 5, f"of 20 clients, with {error} on every other registration")

    def test_a_send_that_finds_no_buffers_costs_at_most_that_connection(self):
        for error in ("ENOBUFS", "ENOMEM", "EPIPE", "ETIMEDOUT"):
            server = self.traced(f"?sendto,?sendmsg:error={error}:when=3+10")
            served = 0
            for _ in range(40):
                with connect(server.port) as client:
                    try:
                        ping(client)
                        served += 1
                    except (AssertionError, ConnectionError):
                        pass
            self.assertTrue(server.is_running(), server.words())
            self.assertGreater(served, 30, f"of 40 clients, with {error} on one send in ten")

    def test_a_receive_that_fails_costs_at_most_that_connection(self):
        server = self.traced("?recvfrom,?recvmsg:error=ETIMEDOUT:when=3+7")
        served = 0
        for _ in range(40):
            with connect(server.port) as client:
                try:
                    ping(client)
                    served += 1
                except (AssertionError, ConnectionError):
                    pass
        self.assertTrue(server.is_running(), server.words())
        self.assertGreater(served, 20)


if __name__ == "__main__":
    main(extra=1)
