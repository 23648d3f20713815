"""How bad a message is."""

from enum import StrEnum
from typing import Self


class Severity(StrEnum):
    """From good to know to drop everything."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the severity a fact names; a word we do not know counts as high, to be heard."""
        return cls(text) if text in list(cls) else cls("high")

    @property
    def rank(self) -> int:
        """Where it stands, 0 for the lightest."""
        return list(type(self)).index(self)

    def is_at_least(self, other: "Severity | None") -> bool:
        """Tell whether it is as bad as another; everything is as bad as none."""
        return other is None or self.rank >= other.rank
