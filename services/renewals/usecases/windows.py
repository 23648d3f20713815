"""Windows before the notice date, by timers.

The notice date is part of a timer's key: a window fires once for a notice date, and again when
the contract moved so that it lies ahead again.
"""

from datetime import date
from uuid import UUID

from services.renewals import storage
from services.renewals.domain.account import Account
from services.renewals.domain.renewal import Renewal
from services.renewals.domain.windows import WINDOWS, window_on, windows_to_open
from shared.contracts.renewals import RenewalWindowOpened
from shared.db import timers
from shared.db.transaction import Transaction

WINDOW_TIMER = "renewal_window"


async def set_windows(tx: Transaction, account: Account, renewal: Renewal) -> None:
    """Set the timers of the windows still to open, or move them where the account's days are."""
    opened = await storage.opened_windows(tx, renewal)
    for window in windows_to_open(renewal.notice_date, account.day_at(tx.now), opened):
        payload = {
            "renewal_id": str(renewal.renewal_id),
            "days": window.days,
            "notice_date": renewal.notice_date.isoformat(),
        }
        timer = timers.Timer(
            kind=WINDOW_TIMER,
            key=_key(renewal, window.days),
            account_id=account.account_id,
            due_at=account.day_begins(window.opens_on),
            payload=payload,
        )
        await timers.schedule(tx, timer)


async def drop_windows(tx: Transaction, renewal: Renewal) -> None:
    """Take away the waiting timers of the renewal's notice date."""
    for days in WINDOWS:
        await timers.cancel(tx, _key(renewal, days))


async def open_window(
    tx: Transaction, account_id: str, renewal_id: UUID, *, days: int, notice_date: date
) -> None:
    """Say that a window has opened, if it still counts.

    It does not when the renewal was decided or moved, when it opened before, or when the service
    was down for so long that a narrower one has begun.
    """
    account = await storage.lock_account_or_fail(tx, account_id)
    renewal = await storage.renewal(tx, account_id, renewal_id)
    if account is None or renewal is None or not renewal.is_undecided:
        return
    is_current = window_on(account.day_at(tx.now), notice_date) == days
    if renewal.notice_date != notice_date or not is_current:
        return
    if await storage.add_window(tx, renewal, days):
        tx.emit(_opened(renewal, days))


def _opened(renewal: Renewal, days: int) -> RenewalWindowOpened:
    return RenewalWindowOpened(
        account_id=renewal.account_id,
        renewal_id=str(renewal.renewal_id),
        contract_id=str(renewal.contract_id),
        window_days=days,
        notice_date=renewal.notice_date,
        probability=renewal.assessment.probability,
    )


def _key(renewal: Renewal, days: int) -> str:
    return f"window:{renewal.renewal_id}:{days}:{renewal.notice_date}"
