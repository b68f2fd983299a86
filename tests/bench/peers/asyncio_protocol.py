"""asyncio with a BufferedProtocol, which its documentation has for those who write for speed.

Its streams (StreamReader, StreamWriter) add a task, a future and two copies to every message; a plain Protocol
allocates 256 KiB for every receive. So all connections receive into one buffer. The transport sends at once;
when it cannot, reading pauses until it could. Only the standard library, so without uvloop.
"""

import asyncio
import resource
import signal
import sys

BUFFER = bytearray(65_536)
VIEW = memoryview(BUFFER)


class Echo(asyncio.BufferedProtocol):
    __slots__ = ("transport",)

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=0)  # whatever is left over pauses us

    def get_buffer(self, _):
        return BUFFER

    def buffer_updated(self, size):
        self.transport.write(bytes(VIEW[:size]))  # since Python 3.12 it keeps what it cannot send, uncopied

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


async def main():
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit(f"usage: {sys.argv[0]} PORT")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = 20_000 if hard == resource.RLIM_INFINITY else min(hard, 20_000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    loop = asyncio.get_running_loop()
    # asyncio sets TCP_NODELAY itself.
    server = await loop.create_server(Echo, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    print("listening on 127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()


asyncio.run(main())
