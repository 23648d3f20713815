"""Back-tests: one after the other, each calculated in a process of its own."""

import asyncio
from collections.abc import Mapping
from typing import Any

from services.health.gateways.calculation import Calculation
from services.health.storage.backtest import backtests
from services.health.storage.backtest.backtests import Lease
from services.health.usecases.backtest.backtests import conclude
from shared.db.transaction import Database, Transaction

_ATTEMPTS = 3
_HEARTBEAT = 1.0


async def run_backtests(database: Database) -> bool:
    """Run the back-test whose turn it is, in a process of its own; one at a time everywhere."""
    async with database.transaction() as tx:
        lease = await backtests.claim(tx)
        if lease is not None and lease.attempt > _ATTEMPTS:
            await backtests.fail(tx, lease, "its worker ended three times before it was done")
            return True
    if lease is None:
        return False
    url = database.engine.url.render_as_string(hide_password=False)
    calculation = await Calculation.start(url, lease.id)
    try:
        said = await _follow(database, lease, calculation)
    except asyncio.CancelledError:
        async with database.transaction() as tx:
            await backtests.give_back(tx, lease)
        raise
    finally:
        code = await calculation.stop()
    async with database.transaction() as tx:
        await _conclude(tx, lease, said, code)
    return True


async def _follow(
    database: Database, lease: Lease, calculation: Calculation
) -> Mapping[str, Any] | None:
    """Keep the lease while it calculates; return its last words, None when it has none."""
    progress, stage = 0.0, "starting"
    hearing = asyncio.ensure_future(calculation.heard())
    try:
        while True:
            await asyncio.wait([hearing], timeout=_HEARTBEAT)
            if hearing.done():
                said = hearing.result()
                if said is None or "progress" not in said:
                    return said
                progress, stage = said["progress"], said["stage"]
                hearing = asyncio.ensure_future(calculation.heard())
            async with database.transaction() as tx:
                if not await backtests.renew(tx, lease, progress, stage):
                    return None
    finally:
        hearing.cancel()


async def _conclude(
    tx: Transaction, lease: Lease, said: Mapping[str, Any] | None, code: int
) -> None:
    if said is not None and "result" in said:
        await conclude(tx, lease, said)
    elif said is not None:
        await backtests.fail(tx, lease, str(said["refused"]))
    elif lease.attempt < _ATTEMPTS:
        await backtests.give_back(tx, lease)
    else:
        hint = "; most likely there was too little memory" if code < 0 else "; see the log"
        words = f"the calculation ended {_ATTEMPTS} times with exit code {code}{hint}"
        await backtests.fail(tx, lease, words)
