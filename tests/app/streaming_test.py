"""Bytes go there and back: every size, many connections, both ways at once, after a half-close."""

import random
import selectors
import socket
import struct
import time

from support import AppTest, MIB, WAIT, connect, first_difference, main, pattern, receive, stream


class Streaming(AppTest):
    def test_every_size_from_one_byte_to_ten_mebibytes_comes_back_while_it_is_sent(self):
        server = self.start()
        sizes = {size + near for power in range(24) for size in [1 << power] for near in (-1, 0, 1)}
        for size in sorted(sizes - {0} | {10 * MIB - 1, 10 * MIB}):
            with connect(server.port) as client:
                data = pattern(size, seed=size)
                self.assert_same(stream(client, data), data, f"{size} bytes")

    def test_many_sizes_follow_each_other_on_one_connection(self):
        client = self.connect(self.start())
        dice = random.Random(7)
        for _ in range(200):
            data = pattern(dice.choice([1, 2, 100, 4095, 16384, 16385, 65536, 300_000]), seed=dice.random())
            self.assert_same(stream(client, data), data, f"{len(data)} bytes")

    def test_what_is_sent_before_the_half_close_comes_back_in_full_and_then_the_end(self):
        server = self.start()
        for size in (0, 1, 16384, 16385, 5 * MIB):
            with connect(server.port) as client:
                data = pattern(size, seed=size)
                if size:
                    got = stream(client, data, finish=True)
                else:
                    client.shutdown(socket.SHUT_WR)
                    got = client.recv(1)
                self.assert_same(got, data, f"{size} bytes, then FIN")

    def test_a_client_that_reads_only_after_its_half_close_gets_everything(self):
        client = self.connect(self.start())
        data = pattern(60_000)
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        time.sleep(0.3)  # the server has read the end of the stream long before we look
        self.assert_same(receive(client, len(data) + 1), data, "read late")

    def test_small_messages_in_a_pipeline_of_any_depth_come_back_in_order(self):
        client = self.connect(self.start())
        for depth in (1, 2, 16, 64, 1000, 5000):
            messages = b"".join(struct.pack("!QQ", depth, number) for number in range(depth))
            self.assert_same(stream(client, messages, chunk=lambda: 16), messages, f"depth {depth}")

    def test_five_hundred_connections_with_random_chunks_each_get_their_own_bytes(self):
        server = self.start()
        dice = random.Random(500)
        with selectors.DefaultSelector() as selector:
            clients = []
            for number in range(500):
                client = self.connect(server)
                client.setblocking(False)
                state = {"socket": client, "data": pattern(dice.randint(1, 60_000), seed=number), "sent": 0,
                         "got": bytearray(), "number": number}
                clients.append(state)
                selector.register(client, selectors.EVENT_READ | selectors.EVENT_WRITE, state)
            waiting, end = len(clients), time.monotonic() + 3 * WAIT
            while waiting:
                self.assertLess(time.monotonic(), end, f"{waiting} of 500 connections still wait for their bytes")
                for key, events in selector.select(0.5):
                    waiting -= self.step(selector, key.data, events, dice)
        for state in clients:
            self.assert_same(bytes(state["got"]), state["data"], f"connection {state['number']}")

    @staticmethod
    def step(selector, state, events, dice):
        """Sends a random chunk, receives a random chunk; True when everything is back."""
        client, data = state["socket"], state["data"]
        if events & selectors.EVENT_WRITE and state["sent"] < len(data):
            at = state["sent"]
            state["sent"] += client.send(data[at:at + dice.randint(1, 5000)])
            if state["sent"] == len(data):
                selector.modify(client, selectors.EVENT_READ, state)
        if events & selectors.EVENT_READ:
            more = client.recv(dice.randint(1, 5000))
            if not more:
                raise AssertionError(f"connection {state['number']} ended after {len(state['got'])} bytes")
            state["got"] += more
            if len(state["got"]) >= len(data):
                selector.unregister(client)
                return True
        return False


class UrgentData(AppTest):
    """TCP's urgent byte is taken out of the stream, and recv(2) stops short at its place: a server that
    takes a short read for a drained socket then waits for an edge that does not come."""

    def test_the_bytes_after_an_urgent_byte_come_back_at_once_without_a_half_close(self):
        server = self.start()
        client = self.connect(server)
        for turn in (1, 2, 3):
            before, after = pattern(3000, seed=turn), pattern(5000, seed=-turn)
            client.sendall(before)
            client.send(b"!", socket.MSG_OOB)
            client.sendall(after)
            client.settimeout(5)
            try:
                got = receive(client, len(before) + len(after))
            except TimeoutError:
                self.fail(f"time {turn}: the bytes after the urgent mark did not come back")
            self.assertFalse(first_difference(got, before + after), f"time {turn}")

    def test_data_that_lies_on_both_sides_of_the_mark_when_the_server_looks_comes_back(self):
        server = self.start()
        client = self.connect(server)
        client.sendall(b"here")
        self.assertEqual(receive(client, 4), b"here")
        for turn in (1, 2):
            server.pause()  # all of it is in the receive buffer before the server's next read
            client.sendall(b"before")
            client.send(b"!", socket.MSG_OOB)
            client.sendall(b"after")
            time.sleep(0.05)
            server.go_on()
            client.settimeout(5)
            try:
                got = receive(client, 11)
            except TimeoutError:
                self.fail(f"time {turn}: the server stays at the urgent mark")
            self.assertEqual(got, b"beforeafter")

    def test_an_urgent_byte_alone_disturbs_nothing_and_costs_no_processor_time(self):
        server = self.start()
        client = self.connect(server)
        client.send(b"!", socket.MSG_OOB)
        time.sleep(0.1)
        used = server.cpu_seconds()
        time.sleep(1.0)
        self.assertLess(server.cpu_seconds() - used, 0.2, "the server spins on urgent data that it does not read")
        client.sendall(b"normal")
        self.assertEqual(receive(client, 6), b"normal")


if __name__ == "__main__":
    main()
