"""The time door: windows before the notice date."""

from datetime import date
from uuid import UUID

from services.renewals import usecases
from services.renewals.usecases.windows import WINDOW_TIMER
from shared.db.jobs import Job, timer_job
from shared.db.timers import Timer
from shared.db.transaction import Transaction


async def open_window(tx: Transaction, timer: Timer) -> None:
    """Open the window a timer waited for."""
    await usecases.open_window(
        tx,
        timer.account_id,
        UUID(timer.payload["renewal_id"]),
        days=timer.payload["days"],
        notice_date=date.fromisoformat(timer.payload["notice_date"]),
    )


JOBS: tuple[Job, ...] = (timer_job({WINDOW_TIMER: open_window}),)
