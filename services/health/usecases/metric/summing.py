"""Make sums of properties for days past, from the raw usage that is kept."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date

import msgspec

from services.health.domain.usage.arrivals import amounts_of
from services.health.domain.usage.counting import SumCell
from services.health.storage.metric import sums
from services.health.storage.metric.sums import Pair
from services.health.storage.usage import raw
from services.health.storage.usage.raw import RawEvent
from shared.db.transaction import Transaction

Since = Mapping[Pair, date]


async def make_sums(tx: Transaction, account_ids: Sequence[str], pairs: Collection[Pair]) -> Since:
    """Make the sums of accounts as far back as raw usage goes; return since when each is whole.

    All of raw usage is read first, while counting goes on; then the accounts are locked for as
    long as it takes to read what came in meanwhile, so that nothing is missed or counted twice.
    """
    since, first = await sums.since(tx), await raw.complete_since(tx)
    missing = {pair for pair in pairs if since.get(pair, date.max) > first}
    if not missing or not account_ids:
        return since
    totals = Totals(dict.fromkeys(missing, first), frozenset(account_ids))
    begun, seen = sums.recent_id(), set()
    async for batch_id, events in sums.raw_batches(tx):
        totals.add(events)
        if batch_id >= begun:
            seen.add(batch_id)
    await sums.lock_accounts(tx, account_ids)
    async for events in sums.raw_batches_since(tx, begun, seen):
        totals.add(events)
    await sums.replace(tx, account_ids, missing, totals.found, first_day=first)
    return {**since, **dict.fromkeys(missing, first)}


async def note_complete(tx: Transaction, pairs: Collection[Pair]) -> None:
    """Note that the sums of every account are whole as far back as raw usage goes."""
    await sums.complete(tx, pairs, await raw.complete_since(tx))


class Totals:
    """Adds up properties of raw events, each from a day on, for some accounts or for all."""

    def __init__(self, since: Since, accounts: frozenset[str] | None = None) -> None:
        self.found: dict[SumCell, tuple[float, int]] = {}
        self._since, self._accounts = since, accounts
        self._wanted: dict[str, set[str]] = {}
        for name, prop in since:
            self._wanted.setdefault(name, set()).add(prop)

    def add(self, events: Iterable[RawEvent]) -> None:
        """Add what some events carry; what is no number adds nothing."""
        for event in events:
            wanted = self._wanted.get(event.name)
            if wanted and (self._accounts is None or event.account_id in self._accounts):
                self._add(event, wanted)

    def _add(self, event: RawEvent, wanted: set[str]) -> None:
        properties = msgspec.json.decode(event.properties)
        for amount in amounts_of(properties if isinstance(properties, dict) else {}, wanted, 0):
            if event.day >= self._since[event.name, amount.property]:
                cell = (event.account_id, event.day, event.name, amount.property)
                total, n = self.found.get(cell, (0.0, 0))
                self.found[cell] = (total + amount.value, n + 1)
