"""Count usage events, exactly once."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.health.domain.profile.book import ProfileBook
from services.health.domain.profile.profile import Profile, UsageMilestone
from services.health.domain.usage.arrivals import Arrivals
from services.health.domain.usage.counting import Standing, count, standings, who_did
from services.health.domain.usage.known_ids import KnownIds
from services.health.settings import EVENT_GRACE
from services.health.storage.account.accounts import PeerGroup
from services.health.storage.detector import watermarks
from services.health.storage.detector.watermarks import Watermark
from services.health.storage.usage import raw, usage, usage_ids
from services.health.storage.usage.usage_ids import Claim
from shared.contracts.health import UsageMilestoneReached
from shared.db.transaction import Transaction

_NEWCOMERS = PeerGroup("smb", "UTC")
"""The group of an account that nobody has described yet: the defaults of its row."""


@dataclass(frozen=True, slots=True)
class Counting:
    """What counting goes by: the profile, the ids that are known, and whether raw is kept."""

    profile: Profile | ProfileBook
    known: KnownIds
    keeps_raw: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """A batch as it was read: its events, and the JSON texts they stood in, in one order."""

    arrivals: Arrivals
    values: Sequence[bytes]


async def count_usage(tx: Transaction, batch: Usage, by: Counting) -> Claim | None:
    """Count the events that were not counted before; return their ids, which are to be kept.

    `usage_ids.keep` keeps them, as the last thing before the commit.
    """
    arrivals = batch.arrivals
    if not len(arrivals):
        return None
    today, decided = await usage_ids.decide(tx, arrivals.keys, by.known)
    closed = arrivals.closed()
    groups = await usage.groups(tx, closed.grouped.ids)
    zones = {account: g.time_zone for account, g in groups.items() if g.time_zone != "UTC"}
    new, stands = arrivals.first_places(), standings(closed)
    for key in decided.known:
        del new[key]
    if new:
        counted = np.zeros(len(arrivals), dtype=np.bool_)
        counted[list(new.values())] = True
        chunk = raw.Chunk(batch.values, np.flatnonzero(~counted).tolist(), zones)
        packing = _pack(chunk) if by.keeps_raw else None
        await usage.add(tx, count(closed, zones, counted), stands)
        for milestone in by.profile.milestones:
            pairs = who_did(closed, milestone.event, counted)
            await _reach(tx, milestone, pairs, stands)
        if packing is not None:
            await raw.add(tx, today, len(new), await packing)
    await _note_watermarks(tx, stands, groups)
    return Claim(today, list(new), decided)


def _pack(chunk: raw.Chunk) -> asyncio.Future[bytes]:
    """Compress a chunk in a thread, while the database adds up."""
    return asyncio.ensure_future(asyncio.to_thread(raw.pack, chunk))


async def _note_watermarks(
    tx: Transaction, stands: Mapping[str, Standing], groups: Mapping[str, PeerGroup]
) -> None:
    """Move the watermarks of the accounts' peer groups to their latest live events."""
    marks: dict[tuple[PeerGroup, int], Watermark] = {}
    for account_id, stand in stands.items():
        if stand.live is None:
            continue
        partition, received_at = stand.live.came
        at = (groups.get(account_id, _NEWCOMERS), partition)
        mark = Watermark(min(stand.live.time, received_at), received_at)
        if at not in marks or mark > marks[at]:
            marks[at] = mark
    if marks:
        await watermarks.note(tx, marks, EVENT_GRACE)


async def _reach(
    tx: Transaction,
    milestone: UsageMilestone,
    pairs: Collection[tuple[str, str]],
    stands: Mapping[str, Standing],
) -> None:
    """Note users of accounts that did a milestone's event, and say which accounts are there."""
    done = await usage.reached(tx, milestone.name, {a for a, _ in pairs}) if pairs else set()
    pairs = {pair for pair in pairs if pair[0] not in done}
    if not pairs:
        return
    found = await usage.add_milestone_users(tx, milestone.name, pairs)
    there = sorted(one for one, users in found.items() if users >= milestone.users)
    if there:
        await usage.reach_milestone(tx, there, milestone.name)
    for account_id in there:
        tx.emit(
            UsageMilestoneReached(
                account_id=account_id,
                milestone=milestone.name,
                reached_at=stands[account_id].last_active_at,
                users=found[account_id],
            )
        )
