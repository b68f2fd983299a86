"""The tutorial's server: select.epoll in Python, a dictionary of sockets, a queue of messages for each.

What its readers write for speed: bytes are sent at once, and only what does not fit is queued; so the interest
is switched to EPOLLOUT and back for slow clients alone, not for every message as in the tutorial itself.
"""

import collections
import resource
import select
import signal
import socket
import sys

BUFFER = 65_536


def listen_on(port):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by what it accepts
    listener.bind(("127.0.0.1", port))
    listener.listen(4096)
    listener.setblocking(False)
    return listener


def serve(listener):
    poller = select.epoll()
    poller.register(listener.fileno(), select.EPOLLIN)
    clients = {}  # by descriptor
    queues = {}  # of those that owe bytes: they are not read from meanwhile
    is_paused = False  # no descriptor was left for accept

    def accept_all():
        nonlocal is_paused
        try:
            while True:
                client, _ = listener.accept()
                client.setblocking(False)
                clients[client.fileno()] = client
                poller.register(client.fileno(), select.EPOLLIN)
        except (BlockingIOError, ConnectionAbortedError):
            pass
        except OSError:
            is_paused = True
            poller.modify(listener.fileno(), 0)

    def close(fd):
        nonlocal is_paused
        poller.unregister(fd)
        clients.pop(fd).close()
        queues.pop(fd, None)
        if is_paused:
            is_paused = False
            poller.modify(listener.fileno(), select.EPOLLIN)

    def echo(fd):
        client = clients[fd]
        data = client.recv(BUFFER)
        if not data:
            close(fd)
            return
        try:
            sent = client.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            queues[fd] = collections.deque([data[sent:]])
            poller.modify(fd, select.EPOLLOUT)

    def send_queue(fd):
        client, queue = clients[fd], queues[fd]
        while queue:
            data = queue.popleft()
            sent = client.send(data)
            if sent < len(data):
                queue.appendleft(data[sent:])
                return
        del queues[fd]
        poller.modify(fd, select.EPOLLIN)

    listener_fd = listener.fileno()
    while True:
        for fd, _ in poller.poll():
            if fd == listener_fd:
                accept_all()
                continue
            try:
                if fd in queues:
                    send_queue(fd)
                else:
                    echo(fd)
            except BlockingIOError:
                pass
            except OSError:
                close(fd)


def main():
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit(f"usage: {sys.argv[0]} PORT")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = 20_000 if hard == resource.RLIM_INFINITY else min(hard, 20_000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    listener = listen_on(int(sys.argv[1]))
    print("listening on 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    serve(listener)


main()
