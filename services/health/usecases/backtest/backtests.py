"""Ask for back-tests, and keep what they found."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from services.health.domain.backtest.plan import Plan
from services.health.domain.backtest.records import Records
from services.health.domain.backtest.tables import Table, csv_table, mapping_table
from services.health.domain.profile.profile import Profile
from services.health.domain.score.loss_model import LossModel
from services.health.storage.backtest import backtests
from services.health.storage.backtest.backtests import Lease, NewBacktest
from services.health.storage.profile import profiles
from services.health.storage.score import fitted
from shared.db.transaction import Row, Transaction
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.ids import new_id

_MOST_WAITING = 20
NAME = "outcomes"


class UnknownBacktest(NotFound):
    """There is no back-test with this id."""


class BacktestNotDone(Conflict):
    """The back-test has no result: see its state."""


class BacktestIsOver(Conflict):
    """The back-test is over; there is nothing to cancel."""


class TooManyBacktests(Conflict):
    """Twenty back-tests wait already; cancel one or wait."""


class Question(NamedTuple):
    """What to back-test: ``outcomes`` None means those on record."""

    profile: Profile
    plan: Plan
    outcomes: Sequence[Mapping[str, Any]] | None
    fits_model: bool = False


async def ask(tx: Transaction, question: Question) -> UUID:
    """Queue a back-test. Raises `TooManyBacktests`, or `RowsInvalid` for outcomes given."""
    if question.outcomes is not None:
        Records(tx.now.date()).add_outcomes(mapping_table(NAME, question.outcomes))
    if await backtests.count_waiting(tx) >= _MOST_WAITING:
        raise TooManyBacktests
    backtest_id = new_id()
    await backtests.add(
        tx,
        NewBacktest(
            id=backtest_id,
            profile_name=question.profile.name,
            profile_version=question.profile.version,
            profile=msgspec.to_builtins(question.profile),
            outcomes=question.outcomes,
            plan=msgspec.to_builtins(question.plan),
            fits_model=question.fits_model,
        ),
    )
    return backtest_id


async def conclude(tx: Transaction, lease: Lease, said: Mapping[str, Any]) -> None:
    """Keep what the calculation said: the back-test, its figures, and the model if there is one."""
    if not await backtests.finish(tx, lease, said["result"], said["summary"]):
        return
    row = await find(tx, lease.id)
    kept = {"id": str(lease.id), "finished_at": tx.now.isoformat(), **said["summary"]}
    await profiles.save_backtest(tx, row["profile_name"], row["profile_version"], kept)
    if said.get("model"):
        model = msgspec.convert(said["model"], LossModel)
        version = await fitted.next_version(tx, model.profile_name)
        await fitted.add(tx, replace(model, version=version, trained_at=tx.now), lease.id)
        await backtests.name_model(tx, lease.id, version)


async def find(tx: Transaction, backtest_id: UUID) -> Row:
    """Return a back-test. Raises `UnknownBacktest`."""
    row = await backtests.get(tx, backtest_id)
    if row is None:
        raise UnknownBacktest
    return row


async def find_done(tx: Transaction, backtest_id: UUID) -> Row:
    """Return a back-test with its result. Raises `UnknownBacktest` or `BacktestNotDone`."""
    row = await find(tx, backtest_id)
    if row["state"] != "done":
        raise BacktestNotDone(f"the back-test is {row['state']}: {row['error'] or row['stage']}")
    return row


async def cancel(tx: Transaction, backtest_id: UUID) -> None:
    """Cancel a back-test that waits or runs. Raises `UnknownBacktest` or `BacktestIsOver`."""
    await find(tx, backtest_id)
    if not await backtests.cancel(tx, backtest_id):
        raise BacktestIsOver


def outcomes_of_csv(written: str) -> Sequence[Mapping[str, Any]]:
    """Return the rows of a CSV text. Raises `RowsInvalid` when there are none."""
    table: Table = csv_table(NAME, StringIO(written, newline=""))
    rows = [dict(zip(table.columns, row, strict=False)) for row in table.rows]
    return rows or [dict.fromkeys(table.columns, "")]
