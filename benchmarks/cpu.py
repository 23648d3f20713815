"""How much of a processor each process used, as the kernel accounts for it."""

import os
from collections.abc import Mapping
from pathlib import Path

from tenure.stack.process_facts import descendants

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_UTIME, _CUTIME = 11, 13


def cpu_seconds(pid: int) -> float:
    """Return the seconds that a process, its living and its dead children used; 0 when gone.

    A child counts as dead once its parent reaped it, so nothing counts twice.
    """
    return sum(_one(each) for each in [pid, *descendants(pid)])


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and its children; pages they share count for each."""
    return sum(_resident(each) for each in [pid, *descendants(pid)])


def proportional_bytes(pid: int) -> int:
    """Return the memory of a process and its children, each shared page divided by its users."""
    return sum(_proportional(each) for each in [pid, *descendants(pid)])


class CpuMeter:
    """Measures between two moments, per named process."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._before = self._read()

    def used(self) -> Mapping[str, float]:
        """Return the seconds each process used since the meter was made."""
        return {name: max(0.0, at - self._before[name]) for name, at in self._read().items()}

    def per_event(self, events: int) -> Mapping[str, float]:
        """Return core-microseconds per event, per process."""
        return {name: round(s * 1e6 / max(1, events), 2) for name, s in self.used().items()}

    def _read(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._pids.items()}


def _one(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    fields = text.rpartition(") ")[2].split()
    return sum(int(value) for value in fields[_UTIME : _CUTIME + 2]) / _TICKS


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except OSError:
        return 0


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
