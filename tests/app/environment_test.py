"""Odd surroundings: standard descriptors that are closed or full. A socket may then be number 0."""

import os
import time

from support import AppTest, MIB, main, pattern, ping, stream


class StandardDescriptors(AppTest):
    def assert_serves(self, server):
        data = pattern(MIB)
        with self.connect(server) as client:
            self.assert_same(stream(client, data), data, server.words())
        with self.connect(server) as client:
            self.assert_same(stream(client, data, finish=True), data, server.words())
        self.assert_alive(server)

    def test_it_serves_with_each_of_them_closed_at_start_and_with_all(self):
        for closed in ("<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"):
            for options in ((), ("--verbose",)):
                with self.subTest(closed=closed, options=options):
                    self.assert_serves(self.start("--port", "0", *options, redirect=closed))

    def test_no_word_of_the_log_ever_goes_to_a_client_whose_socket_has_a_low_number(self):
        server = self.start("--port", "0", "--verbose", redirect="<&- >&- 2>&-")
        clients = [self.connect(server) for _ in range(10)]
        for _ in range(20):
            for client in clients:
                ping(client, b"nothing but this comes back")
        time.sleep(0.2)
        for client in clients:
            client.setblocking(False)
            with self.assertRaises(BlockingIOError):
                client.recv(1)

    def test_it_serves_with_standard_output_full(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("there is no /dev/full here")
        for redirect in (">/dev/full", ">/dev/full 2>/dev/full"):
            with self.subTest(redirect=redirect):
                self.assert_serves(self.start("--port", "0", "--verbose", redirect=redirect))

    def test_it_serves_when_nobody_reads_its_output_any_more(self):
        reader, writer = os.pipe()
        server = self.start("--port", "0", "--verbose", stdout=writer)
        os.close(writer)
        self.assertIn(b"listening on 127.0.0.1:", os.read(reader, 1000))
        os.close(reader)  # from now on a write gives EPIPE, and SIGPIPE to those who did not mind it
        self.assert_serves(server)


if __name__ == "__main__":
    main()
