"""The one list of servers that are measured, and how each is started.

Each is an echo server that obeys one contract: its command ends in the port it is to listen on at 127.0.0.1 (0: a
free one), it prints `listening on 127.0.0.1:PORT`, sets TCP_NODELAY, and serves until SIGTERM.
"""

import dataclasses
import pathlib
import shlex
import shutil
import sys
import typing

import children
import load
from children import DESCRIPTORS

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PEERS = "tests/bench/peers"
FLOOR = "epoll_et"  # the key of the server that all others are compared with


@dataclasses.dataclass(frozen=True)
class Server:
    key: str
    name: str
    language: str
    source: str  # relative to the root of the tree; "" if we do not have it
    note: str  # how it is written, and why that is how its users write it for speed
    command: typing.Callable[[pathlib.Path], list]  # of the build folder
    limit: int = DESCRIPTORS - 50  # connections that it can have at a time
    why_limit: str = ""

    def is_available(self, build):
        """Whether it is built, or needs no building."""
        words = self.command(build)
        return all(shutil.which(word) for word in words[:1]) and all(
            pathlib.Path(word).exists() for word in words if word.endswith(".py"))

    def start(self, build):
        """The running server, a `children.Listening`."""
        return children.Listening(self.command(build))


def echo(build, *arguments):
    return [str(build / "apps/echo"), "--host", "127.0.0.1", *arguments, "--port", "0"]


def dunlin(key, name, note, *arguments):
    return Server(key, name, "C++20", f"{PEERS}/dunlin.cpp", note,
                  lambda build: echo(build, *arguments))


def peer(key, name, language, note, suffix="cpp", **more):
    """One that Meson builds from tests/bench/peers into the same folder of the build."""
    return Server(key, name, language, f"{PEERS}/{key}.{suffix}", note,
                  lambda build: [str(build / PEERS / key), "0"], **more)


def python(key, name, note):
    source = ROOT / PEERS / f"{key}.py"
    return Server(key, name, "Python", f"{PEERS}/{key}.py", note, lambda build: [sys.executable, str(source), "0"])


ALL = [
    dunlin("dunlin", "dunlin", "a coroutine per connection, `read` and `write` in a loop: apps/echo as it is; a buffer "
           "of up to 32 KiB, leased while bytes are there"),
    dunlin("dunlin_spin", "dunlin, --spin 50us", "the same, polling for up to 50 µs before it blocks",
           "--spin", "50us"),
    peer("epoll_et", "C epoll, edge-triggered", "C",
         "the floor: registered once, reads until there is nothing left, writes at once; one buffer of 64 KiB for all"),
    peer("epoll_lt", "C epoll, level-triggered", "C",
         "one read and one write for each event; interest in writing only while bytes are owed; one buffer of 64 KiB"),
    peer("poll", "C poll", "C",
         "the whole array handed to the kernel each time, kept short and without gaps; one buffer of 64 KiB for all"),
    peer("select", "C select", "C", "the sets copied for each call, as select(2) wants; one buffer of 64 KiB for all",
         limit=1_015, why_limit="select(2) cannot watch a descriptor above 1,023"),
    peer("libevent", "libevent", "C",
         "plain persistent events with recv and send, no bufferevents to copy through; one buffer of 64 KiB for all"),
    peer("libuv", "libuv", "C", "uv_try_write first, and one buffer of 64 KiB that all connections read into"),
    peer("asio_callbacks", "Boost.Asio, callbacks", "C++20",
         "one thread without locks, the executor known at compile time, lambdas in memory that is recycled; a buffer "
         "of 16 KiB in each session"),
    peer("asio_coroutines", "Boost.Asio, coroutines", "C++20",
         "one thread without locks, the executor known at compile time; a buffer of 16 KiB in each session's frame"),
    peer("go", "Go", "Go",
         "a goroutine and a buffer of 16 KiB per connection on the net package, GOMAXPROCS=1", suffix="go"),
    python("python_epoll", "Python, select.epoll",
           "the tutorial's server, sending at once and queueing what is left; reads up to 64 KiB"),
    python("asyncio_protocol", "Python, asyncio",
           "a BufferedProtocol, since streams cost a task and two copies more; one buffer of 64 KiB for all"),
]


def by_key(key):
    return next(server for server in ALL if server.key == key)


def foreign(text):
    """NAME=COMMAND: a program of the user's, say another build of ours, measured as the others are.

    Its key must be nobody else's: what was measured of that one would be lost.
    """
    name, found, command = text.partition("=")
    words = shlex.split(command)
    if not found or not name or not words or "/" in name:
        raise ValueError(f'"{text}" is not NAME=COMMAND')
    key = "".join(letter if letter.isalnum() else "_" for letter in name)
    if key in {load.FLOOR, *(server.key for server in ALL)}:
        raise ValueError(f"{name} is the name of another server here")
    return Server(key, name, "", "", f"given by --server: {command}", lambda build: words)


def chosen(build, wanted=(), more=(), targets=frozenset()):
    """(those to be measured, {key: why it is not}). `wanted` are parts of keys; none means all.

    `targets` is what the build knows how to make.
    """
    left_out, found = {}, []
    for server in [*ALL, *more]:
        if wanted and server.key != FLOOR and server not in more and not any(part in server.key for part in wanted):
            continue
        if server.is_available(build):
            found.append(server)
        else:
            left_out[server.key] = why_not_there(server, build, targets)
    return found, left_out


def why_not_there(server, build, targets):
    if not server.source:
        return f"there is no program {server.command(build)[0]}"
    if "bench_peers" not in targets:
        return "it is not built: this build folder was set up without tests or without Catch2, and so without peers"
    if f"{PEERS}/{server.key}" in targets:
        return "it is not built: compiling it failed"
    return "it is not built: its package was missing when the folder was set up (`./dev bench --peers` installs it)"
