"""Gather a history to replay: from what the service has recorded, with outcomes of either kind."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta

import numpy as np

from services.health.domain.backtest.history import (
    NOBODY,
    Floats,
    History,
    KnownSignal,
    Renewal,
    UsageLog,
    known_by_end_of,
)
from services.health.domain.backtest.records import Records
from services.health.domain.backtest.tables import Table
from services.health.domain.profile.standing import monthly
from services.health.domain.score.score import Signal
from services.health.storage.backtest import past
from shared.db.transaction import Row, Transaction
from shared.kernel.errors import Invalid

_ONE_DAY = timedelta(days=1)


class NoOutcomes(Invalid):
    """No renewal has ended yet: there is nothing to measure scores by."""


class _Names:
    def __init__(self, names: Sequence[str] = ()) -> None:
        self.numbers = {name: number for number, name in enumerate(names)}

    def of(self, name: str) -> int:
        return self.numbers.setdefault(name, len(self.numbers))


async def recorded_history(tx: Transaction, outcomes: Table | None) -> History:
    """Return usage and signals on record, with the outcomes of a table or those on record.

    Raises `NoOutcomes` or `RowsInvalid`.
    """
    given = Records(tx.now.date())
    if outcomes is not None:
        given.add_outcomes(outcomes)
    asked = given.history()
    names, events, users = _Names(asked.accounts), _Names(), _Names()
    usage = await _usage(past.usage(tx), names, ("name", events))
    people = await _usage(past.users(tx), names, ("user_id", users))
    signals = await _signals(tx, names)
    renewals = asked.renewals if outcomes is not None else await _renewals(tx, names)
    if not renewals:
        raise NoOutcomes
    standings = await past.standings(tx)
    accounts = list(names.numbers)
    told = dict(zip(asked.accounts, asked.segments, strict=True))
    unknown = past.Standing("", "UTC")
    segments = [told.get(n) or standings.get(n, unknown).segment for n in accounts]
    zones = [standings.get(name, unknown).time_zone for name in accounts]
    return History(
        accounts=accounts,
        segments=segments,
        groups=[f"{segment}/{zone}" for segment, zone in zip(segments, zones, strict=True)],
        events=tuple(events.numbers),
        usage=_log(usage, is_users=False),
        people=_log(people, is_users=True),
        renewals=renewals,
        signals=signals,
    )


async def _usage(
    batches: AsyncIterator[Sequence[Row]], names: _Names, what: tuple[str, _Names]
) -> Floats:
    column, known = what
    entries: list[tuple[int, int, int, float]] = []
    async for rows in batches:
        entries += [
            (
                names.of(row["account_id"]),
                row["day"].toordinal(),
                known.of(row[column]),
                float(row["n"]),
            )
            for row in rows
        ]
    return np.array(entries, dtype=np.float64).reshape(-1, 4)


def _log(entries: Floats, *, is_users: bool) -> UsageLog:
    account, day, what, count = entries.T
    days = day.astype(np.int64)
    named = what.astype(np.int64)
    return UsageLog(
        account=account.astype(np.int64),
        day=days,
        event=np.zeros_like(named) if is_users else named,
        count=count.copy(),
        user=named if is_users else np.full_like(named, NOBODY),
        known=known_by_end_of(days),
    )


async def _signals(tx: Transaction, names: _Names) -> Mapping[int, Sequence[KnownSignal]]:
    found: dict[int, list[KnownSignal]] = {}
    async for rows in past.signals(tx):
        for row in rows:
            signal = Signal(row["type"], row["observed_at"], row["value"])
            known = KnownSignal(signal, max(row["recorded_at"], row["observed_at"]))
            found.setdefault(names.of(row["account_id"]), []).append(known)
    return found


async def _renewals(tx: Transaction, names: _Names) -> Sequence[Renewal]:
    return [_renewal(names.of(row["account_id"]), row) for row in await past.outcomes(tx)]


def _renewal(account: int, row: Row) -> Renewal:
    resolved = row["resolved_at"].date()
    has_contract = row["ends_on"] is not None
    due = row["ends_on"] + _ONE_DAY if has_contract else resolved
    return Renewal(
        account=account,
        day=due,
        is_lost=row["is_lost"],
        mrr_minor=monthly(row["amount_minor"], row["starts_on"], row["ends_on"])
        if has_contract
        else None,
        currency=row["currency"],
        starts_on=row["starts_on"],
        notice_on=row["notice_on"],
        # Once it is decided, either way, there is nothing left to predict.
        notice_given_on=resolved if resolved < due else None,
    )
