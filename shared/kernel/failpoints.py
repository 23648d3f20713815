"""Named points at commit boundaries where a fault test can make the process die.

``CRASH_AT=relay.sent`` kills the process the first time that point is reached,
``CRASH_AT=relay.sent:3`` the third time. Without the variable a point costs one comparison.
"""

import os
import signal

_POINT, _, _COUNT = os.environ.get("CRASH_AT", "").partition(":")
_left = int(_COUNT or 1)


def reach(point: str) -> None:
    """Die here, as if by ``kill -9``, when the environment says so."""
    global _left  # noqa: PLW0603 - one countdown per process is the meaning
    if not _POINT or point != _POINT:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
