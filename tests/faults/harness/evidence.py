"""What the services say about a case that failed: whether they run, and their last complaints."""

import json
from pathlib import Path

from tests.faults.harness.scene import Scene

_LAST = 12
_WIDTH = 300
_ROUTINE = ('"level": "info"', '"level": "debug"')


def evidence(scene: Scene) -> list[str]:
    """Return for each replica how it fares and the end of its log without what is routine."""
    lines = []
    for replica in scene.stack.replicas:
        process = replica.process
        state = "runs" if process.is_running else f"ENDED with {process.exit_code}"
        lines.append(f"{replica.service} {state}; its last complaints:")
        lines += [f"  {each[:_WIDTH]}" for each in _complaints(process.spec.log)]
    return lines


def _complaints(path: Path) -> list[str]:
    """Return the last complaint of each kind: what is told by the partition hides no other."""
    if not path.exists():
        return ["no log"]
    last: dict[str, str] = {}
    for line in path.read_text(errors="replace").splitlines():
        if not any(mark in line for mark in _ROUTINE):
            kind = _kind_of(line)
            last.pop(kind, None)  # to the end, where the latest are
            last[kind] = line
    return list(last.values())[-_LAST:]


def _kind_of(line: str) -> str:
    try:
        return str(json.loads(line)["event"])
    except (ValueError, KeyError, TypeError):
        return line
