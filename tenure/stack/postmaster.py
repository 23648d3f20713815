"""What a postmaster leaves in its cluster folder: its pid file, and processes after a crash."""

import os
import signal
import time
from pathlib import Path

_GONE_WITHIN = 10.0
_POLL = 0.01
_STATUS_LINE = 7


def is_ready(cluster: Path, pid: int) -> bool:
    """Say whether the postmaster `pid` accepts connections; asks its pid file, as pg_ctl does."""
    lines = _lines(_pid_file(cluster))
    return (
        len(lines) > _STATUS_LINE
        and lines[0] == str(pid)
        and lines[_STATUS_LINE].strip() == "ready"
    )


def clear_leftovers(cluster: Path) -> None:
    """Make a cluster that crashed startable. The caller holds the lock of the data folder.

    Kills what a dead supervisor left (a paused server cannot hear the kernel's signal) and drops
    lock files whose number belongs to a stranger by now, or to a zombie that nobody reaps, as in
    a container without an init: PostgreSQL would take either for a rival.
    Raises `TimeoutError` when a left-over process does not go away.
    """
    deadline = time.monotonic() + _GONE_WITHIN
    while left := _server_processes(cluster):
        if time.monotonic() > deadline:
            raise TimeoutError(f"PostgreSQL processes {left} of {cluster} do not go away")
        for pid in left:
            _kill(pid)
        time.sleep(_POLL)
    for lock_file in [_pid_file(cluster), *cluster.glob(".s.PGSQL.*.lock")]:
        if _names_a_process(lock_file):
            lock_file.unlink()


def _server_processes(cluster: Path) -> list[int]:
    """List server processes by working folder, which is the cluster for each of them."""
    home = cluster.resolve()
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _serves(entry, home)]


def _serves(entry: Path, cluster: Path) -> bool:
    try:
        if (entry / "cwd").readlink() != cluster:
            return False
    except OSError:
        return False  # gone, a zombie, or somebody else's
    try:
        return (entry / "exe").readlink().name == "postgres"
    except OSError:
        return True  # dying: it still gives back the shared memory, which no new server may find


def _names_a_process(lock_file: Path) -> bool:
    """Say whether the first line is the id of any process; without /proc we do not know."""
    lines = _lines(lock_file)
    return bool(lines) and Path("/proc", lines[0].strip()).exists()


def _pid_file(cluster: Path) -> Path:
    return cluster / "postmaster.pid"


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it was on its way out
