"""What a run was asked to do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes of a run. Numbers that were not given (0) depend on ``quick``."""

    quick: bool = False
    broker: str = "embedded"
    rounds: int = 0
    events: int = 0
    accounts: int = 0
    rows: int = 0
    rival_python: Path = Path("benchmarks/.venv/bin/python")
    say: Say = field(default=lambda _: None)

    def size(self, given: int, *, full: int, quick: int) -> int:
        """Return what was given, or what this kind of run takes."""
        return given or (quick if self.quick else full)
