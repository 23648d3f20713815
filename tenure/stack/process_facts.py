"""What the kernel and a log file tell about processes that need not be our children."""

import time
from pathlib import Path

_STOPPED_WITHIN = 5.0
_STOPPED_POLL = 0.002
_TAIL_LINES = 20
_TAIL_BYTES = 16_384


def tail(log: Path, lines: int = _TAIL_LINES) -> str:
    """Return the last `lines` lines of a log file, or a note when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"(no log: {error.strerror})"
    return "\n".join(text.splitlines()[-lines:]) or "(empty)"


def descendants(pid: int) -> list[int]:
    """List children, grandchildren and so on of `pid`; empty where there is no /proc."""
    found: list[int] = []
    for child in _children(pid):
        found += [child, *descendants(child)]
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for listing in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in listing.read_text(encoding="ascii").split()]
    except OSError:
        return found  # it, or one of its threads, ended while we looked
    return found


def wait_until_stopped(pid: int) -> None:
    """Wait until the kernel carried out a SIGSTOP, which it does in its own time."""
    status = Path(f"/proc/{pid}/stat")
    deadline = time.monotonic() + _STOPPED_WITHIN
    while time.monotonic() < deadline:
        try:
            state = status.read_text(encoding="utf-8").rpartition(") ")[2][:1]
        except OSError:
            return  # ended meanwhile, or a system without /proc
        if state in "TtZX":
            return
        time.sleep(_STOPPED_POLL)
