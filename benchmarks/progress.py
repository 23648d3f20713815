"""How fast a consumer works, seen from outside: the same for Tenure and for its rivals.

A consumer reads a small log first, so that it has started, joined its group and warmed up. Then it
is stopped in its tracks (SIGSTOP), the log is filled, and it goes on (SIGCONT): here the clock
starts. It ends when the last event is seen to be committed.
"""

import time
from collections.abc import Callable

_LEAST_PAUSE = 0.03
_PATIENCE = 10


class TooSlowError(RuntimeError):
    """A consumer did not reach the end in time; the message says how far it came."""


def wait_for(
    committed: Callable[[], int], end: int, *, within: float, is_alive: Callable[[], bool]
) -> float:
    """Ask until ``end`` is reached; return when (`time.monotonic`). Raises `TooSlowError`."""
    deadline = time.monotonic() + within
    while True:
        asked = time.monotonic()
        found = committed()
        now = time.monotonic()
        if found >= end:
            return now
        if now > deadline or not is_alive():
            why = "ended" if now <= deadline else f"is not done after {within:g} s"
            raise TooSlowError(f"the consumer {why}: {found} of {end} events")
        # Asking must not cost what is measured.
        time.sleep(max(_LEAST_PAUSE, _PATIENCE * (now - asked)))
