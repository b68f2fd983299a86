"""`echo client` as a person at a terminal and as a part of a pipeline."""

import fcntl
import os
import pty
import select
import signal
import socket
import subprocess
import tempfile
import termios
import threading
import time

import support
from support import AppTest, MIB, WAIT, environment, main, pattern, reset


class Client(AppTest):
    def command(self, port):
        return [support.PROGRAM, "client", "--host", "127.0.0.1", "--port", str(port)]

    def run_client(self, port, shell_redirect="", **streams):
        """Runs it to its end."""
        command = self.command(port)
        if shell_redirect:
            command = ["sh", "-c", f'exec "$0" "$@" {shell_redirect}', *command]
        return subprocess.run(command, timeout=WAIT, env=environment(),
                              **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams})

    def assert_echoed(self, done, wanted):
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, b"")
        self.assert_same(done.stdout, wanted, "standard output")


class Pipeline(Client):
    def test_lines_through_a_pipe_come_back_as_they_are_without_prompts(self):
        server = self.start()
        for text in (b"one\ntwo\nthree\n", b"\n", b"no newline at the end", b"nul \0 and \xff\n", b""):
            self.assert_echoed(self.run_client(server.port, input=text), text)

    def test_a_mebibyte_without_a_newline_at_the_end_comes_back_identical(self):
        server = self.start()
        data = pattern(MIB)
        self.assert_echoed(self.run_client(server.port, input=data), data)

    def test_a_regular_file_is_sent_to_its_end(self):
        server = self.start()
        for data in (b"", b"short\n", pattern(MIB)):
            with tempfile.TemporaryFile() as file:
                file.write(data)
                file.seek(0)
                self.assert_echoed(self.run_client(server.port, stdin=file), data)

    def test_output_may_be_a_regular_file_too(self):
        server = self.start()
        data = pattern(MIB)
        with tempfile.TemporaryFile() as into:
            self.assertEqual(self.run_client(server.port, input=data, stdout=into).returncode, 0)
            into.seek(0)
            self.assert_same(into.read(), data)

    def test_dev_null_and_a_closed_standard_input_are_an_empty_input(self):
        server = self.start()
        for redirect in ("</dev/null", "<&-"):
            with self.subTest(redirect=redirect):
                self.assert_echoed(self.run_client(server.port, shell_redirect=redirect), b"")
        self.assert_alive(server)

    def test_each_line_comes_back_before_the_next_is_there(self):
        server = self.start()
        process = subprocess.Popen(self.command(server.port), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        with process.stdin, process.stdout:
            for line in (b"first\n", b"second\n"):
                process.stdin.write(line)
                process.stdin.flush()
                self.assertTrue(select.select([process.stdout], [], [], WAIT)[0], f"{line!r} did not come back")
                self.assertEqual(os.read(process.stdout.fileno(), 100), line)
            process.stdin.close()
            self.assertEqual(process.wait(WAIT), 0)

    def test_a_slow_reader_of_its_output_gets_everything(self):
        server = self.start()
        data = pattern(2 * MIB)
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            process = subprocess.Popen(self.command(server.port), stdin=file, stdout=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        with process.stdout:
            time.sleep(0.5)  # the pipe is full meanwhile
            self.assert_same(process.stdout.read(), data)
        self.assertEqual(process.wait(WAIT), 0)

    def test_an_output_that_cannot_be_written_is_an_error(self):
        server = self.start()
        done = self.run_client(server.port, shell_redirect=">/dev/full", input=b"line\n")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_descriptors_that_it_did_not_make_keep_blocking(self):
        server = self.start()
        (in_read, in_write), (out_read, out_write), (err_read, err_write) = os.pipe(), os.pipe(), os.pipe()
        ends = [in_read, out_write, err_write]
        for end in (*ends, in_write, out_read, err_read):
            self.addCleanup(os.close, end)
        before = [fcntl.fcntl(end, fcntl.F_GETFL) for end in ends]
        process = subprocess.Popen(self.command(server.port), stdin=in_read, stdout=out_write, stderr=err_write,
                                   close_fds=False)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.set_blocking(in_write, True)
        os.write(in_write, b"line\n")
        self.assertTrue(select.select([out_read], [], [], WAIT)[0], "nothing came back")
        self.assertEqual(os.read(out_read, 100), b"line\n")
        during = [fcntl.fcntl(end, fcntl.F_GETFL) for end in ends]
        self.assertEqual(during, before, "the flags of a shared descriptor changed while the client ran")
        process.send_signal(signal.SIGTERM)
        process.wait(WAIT)
        self.assertEqual([fcntl.fcntl(end, fcntl.F_GETFL) for end in ends], before, "… or when it ended")


class Terminal(Client):
    def at_terminal(self, server):
        """A client on a pseudo-terminal: the process and our end of it."""
        ours, theirs = pty.openpty()
        settings = termios.tcgetattr(theirs)
        settings[3] &= ~termios.ECHO  # what we type must not look like what came back
        termios.tcsetattr(theirs, termios.TCSANOW, settings)
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        process = subprocess.Popen(self.command(server.port), stdin=theirs, stdout=theirs, stderr=theirs)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, ours, theirs

    def read_until(self, terminal, done, what):
        got, end = b"", time.monotonic() + WAIT
        while not done(got):
            if not select.select([terminal], [], [], 0.1)[0]:
                self.assertLess(time.monotonic(), end, f"waited for {what}, saw {got!r}")
                continue
            got += os.read(terminal, 1000)
        return got

    def test_it_prompts_echoes_prompts_again_and_ends_at_control_d(self):
        process, terminal, _ = self.at_terminal(self.start())
        prompt = self.read_until(terminal, lambda got: got and not got.endswith(b"\n"), "a prompt")
        for word in (b"hello", b"again"):
            os.write(terminal, word + b"\n")
            seen = self.read_until(terminal, lambda got: word in got and got.endswith(prompt[-2:]), "echo and prompt")
            self.assertIn(word, seen)
        os.write(terminal, b"\x04")
        self.assertEqual(process.wait(WAIT), 0)

    def test_the_terminal_keeps_blocking(self):
        process, terminal, theirs = self.at_terminal(self.start())
        before = fcntl.fcntl(theirs, fcntl.F_GETFL)
        self.read_until(terminal, lambda got: got, "a prompt")
        self.assertEqual(fcntl.fcntl(theirs, fcntl.F_GETFL), before)
        os.write(terminal, b"\x04")
        process.wait(WAIT)
        self.assertEqual(fcntl.fcntl(theirs, fcntl.F_GETFL), before)

    def test_it_says_so_when_the_server_has_left(self):
        server = self.start()
        process, terminal, _ = self.at_terminal(server)
        self.read_until(terminal, lambda got: got, "a prompt")
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 0)
        time.sleep(0.1)
        if process.poll() is None:  # it may notice while nobody types, or only now
            os.write(terminal, b"is there anybody?\n")
        self.assertEqual(process.wait(WAIT), 1, "a server that is gone is an error")
        self.read_until(terminal, lambda got: b"127.0.0.1" in got, "a line that names the server")


class Failing(Client):
    def assert_one_line(self, done, *words):
        self.assertEqual(done.returncode, 1, done)
        lines = done.stderr.decode().splitlines()
        self.assertEqual(len(lines), 1, f"not one line: {done.stderr!r}")
        for word in words:
            self.assertIn(word, lines[0].lower())

    def test_a_refused_connection_is_one_line_with_address_and_cause(self):
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        self.assert_one_line(self.run_client(port, input=b"x\n"), f"127.0.0.1:{port}", "refused")

    def leave_after(self, bytes_read, leave):
        """A server that takes one client, reads a little, answers nothing, and leaves."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        listener.settimeout(WAIT)

        def work():
            client, _ = listener.accept()
            got = 0
            while got < bytes_read:
                got += len(client.recv(bytes_read - got))
            leave(client)
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.addCleanup(thread.join, WAIT)
        return listener.getsockname()[1]

    def run_with_open_input(self, port, text):
        """With an input that stays open: the client must notice by itself that the server has gone."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, writer)
        os.write(writer, text)
        try:
            return self.run_client(port, stdin=reader)
        finally:
            os.close(reader)

    def test_a_server_that_ends_the_stream_in_mid_way_is_an_error(self):
        port = self.leave_after(5, lambda client: client.close())
        self.assert_one_line(self.run_with_open_input(port, b"line\n"), f"127.0.0.1:{port}")

    def test_a_server_that_resets_the_connection_is_an_error(self):
        port = self.leave_after(5, reset)
        self.assert_one_line(self.run_with_open_input(port, b"line\n"), f"127.0.0.1:{port}", "reset")

    def test_an_echo_that_lacks_bytes_at_the_end_is_an_error(self):
        def leave(client):
            client.sendall(b"lin")
            client.close()
        port = self.leave_after(5, leave)
        self.assert_one_line(self.run_client(port, input=b"line\n"), f"127.0.0.1:{port}")

    def test_a_signal_ends_a_client_that_waits(self):
        server = self.start()
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen(self.command(server.port), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            self.addCleanup(process.stdin.close)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            time.sleep(0.3)
            process.send_signal(number)
            process.wait(5)


if __name__ == "__main__":
    main()
