"""The negative control: a build that does not remember what it has already seen.

``python tests/faults/broken_build.py serve health --port N`` is `tenure serve` with the inbox and
the table of counted ids disabled: both say "new" to everything. The checker must notice.
"""

import sys
from collections.abc import Iterable
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from services.health.storage import usage_ids
from services.health.storage.usage_ids import PastDays
from shared.contracts.event import Event
from shared.db import inbox
from shared.db.transaction import Transaction
from tenure.cli.app import main

_honest_claim, _honest_usage_claim = inbox.claim, usage_ids.claim


async def claim_anything(tx: Transaction, event: Event) -> bool:
    """Write the row as always, and take every event for a new one."""
    await _honest_claim(tx, event)
    return True


async def claim_any_usage(
    tx: Transaction, keys: Iterable[bytes], today: date, past: PastDays
) -> set[bytes]:
    """Write the ids as always, and take every event for a new one."""
    await _honest_usage_claim(tx, keys, today, past)
    return set()


if __name__ == "__main__":
    inbox.claim = claim_anything
    usage_ids.claim = claim_any_usage
    main()
