"""A TCP detour to a server, on which answers may take as long as a test wants."""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeAlias

LOOK_S = 0.2
PIECE = 65_536

Way: TypeAlias = queue.SimpleQueue[tuple[float, bytes]]
"""Answers and when (s, monotonic) they arrive; an empty one is the end."""


class Detour:
    """Listens on one port and carries bytes to and from another; a context manager.

    What the server answers arrives `delay` seconds late; what it is asked goes right through.
    """

    def __init__(self, port: int, target: int) -> None:
        self.delay = 0.0
        self._target = target
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(LOOK_S)
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._threads[0].join()
        for end in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads[1:]:
            thread.join()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            on_their_way: Way = queue.SimpleQueue()
            self._run(self._ask, client, server)
            self._run(self._take, server, on_their_way)
            self._run(self._deliver, on_their_way, client)

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(PIECE):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _take(self, server: socket.socket, on_their_way: Way) -> None:
        data = b"begin"
        while data:
            try:
                data = server.recv(PIECE)
            except OSError:
                data = b""
            on_their_way.put((time.monotonic() + self.delay, data))

    def _deliver(self, on_their_way: Way, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = on_their_way.get()
                self._ended.wait(max(0.0, due - time.monotonic()))
                if not data:
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
