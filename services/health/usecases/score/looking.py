"""Look again at accounts where time alone may have changed something."""

from datetime import timedelta
from functools import partial

from services.health.storage.risk import risks
from services.health.storage.score import looks
from services.health.usecases.profile.profiles import PROFILES
from services.health.usecases.risk.handling import wake_due
from services.health.usecases.risk.pulse import compare
from services.health.usecases.risk.watching_signals import watch_signals
from shared.db.jobs import each_alone
from shared.db.transaction import Database

_AT_ONCE = 50
_AFTER_FAILURE = timedelta(minutes=5)


async def look_at_due(database: Database) -> bool:
    """Look at accounts whose time has come, each in a transaction; True when more may be due.

    Signals fade, cool-downs end, snoozed risks wake and pulses grow old without any event.
    """
    async with database.transaction() as tx:
        due = await looks.due(tx, _AT_ONCE)

    async def put_off(account_id: str) -> None:
        async with database.transaction() as tx:
            await looks.postpone(tx, account_id, tx.now + _AFTER_FAILURE)

    await each_alone("look_at_due", due, partial(look_at, database), put_off)
    return len(due) == _AT_ONCE


async def look_at(database: Database, account_id: str) -> None:
    """Look at one account, unless another replica has."""
    async with database.transaction() as tx:
        # The lock on its risks before anything else, as everybody takes them.
        await risks.lock(tx, account_id)
        if await looks.take(tx, account_id):
            profile = await PROFILES.for_account(tx, account_id)
            await watch_signals(tx, account_id, profile, tx.now)
            # What is over or worse by now is told as that, and not that it is back.
            await wake_due(tx, account_id)
            await compare(tx, account_id)
