"""Compute the counts again from the raw events, and compare."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from math import isclose
from typing import NamedTuple

from services.health.domain.usage.counting import Cell
from services.health.storage.metric import sums
from services.health.storage.usage import raw, usage, usage_days, usage_ids
from services.health.usecases.accounts import known_account
from services.health.usecases.metric.summing import Totals
from shared.db.transaction import Transaction

_TOLD_EVERY = 100_000
_ROUNDING = 1e-9
_NOTHING = (0.0, 0)


class Difference(NamedTuple):
    """A number that is not what the raw events add up to.

    ``what`` is the event's name, the user's id, or the event's name and a property that is added
    up; it and ``account_id`` are empty for ids of a day.
    """

    table: str
    account_id: str
    day: date
    what: str
    kept: float
    raw: float


@dataclass(slots=True)
class Verification:
    """From which local day on was compared, how much, and everything that differs."""

    since: date
    events: int = 0
    rows: int = 0
    ids: int = 0
    differences: list[Difference] = field(default_factory=list)


async def verify_usage(
    tx: Transaction,
    *,
    account_id: str | None = None,
    since: date | None = None,
    tell: Callable[[int], None] = lambda _: None,
) -> Verification:
    """Compare counts with the raw events: by name, by user, sums of properties, and ids.

    Everything is read as of one moment, while usage goes on being counted. Days whose raw events
    are not all kept any more are left out. ``tell`` is called with the number of events read.
    Raises `AccountUnknown`: nothing of nobody would be equal.
    """
    await raw.see_one_moment(tx)
    if account_id is not None:
        await known_account(tx, account_id)
    done = Verification(max(since or date.min, await raw.complete_since(tx)))
    first = {pair: max(day, done.since) for pair, day in (await sums.since(tx)).items()}
    totals = Totals(first)
    names, users = await _add_up(tx, done, account_id, (totals, tell))
    for table, added in (("usage_daily", names), ("usage_users", users)):
        kept = await usage.counts_since(tx, table, done.since, account_id)
        done.rows += len(kept)
        done.differences += _compare(table, kept, added)
    await _compare_sums(tx, done, account_id, totals)
    if account_id is None:
        await _compare_ids(tx, done)
    return done


async def _add_up(
    tx: Transaction,
    done: Verification,
    account_id: str | None,
    into: tuple[Totals, Callable[[int], None]],
) -> tuple[Counter[Cell], Counter[Cell]]:
    totals, tell = into
    names: Counter[Cell] = Counter()
    users: Counter[Cell] = Counter()
    wanted = None if account_id is None else [account_id]
    async for event in raw.read(tx, done.since, date.max, wanted):
        names[event.account_id, event.day, event.name] += 1
        if event.user_id is not None:
            users[event.account_id, event.day, event.user_id] += 1
        totals.add([event])
        done.events += 1
        if done.events % _TOLD_EVERY == 0:
            tell(done.events)
    return names, users


def _compare(
    table: str, kept: Mapping[Cell, int], added: Mapping[Cell, int]
) -> Iterator[Difference]:
    for cell in sorted(kept.keys() | added.keys()):
        if kept.get(cell, 0) != added.get(cell, 0):
            yield Difference(table, *cell, kept.get(cell, 0), added.get(cell, 0))


async def _compare_sums(
    tx: Transaction, done: Verification, account_id: str | None, totals: Totals
) -> None:
    """Compare sums: the number of events exactly, the total up to the order of additions."""
    kept = await sums.kept_since(tx, done.since, account_id)
    done.rows += len(kept)
    for cell in sorted(kept.keys() | totals.found.keys()):
        (total, n), (added, counted) = kept.get(cell, _NOTHING), totals.found.get(cell, _NOTHING)
        if n != counted or not isclose(total, added, rel_tol=_ROUNDING, abs_tol=_ROUNDING):
            account, day, name, prop = cell
            found = Difference("usage_sums", account, day, f"{name} {prop}", total, added)
            done.differences.append(found)


async def _compare_ids(tx: Transaction, done: Verification) -> None:
    """Compare the ids of each day with the raw events counted on it: none twice, none missing."""
    events = await raw.events_by_day(tx)
    for day in sorted(await usage_days.days_of_ids(tx)):
        if day >= await raw.kept_since(tx):
            ids = await usage_ids.count(tx, day)
            done.ids += ids
            if ids != events.get(day, 0):
                row = Difference("usage_ids", "", day, "", ids, events.get(day, 0))
                done.differences.append(row)
