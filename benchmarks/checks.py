"""Exact counts: a fast wrong answer is a failure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class CountCheck:
    """What a run had to count, and what it counted."""

    what: str
    expected: int
    counted: int

    @property
    def ok(self) -> bool:
        """Whether the count is exact."""
        return self.expected == self.counted

    def as_dict(self) -> Mapping[str, Any]:
        """Return it for the report."""
        return {
            "what": self.what,
            "expected": self.expected,
            "counted": self.counted,
            "ok": self.ok,
        }


@dataclass(slots=True)
class Ledger:
    """All checks of a run."""

    checks: list[CountCheck] = field(default_factory=list)

    def check(self, what: str, *, expected: int, counted: object) -> bool:
        """Note a count; return whether it is exact. No answer at all counts as nothing."""
        found = CountCheck(what, expected, int(str(counted or 0)))
        self.checks.append(found)
        return found.ok

    @property
    def is_exact(self) -> bool:
        """Whether something was checked and all of it was exact."""
        return bool(self.checks) and all(check.ok for check in self.checks)
