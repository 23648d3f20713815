"""The time door: the day from which landing no longer holds."""

from services.expansion import usecases
from shared.db.jobs import Job, timer_job
from shared.db.timers import Timer
from shared.db.transaction import Transaction


async def end_hold(tx: Transaction, timer: Timer) -> None:
    """Look again at the account a timer waited for."""
    await usecases.end_hold(tx, timer.account_id)


JOBS: tuple[Job, ...] = (timer_job({usecases.HOLD_TIMER: end_hold}),)
