"""What onboarding does when a time has come."""

from services.onboarding.usecases import landing
from shared.db.jobs import Job, timer_job
from shared.db.timers import Timer
from shared.db.transaction import Transaction


async def mark_overdue(tx: Transaction, timer: Timer) -> None:
    """Mark the milestone of a deadline overdue."""
    await landing.mark_overdue(tx, timer.account_id, str(timer.payload["milestone"]))


JOBS: tuple[Job, ...] = (timer_job({landing.DEADLINE: mark_overdue}),)
