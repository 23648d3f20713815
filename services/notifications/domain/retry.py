"""When to try again: twelve times over 96 hours."""

from datetime import timedelta

_MINUTE, _HOUR = 60, 3600

WAITS: tuple[timedelta, ...] = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        5,
        25,
        90,
        8 * _MINUTE,
        50 * _MINUTE,
        1 * _HOUR,
        2 * _HOUR,
        4 * _HOUR,
        8 * _HOUR,
        16 * _HOUR,
        28 * _HOUR,
        36 * _HOUR,
    )
)
"""The wait after the first failed attempt, the second and so on; 96 h in all."""

LAST_ATTEMPT = len(WAITS) + 1

_LONGEST_REST = 3
_SPREAD = 0.1
_LONGEST_ASKED = timedelta(hours=24)


def rest_after(silences: int) -> timedelta:
    """Return how long to leave a receiver alone that let attempts time out, in a row; 90 s at most.

    What it keeps waiting is a sender, whom others need.
    """
    return WAITS[min(silences, _LONGEST_REST) - 1]


def wait_after(attempt: int, *, jitter: float, asked: timedelta | None = None) -> timedelta | None:
    """Return how long to wait after a failed attempt, the first being 1; None to give up.

    ``jitter`` in 0..1 spreads the wait over 90 % to 110 %, so that receivers that come back are
    not met by everything at once. ``asked`` is a receiver's Retry-After, obeyed up to 24 h.
    """
    if attempt >= LAST_ATTEMPT:
        return None
    planned = WAITS[attempt - 1] * (1 - _SPREAD + 2 * _SPREAD * jitter)
    return planned if asked is None else max(planned, min(asked, _LONGEST_ASKED))
