"""What is said of an invariant: what was expected, what was found, and what is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_SHOWN = 4
SENTENCES = {
    1: "acknowledged -> counted once",
    2: "nothing counted that was not sent",
    3: "sums equal the distinct ids",
    4: "outbox = topic = inbox, and empties within 30 s",
    5: "positions never go back; per-account order on the topic = outbox order",
    6: "no duplicate alert, no illegal risk transition",
    7: "ids of notifications sent = due",
    8: "poison isolated within 5 s, readable",
    9: "state equals a recompute from the raw log",
    10: "progress after each fault",
}


@dataclass
class Verdict:
    """One invariant: what was expected, what was found, and everything that is wrong."""

    number: int
    expected: str = ""
    got: str = ""
    wrong: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """I1 to I10."""
        return f"I{self.number}"

    @property
    def sentence(self) -> str:
        """What it says."""
        return SENTENCES[self.number]

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong

    def lines(self) -> list[str]:
        """Return it as people read it."""
        head = f"{self.name:4}{'ok  ' if self.holds else 'FAIL'} {self.sentence}"
        body = [f"         expected {self.expected}", f"         got      {self.got}"]
        more = len(self.wrong) - _SHOWN
        shown = [f"         ! {each}" for each in self.wrong[:_SHOWN]]
        return [head, *body, *shown, *([f"         ! and {more} more"] if more > 0 else [])]


def differences(
    expected: Mapping[tuple[Any, ...], int], got: Mapping[tuple[Any, ...], int]
) -> list[str]:
    """Return the cells in which two tables of counts differ, in words."""
    return [
        f"{' '.join(map(str, cell))}: {expected.get(cell, 0)} expected, {got.get(cell, 0)} counted"
        for cell in expected.keys() | got.keys()
        if expected.get(cell, 0) != got.get(cell, 0)
    ]
