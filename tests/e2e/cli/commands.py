"""A command as people run it: what it printed, and how it exited."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
NOWHERE = "127.0.0.1:1"


@dataclass(frozen=True)
class Said:
    """What a command printed and how it exited."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, which has to be one JSON document."""
        return json.loads(self.out)


Run = Callable[..., Said]
