"""The process that does the sums of one back-test, beside the service and its event loop.

It reads one line of JSON on its standard input: the database's URL and the back-test's id. It
writes lines of JSON: progress, then a result or a refusal. It only reads the database; when its
standard input closes, whoever started it is gone, and so is it.
"""

import asyncio
import os
import sys
import threading
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from services.health.domain.backtest.backtest import Outcome, run_backtest
from services.health.domain.backtest.history import History
from services.health.domain.backtest.plan import Plan
from services.health.domain.backtest.summary import summary
from services.health.domain.backtest.tables import mapping_table
from services.health.domain.profile.profile import Profile
from services.health.storage.backtest import backtests
from services.health.usecases.backtest.backtests import NAME
from services.health.usecases.backtest.history import recorded_history
from shared.db.engine import create_engine
from shared.db.transaction import Database, Row
from shared.kernel.clock import SystemClock
from shared.kernel.errors import Refusal

_ORPHANED = 3
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def main() -> None:
    """Do the sums of the back-test that standard input names."""
    asked = msgspec.json.decode(sys.stdin.buffer.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        _say(**_calculate(asked["url"], UUID(asked["id"])))
    except Refusal as refusal:
        _say(refused=refusal.detail)


def _calculate(url: str, backtest_id: UUID) -> dict[str, Any]:
    _say(progress=0.0, stage="reading history")
    row, history = asyncio.run(_read(url, backtest_id))
    outcome = run_backtest(
        history,
        msgspec.convert(row["profile"], Profile),
        msgspec.convert(row["plan"], Plan),
        lambda part, what: _say(progress=0.1 + 0.9 * part, stage=what),
        fits_model=row["fits_model"],
    )
    return {
        "result": msgspec.to_builtins(outcome.backtest),
        "summary": summary(outcome.backtest),
        "model": _model(outcome),
    }


def _model(outcome: Outcome) -> Any:
    # Its version and its time are given where it is kept.
    model = outcome.model(1, _NEVER)
    return None if model is None else msgspec.to_builtins(model)


async def _read(url: str, backtest_id: UUID) -> tuple[Row, History]:
    engine = create_engine(url, schema="health", pool_size=1)
    database = Database(engine, service="health", clock=SystemClock())
    try:
        async with database.transaction() as tx:
            row = await backtests.get(tx, backtest_id)
            if row is None:
                raise SystemExit(_ORPHANED)
            given = row["outcomes"]
            table = None if given is None else mapping_table(NAME, given)
            return row, await recorded_history(tx, table)
    finally:
        await database.close()


def _say(**said: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()


def _leave_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(_ORPHANED)


if __name__ == "__main__":
    main()
