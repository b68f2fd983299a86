"""What the tests of `echo bench` share: runs of it, and servers that are not as they should be."""

import json
import socket
import subprocess
import threading

import support
from support import AppTest, WAIT, environment


class BadServer:
    """A server in a thread of ours: `serve(client, number)` is run for each connection, one after the other."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.serve = serve
        self.clients = []
        self.accepted = 0
        self.received = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return  # closed
            self.clients.append(client)
            self.accepted += 1
            threading.Thread(target=self.run, args=(client, self.accepted - 1), daemon=True).start()

    def run(self, client, number):
        try:
            self.serve(client, number)
        except OSError:
            pass  # the client has left

    def close(self):
        for each in [self.listener, *self.clients]:
            each.close()


def echo(client, _=0, change=lambda data, before: data):
    """Echoes until the client ends; `change` may alter what goes back, and knows how much went before."""
    before = 0
    while data := client.recv(65536):
        client.sendall(change(data, before))
        before += len(data)
    client.close()


class Bench(AppTest):
    def command(self, *arguments):
        return [support.PROGRAM, "bench", *map(str, arguments)]

    def run_bench(self, *arguments, **options):
        return subprocess.run(self.command(*arguments), timeout=3 * WAIT, env=environment(),
                              **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options})

    def result(self, *arguments):
        """What it measured without an error, as JSON."""
        done = self.run_bench("--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        self.assertEqual(len(done.stdout.splitlines()), 1)
        return json.loads(done.stdout)

    def only(self, result):
        self.assertEqual(len(result["targets"]), 1)
        return result["targets"][0]

    def bad_server(self, serve):
        server = BadServer(serve)
        self.addCleanup(server.close)
        return server

    def assert_fails(self, *arguments, words):
        """It ends with 1, and a line on standard error has these words."""
        done = self.run_bench(*arguments)
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stderr, words)
        return done
