"""The negative control: a build that does not remember what it has already seen.

``python tests/faults/broken_build.py serve health --port N`` is `tenure serve` with the inbox and
the memory of counted ids disabled: both say "new" to everything. The checker must notice.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from services.health.domain.usage.known_ids import KnownIds, Probe
from shared.contracts.event import Event
from shared.db import inbox
from shared.db.transaction import Transaction
from tenure.cli.app import main

_honest_claim = inbox.claim


async def claim_anything(tx: Transaction, event: Event) -> bool:
    """Write the row as always, and take every event for a new one."""
    await _honest_claim(tx, event)
    return True


def suspect_nothing(memory: KnownIds, keys: Sequence[bytes]) -> tuple[set[bytes], list[Probe]]:
    """Take every event for a new one; its id is kept as always."""
    del memory, keys
    return set(), []


if __name__ == "__main__":
    inbox.claim = claim_anything
    KnownIds.suspects = suspect_nothing  # type: ignore[method-assign]
    main()
