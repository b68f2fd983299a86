"""The end of the server: one signal is a polite request, a second one is not."""

import signal
import socket
import time

from support import (AppTest, MIB, connect, main, pattern, ping, receive, receive_to_end, send_until_stuck, stream,
                     unacknowledged, until)

# Two seconds are promised; a machine that does other things, or a sanitizer, may add a little.
PROMISED = 3.0


class Stopping(AppTest):
    def assert_ends(self, server, since, promised=PROMISED, code=0):
        ended = server.wait(promised)
        self.assertIsNotNone(ended, f"still there {time.monotonic() - since:.1f} s after the signal: {server.words()}")
        self.assertEqual(ended, code, server.words())

    def test_either_signal_ends_an_idle_server_at_once_with_zero(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            server = self.start()
            since = time.monotonic()
            server.signal(number)
            self.assert_ends(server, since)
            self.assertLess(time.monotonic() - since, 1.0, "nobody was connected: there was nothing to wait for")
            self.assertEqual(server.errors(), "")

    def test_idle_clients_see_the_end_of_the_stream_and_do_not_delay_it(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            server = self.start()
            spoken, silent = self.connect(server), self.connect(server)
            ping(spoken)
            time.sleep(0.1)  # the silent one is accepted by now as well
            since = time.monotonic()
            server.signal(number)
            self.assertEqual(spoken.recv(1), b"")
            self.assertEqual(silent.recv(1), b"")
            self.assert_ends(server, since)
            self.assertLess(time.monotonic() - since, 1.3, "idle clients were given the drain's 1.5 s")

    def test_a_thousand_idle_clients_do_not_delay_it(self):
        server = self.start()
        clients = [self.connect(server) for _ in range(1000)]
        for client in clients:
            ping(client)
        since = time.monotonic()
        server.signal(signal.SIGTERM)
        self.assert_ends(server, since)
        for client in clients:
            self.assertEqual(client.recv(1), b"")

    def test_a_client_that_never_reads_is_cut_off_within_two_seconds(self):
        server = self.start()
        send_until_stuck(self.connect(server), 100 * MIB, patience=0.3)
        since = time.monotonic()
        server.signal(signal.SIGTERM)
        self.assert_ends(server, since)

    def test_what_lay_in_the_receive_buffers_is_written_back_and_then_the_stream_ends(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            server = self.start()
            clients = [(self.connect(server), pattern(size, seed=size)) for size in (1, 1000, 16384, 16385, 48_000)]
            for client, _ in clients:
                ping(client)
            server.pause()  # what is sent now is read after the signal only
            for client, data in clients:
                client.sendall(data)
            time.sleep(0.1)
            server.signal(number)
            server.go_on()
            since = time.monotonic()
            for client, data in clients:
                self.assert_same(receive(client, len(data) + 1), data, f"{len(data)} bytes sent before the signal")
            self.assert_ends(server, since)

    def test_megabytes_in_a_receive_buffer_that_has_grown_are_written_back_too(self):
        for size in (700_000, 1_000_000, 2_000_000):  # how much it takes differs from time to time
            server = self.start()
            client = self.connect(server)
            stream(client, pattern(32 * MIB))  # the kernel lets the buffer of a fast stream grow
            server.pause()
            data = pattern(size)
            client.sendall(data)
            time.sleep(0.3)
            arrived = size - unacknowledged(client)
            server.signal(signal.SIGTERM)
            server.go_on()
            got = receive_to_end(client)
            self.assert_same(got, data[:len(got)], "sent before the signal")
            self.assertGreaterEqual(len(got), arrived, "bytes are missing that were in the receive buffer")
            self.assert_ends(server, time.monotonic())

    def test_an_answer_that_waits_for_a_slow_reader_is_still_delivered(self):
        server = self.start()
        client = self.connect(server)
        sent = send_until_stuck(client, 100 * MIB, patience=0.3)
        arrived = sent - unacknowledged(client)
        server.signal(signal.SIGTERM)
        got = receive_to_end(client)  # reads as fast as it can, well before the drain's end
        block = pattern(MIB)
        self.assert_same(got, (block * (sent // MIB + 1))[:len(got)], "sent before the signal")
        self.assertGreaterEqual(len(got), arrived, "bytes are missing that had been read or were in the buffer")
        self.assert_ends(server, time.monotonic())

    def test_a_client_in_mid_stream_gets_back_a_whole_beginning_of_what_it_sent(self):
        server = self.start()
        client = self.connect(server)
        client.setblocking(False)
        data, sent, got = pattern(64 * MIB), 0, bytearray()
        signalled, end = False, time.monotonic() + PROMISED + 2
        while time.monotonic() < end:
            try:
                sent += client.send(data[sent:sent + 65536])
            except BlockingIOError:
                pass
            except OSError:
                break  # the server is gone
            try:
                more = client.recv(MIB)
                if not more:
                    break
                got += more
            except BlockingIOError:
                pass
            except OSError:
                break
            if not signalled and len(got) > MIB:
                server.signal(signal.SIGTERM)
                signalled = True
        self.assertTrue(signalled)
        self.assert_same(bytes(got), data[:len(got)], "a beginning")
        self.assert_ends(server, time.monotonic())

    def test_the_listener_closes_at_once_while_old_clients_are_still_served(self):
        server = self.start()
        stuck = self.connect(server)
        send_until_stuck(stuck, 100 * MIB, patience=0.3)
        since = time.monotonic()
        server.signal(signal.SIGTERM)

        def is_refused():
            try:
                connect(server.port, timeout=1).close()
            except (ConnectionRefusedError, ConnectionResetError):
                return True
            return False
        until(is_refused, "a refused connection", timeout=1)
        self.assertLess(time.monotonic() - since, 1.0)
        self.assertTrue(server.is_running(), "the stuck client was not given its time: this tests nothing")
        self.assert_ends(server, since)

    def test_a_second_signal_ends_the_server_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)):
            server = self.start()
            send_until_stuck(self.connect(server), 100 * MIB, patience=0.3)
            server.signal(first)
            time.sleep(0.3)
            self.assertTrue(server.is_running(), "one signal ended it at once: this tests nothing")
            since = time.monotonic()
            server.signal(second)
            self.assertIsNotNone(server.wait(0.7), f"still there {time.monotonic() - since:.1f} s after the second signal")

    def test_the_port_can_be_listened_on_again_at_once(self):
        server = self.start()
        ping(self.connect(server))
        server.signal(signal.SIGTERM)
        self.assert_ends(server, time.monotonic())
        again = self.start("--port", str(server.port))  # our server closed first: its end is in TIME_WAIT
        self.assert_alive(again)

    def test_a_signal_while_the_server_has_no_descriptors_left_ends_it(self):
        server = self.start(shell="ulimit -n 64")
        for _ in range(200):
            self.connect(server)
        time.sleep(0.3)
        since = time.monotonic()
        server.signal(signal.SIGTERM)
        self.assert_ends(server, since)


class StopAndContinue(AppTest):
    def test_a_server_that_was_stopped_and_continued_serves_what_came_meanwhile(self):
        server = self.start()
        old = self.connect(server)
        ping(old)
        for turn in range(3):
            server.pause()
            old.sendall(b"meanwhile")
            new = self.connect(server)  # the kernel takes the connection into its queue
            new.sendall(b"new here")
            time.sleep(0.2)
            server.go_on()
            self.assertEqual(receive(old, 9), b"meanwhile", f"time {turn}")
            self.assertEqual(receive(new, 8), b"new here", f"time {turn}")

    def test_a_client_that_left_while_the_server_was_stopped_leaves_nothing_behind(self):
        server = self.start()
        self.assert_alive(server)
        idle = server.descriptors()
        for _ in range(20):
            client = connect(server.port)
            ping(client)
            server.pause()
            client.sendall(b"last words")
            client.shutdown(socket.SHUT_RDWR)
            client.close()
            server.go_on()
        self.assert_alive(server)
        self.assert_descriptors_return_to(server, idle)


if __name__ == "__main__":
    main()
