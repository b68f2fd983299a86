"""Clients that take more than their share: that never read, never pause, never speak, or leave rudely."""

import random
import resource
import selectors
import socket
import time

from support import (AppTest, MEASURES_MEMORY, MIB, WAIT, allow_descriptors, connect, environment, main, pattern,
                     ping, receive, reset, send_until_stuck, stream, until)


class NeverReads(AppTest):
    def test_a_client_that_sends_and_never_reads_makes_the_server_stop_reading_not_grow(self):
        server = self.start(env=environment(asan=MEASURES_MEMORY))
        with connect(server.port) as other:
            data = pattern(4 * MIB)
            self.assert_same(stream(other, data), data, "warming up")
        before = server.rss()
        client = self.connect(server)
        sent = send_until_stuck(client, 100 * MIB)
        self.assertLess(sent, 100 * MIB, "the server took everything and can have put it only into its memory")
        self.assertLess(server.rss() - before, MIB, f"memory grew while {sent} bytes lay unread")
        used = server.cpu_seconds()
        time.sleep(1)
        self.assertLess(server.cpu_seconds() - used, 0.2, "the server spins while it cannot write")
        for _ in range(100):
            self.assert_alive(server)
        self.assertLess(server.rss() - before, MIB, "memory grew while others were served")

        # The client comes round: nothing was lost.
        block = pattern(MIB)
        client.shutdown(socket.SHUT_WR)
        wanted = block * (sent // MIB) + block[:sent % MIB]
        self.assert_same(receive(client, sent + 1), wanted, "read in the end")

    def test_twenty_such_clients_at_once_do_not_disturb_another(self):
        server = self.start(env=environment(asan=MEASURES_MEMORY))
        for _ in range(20):
            send_until_stuck(self.connect(server), 100 * MIB, patience=0.1)
        before = server.rss()
        data = pattern(MIB)
        with connect(server.port) as client:
            self.assert_same(stream(client, data), data, "beside 20 stuck clients")
        self.assertLess(server.rss() - before, MIB)


class Fairness(AppTest):
    def firehose(self, server):
        """A process that sends and receives as fast as it can, until the case ends."""
        def work():
            client = connect(server.port)
            client.setblocking(False)
            block = bytes(MIB)
            with selectors.DefaultSelector() as selector:
                selector.register(client, selectors.EVENT_READ | selectors.EVENT_WRITE)
                while True:
                    for _, events in selector.select():
                        if events & selectors.EVENT_WRITE:
                            client.send(block)
                        if events & selectors.EVENT_READ:
                            client.recv(MIB)
        self.beside(work)

    def test_a_client_that_never_pauses_starves_neither_the_others_nor_new_ones(self):
        server = self.start()
        old = self.connect(server)
        ping(old)
        for _ in range(2):
            self.firehose(server)
        used = server.cpu_seconds()
        until(lambda: server.cpu_seconds() - used > 0.2, "the firehose to keep the server busy")
        longest = 0.0
        for _ in range(100):
            start = time.monotonic()
            ping(old)
            with connect(server.port) as new:
                ping(new)
            longest = max(longest, time.monotonic() - start)
        self.assertLess(longest, 2.0, "somebody waited for the client that never pauses")

    def test_a_flood_of_new_connections_does_not_starve_an_old_one(self):
        server = self.start()
        old = self.connect(server)

        def work():
            while True:
                with connect(server.port) as client:
                    reset(client)  # no TIME_WAIT is left behind
        self.beside(work)
        time.sleep(0.2)
        start = time.monotonic()
        for _ in range(200):
            ping(old)
        self.assertLess(time.monotonic() - start, WAIT / 2, "200 messages beside a flood of connections")


class ManyClients(AppTest):
    def test_three_hundred_resets_in_mid_stream_leave_nothing_behind(self):
        server = self.start()
        self.assert_alive(server)
        idle = server.descriptors()
        dice, data = random.Random(300), pattern(200_000)
        for number in range(300):
            client = connect(server.port)
            client.setblocking(False)
            try:
                client.send(data[:dice.randint(1, len(data))])
                if number % 3:
                    time.sleep(dice.random() / 1000)
                if number % 2:
                    client.recv(dice.randint(1, 10_000))
            except BlockingIOError:
                pass
            reset(client)
        self.assert_alive(server)
        self.assert_descriptors_return_to(server, idle)
        self.assertEqual(server.errors(), "")

    def test_a_client_that_resets_while_the_server_is_stuck_in_writing_is_let_go(self):
        server = self.start()
        self.assert_alive(server)
        idle = server.descriptors()
        for _ in range(5):
            client = connect(server.port)
            send_until_stuck(client, 100 * MIB, patience=0.1)
            reset(client)
        self.assert_descriptors_return_to(server, idle)
        self.assert_alive(server)

    def test_five_thousand_connections_that_close_at_once_leave_nothing_behind(self):
        server = self.start(env=environment(asan=MEASURES_MEMORY))
        self.assert_alive(server)
        idle, memory = server.descriptors(), server.rss()
        for number in range(5000):
            client = connect(server.port)
            if number % 2:
                reset(client)
            else:
                client.close()
        self.assert_alive(server)
        self.assert_descriptors_return_to(server, idle)
        # Five thousand sessions may stand side by side when the server is slower than the flood; what
        # they held may be kept for the next. It must not be more for every further flood.
        self.assertLess(server.rss() - memory, 16 * MIB)

    def test_five_thousand_idle_connections_cost_no_processor_time_and_slow_nobody(self):
        count = min(5000, allow_descriptors() - 500)
        if count < 1000:
            self.skipTest(f"only {count + 500} descriptors are allowed here")
        server = self.start()
        self.assert_alive(server)
        idle = server.descriptors()
        clients = [self.connect(server, source=(f"127.0.0.{2 + number % 4}", 0)) for number in range(count)]
        for number, client in enumerate(clients):
            ping(client, f"{number}".encode())
        used = server.cpu_seconds()
        time.sleep(2)
        self.assertLess(server.cpu_seconds() - used, 0.1, "idle connections keep the server busy")
        start = time.monotonic()
        for _ in range(500):
            ping(clients[count // 2])
        self.assertLess(time.monotonic() - start, WAIT / 2, "500 messages beside idle connections")
        for client in clients:
            ping(client, b"all of us at once")
        for client in clients:
            client.close()
        self.assert_descriptors_return_to(server, idle)
        self.assert_alive(server)


class DescriptorLimit(AppTest):
    """`ulimit -n 64` and 200 clients: who does not fit waits in the kernel's queue, at no cost."""

    def crowd(self, limit="ulimit -n 64"):
        server = self.start(shell=limit)
        self.assert_alive(server)
        self.idle = server.descriptors()
        clients = [self.connect(server) for _ in range(200)]
        for number, client in enumerate(clients):
            client.sendall(b"%06d" % number)
        return server, clients

    @staticmethod
    def answered(clients):
        with selectors.DefaultSelector() as selector:
            for number, client in enumerate(clients):
                selector.register(client, selectors.EVENT_READ, number)
            return sorted(key.data for key, _ in selector.select(0.2))

    def test_the_server_waits_without_spinning_and_serves_everyone_as_others_leave(self):
        server, clients = self.crowd()
        until(lambda: len(self.answered(clients)) >= 30, "30 answers under a limit of 64 descriptors")
        used = server.cpu_seconds()
        time.sleep(2.5)
        share = (server.cpu_seconds() - used) / 2.5
        self.assertLess(share, 0.2, f"the server uses {share:.0%} of a core while it has no descriptors")
        self.assertLess(len(self.answered(clients)), 64, "the limit does not bind: this tests nothing")
        waiting, end = list(enumerate(clients)), time.monotonic() + 2 * WAIT
        while waiting:
            self.assertLess(time.monotonic(), end, f"{len(waiting)} of 200 clients were never served")
            for index in reversed(self.answered([client for _, client in waiting])):
                number, client = waiting.pop(index)
                self.assertEqual(receive(client, 6), b"%06d" % number)
                client.close()
        self.assert_alive(server)
        self.assert_descriptors_return_to(server, self.idle)

    def test_those_who_wait_are_served_when_the_limit_is_lifted_though_nobody_left(self):
        server, clients = self.crowd(limit="ulimit -Sn 64")
        until(lambda: len(self.answered(clients)) >= 30, "30 answers under a limit of 64 descriptors")
        time.sleep(0.5)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (min(hard, 1000), hard))
        until(lambda: len(self.answered(clients)) == 200, "all 200 answers under a limit of 1,000")
        self.assert_alive(server)

    def test_an_established_connection_goes_on_while_there_are_no_descriptors(self):
        server = self.start(shell="ulimit -n 64")
        old = self.connect(server)
        ping(old)
        for _ in range(200):
            self.connect(server)
        data = pattern(MIB)
        self.assert_same(stream(old, data), data, "beside 200 clients that do not fit")


if __name__ == "__main__":
    main()
