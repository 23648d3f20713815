"""Free TCP ports on loopback, chosen so that they stay free while a server is down."""

import random
import socket
from pathlib import Path

from tenure.stack.errors import NoFreePortError

LOOPBACK = "127.0.0.1"
_LOWEST = 15_000
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_DEFAULT_EPHEMERAL_START = 32_768
_ATTEMPTS = 200


def free_port() -> int:
    """Return a loopback TCP port that nobody listens on, below the ephemeral range.

    Clients that retry while their server is down connect from ephemeral ports; one day the
    source port equals the target port, the socket connects to itself and the server can never
    bind again. Outside of that range this cannot happen.
    """
    for _ in range(_ATTEMPTS):
        port = random.randrange(_LOWEST, _ephemeral_start())  # noqa: S311 - not a secret
        if is_free(port):
            return port
    raise NoFreePortError("no free TCP port on loopback")


def is_free(port: int) -> bool:
    """Say whether a server could listen on `port` of loopback now."""
    with socket.socket() as probe:
        # As servers do: connections of the last run in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _ephemeral_start() -> int:
    try:
        start = int(_EPHEMERAL_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _DEFAULT_EPHEMERAL_START
    return start if start > _LOWEST else _DEFAULT_EPHEMERAL_START
