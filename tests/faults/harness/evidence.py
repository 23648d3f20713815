"""What the services say about a case that failed: whether they run, and their last complaints."""

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
    if not path.exists():
        return ["no log"]
    told = path.read_text(errors="replace").splitlines()
    return [line for line in told if not any(mark in line for mark in _ROUTINE)][-_LAST:]
