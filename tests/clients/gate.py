"""A gate before the broker: shut (nobody listens), stuck (nobody answers) or open."""

import selectors
import socket
import threading

from tenure.stack.ports import LOOPBACK, free_port

_CHUNK = 64 * 1024


class Gate:
    """Passes connections on to a broker once it is open. A client that got through knows the
    broker's own address and needs the gate no more.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._port = free_port()
        self._is_open = threading.Event()
        self._listener: socket.socket | None = None
        self._sockets: list[socket.socket] = []

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    def let_wait(self) -> None:
        """Take connections, and leave them waiting until the gate opens."""
        listener = socket.create_server((LOOPBACK, self._port))
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def open(self) -> None:
        """Pass everything on, what waits too."""
        if self._listener is None:
            self.let_wait()
        self._is_open.set()

    def close(self) -> None:
        self._is_open.set()
        for each in [self._listener, *self._sockets]:
            if each is not None:
                each.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(near,), daemon=True).start()

    def _pass_on(self, near: socket.socket) -> None:
        self._sockets.append(near)
        self._is_open.wait()
        try:
            far = socket.create_connection(self._target)
            self._sockets.append(far)
            _pump(near, far)
        except OSError:
            near.close()


def _pump(near: socket.socket, far: socket.socket) -> None:
    with selectors.DefaultSelector() as selector, near, far:
        selector.register(near, selectors.EVENT_READ, far)
        selector.register(far, selectors.EVENT_READ, near)
        while True:
            for key, _ in selector.select():
                source: socket.socket = key.fileobj  # type: ignore[assignment]
                data = source.recv(_CHUNK)
                if not data:
                    return
                key.data.sendall(data)
