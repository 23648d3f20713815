"""What both brokers of the no-Docker stack can do, and the one question asked of any of them."""

import socket
import struct
from typing import Protocol

from tenure.stack.ports import LOOPBACK

_METADATA, _VERSION, _CORRELATION = 3, 1, 0
_NO_CLIENT_ID, _NO_TOPICS = -1, 0
_REQUEST = struct.pack(">hhihi", _METADATA, _VERSION, _CORRELATION, _NO_CLIENT_ID, _NO_TOPICS)
_PROBE_TIMEOUT = 2.0


class Broker(Protocol):
    """A Kafka-protocol broker that we run: `EmbeddedBroker` or `ApacheKafka`."""

    @property
    def bootstrap(self) -> str:
        """Addresses for clients, `host:port` with commas between; the same after a restart."""

    def start(self) -> None:
        """Start, and return when clients can work. Raises `StackError`."""

    def stop(self) -> None:
        """Stop in good order; not running is fine."""


def live_nodes(port: int) -> set[int]:
    """Ask the broker on loopback `port` which nodes are alive; empty when it does not answer.

    An open port proves little: Kafka accepts connections before it serves them. A node that
    finds itself in this answer (a Metadata request, version 1) takes part in the cluster.
    """
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_PROBE_TIMEOUT) as connection:
            connection.sendall(struct.pack(">i", len(_REQUEST)) + _REQUEST)
            (size,) = struct.unpack(">i", _read(connection, 4))
            return _node_ids(_read(connection, size))
    except (OSError, struct.error):
        return set()


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionResetError("the broker closed the connection")
        data += part
    return data


def _node_ids(response: bytes) -> set[int]:
    """Read the node ids: correlation id, then an array of (id, host, port, rack)."""
    (count,) = struct.unpack_from(">i", response, 4)
    found, position = set[int](), 8
    for _ in range(count):
        node, host_size = struct.unpack_from(">ih", response, position)
        position += 6 + host_size + 4
        (rack_size,) = struct.unpack_from(">h", response, position)
        position += 2 + max(rack_size, 0)
        found.add(node)
    return found
