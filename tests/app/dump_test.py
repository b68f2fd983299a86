"""SIGUSR1 asks the server where every task is, and it goes on serving; gdb shows the same from outside."""

import os
import re
import shutil
import signal
import subprocess
import tempfile

from support import EXTRA, AppTest, main, ping, until


def without_times(dump):
    """A dump as it is at any time."""
    return [re.sub(r"\d+\.\d{3} s", "… s", line) for line in dump.splitlines()]


class DumpTest(AppTest):
    def dump_of(self, server):
        before = len(server.errors())
        server.signal(signal.SIGUSR1)

        def whole():
            text = server.errors()[before:]
            found = re.match(r"tasks: (\d+)\n", text)
            return text if found and text.count("    spawned at ") == int(found[1]) else ""
        return until(whole, "the dump on standard error")

    @staticmethod
    def names(client):
        """The connection as the server's side of it is named."""
        here, there = client.getsockname(), client.getpeername()
        return f"{there[0]}:{there[1]} - {here[0]}:{here[1]}"


class Dump(DumpTest):
    def test_each_session_is_shown_with_its_ends_and_where_it_stands(self):
        server = self.start()
        clients = [self.connect(server) for _ in range(3)]
        for client in clients:
            ping(client)
        text = self.dump_of(server)
        self.assertIn("tasks: 4\n", text)
        self.assertRegex(text, rf"#1 \S.*::serve: waits: accept, fd \d+, 127\.0\.0\.1:{server.port}, for ")
        for client in clients:
            ends = re.escape(self.names(client))
            self.assertRegex(text, rf"(?m)^  #\d+ echo::\S.*::session: waits: read, fd \d+, {ends}, for ")
        self.assertEqual(len(re.findall(r"(?m)^      at echo::\S.*session \S*apps/echo/server\.cpp:\d+$", text)), 3)
        self.assertEqual(len(re.findall(r"(?m)^      spawned at \S*net/serve\.hpp:\d+$", text)), 3)
        for client in clients:
            ping(client)
        self.assert_alive(server)

    def test_one_can_be_had_again_and_again_and_in_the_midst_of_traffic(self):
        server = self.start()
        client = self.connect(server)
        for _ in range(20):
            ping(client)
            self.assertIn("tasks: 2\n", self.dump_of(server))
        self.assert_alive(server)
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 0, server.words())

    def test_a_server_whose_parent_ignores_it_goes_on_ignoring_it(self):
        server = self.start(shell="trap '' USR1")
        server.signal(signal.SIGUSR1)
        self.assert_alive(server)
        self.assertEqual(server.errors(), "")


class Gdb(DumpTest):
    """`dunlin tasks` in gdb, against what the program says of itself."""

    def setUp(self):
        if not shutil.which("gdb"):
            self.skipTest("gdb is not installed")
        self.script = EXTRA[0]

    def gdb(self, *arguments):
        done = subprocess.run(["gdb", "-nx", "-batch", *arguments], capture_output=True, text=True, timeout=120,
                              stdin=subprocess.DEVNULL, env=dict(os.environ, DEBUGINFOD_URLS=""))
        if "ptrace: Operation not permitted" in done.stderr:
            self.skipTest("this machine lets nobody attach to a process")
        said = done.stdout[done.stdout.find("tasks: "):]
        said = "".join(line + "\n" for line in said.splitlines() if re.match(r"tasks: | *(#|at |spawned at )", line))
        self.assertTrue(said, f"gdb said {done.stdout!r} and {done.stderr!r}")
        return said

    def served(self):
        server = self.start()
        clients = [self.connect(server) for _ in range(2)]
        for client in clients:
            ping(client)
        return server, self.dump_of(server)

    def test_a_live_process_is_shown_as_it_shows_itself(self):
        server, own = self.served()
        seen = self.gdb("-p", str(server.pid), "-x", self.script, "-ex", "dunlin tasks")
        self.assertEqual(without_times(seen), without_times(own))
        self.assert_alive(server)

    def test_a_core_file_is_shown_likewise_but_for_the_addresses(self):
        server, own = self.served()
        with tempfile.TemporaryDirectory() as folder:
            core = os.path.join(folder, "core")
            self.gdb("-p", str(server.pid), "-x", self.script, "-ex", "dunlin tasks",
                     "-ex", f"generate-core-file {core}")
            seen = self.gdb(os.readlink(f"/proc/{server.pid}/exe"), core, "-x", self.script, "-ex", "dunlin tasks")
        expected = [re.sub(r"(fd \d+), [^f]*for", r"\1, for", line) for line in without_times(own)]
        self.assertEqual(without_times(seen), expected)

    def test_without_thread_locals_the_scheduler_is_found_in_the_functions(self):
        server, own = self.served()
        # As if the thread-local could not be read: the script then looks through the frames.
        hide = "python gdb.lookup_static_symbol = lambda *_: None"
        seen = self.gdb("-p", str(server.pid), "-ex", hide, "-x", self.script, "-ex", "dunlin tasks")
        self.assertEqual(without_times(seen), without_times(own))


if __name__ == "__main__":
    main(extra=1)
