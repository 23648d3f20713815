"""What is told of renewals."""

from datetime import date

from services.notifications.domain.kinds import MessageKind
from services.notifications.domain.message import Notice
from services.notifications.domain.severity import Severity
from services.notifications.listeners.words import heard_at
from services.notifications.usecases import alerts
from shared.bus.listeners import Listener, on
from shared.contracts.renewals import (
    RenewalAtRisk,
    RenewalReassessed,
    RenewalRestored,
    RenewalWindowOpened,
)
from shared.db.transaction import Transaction
from shared.kernel.figures import counted, percent

_LIKELY_LOST = 0.5
_SOON_DAYS = 30


async def tell_renewal_at_risk(tx: Transaction, fact: RenewalAtRisk) -> None:
    """Tell that a renewal is less likely than it was."""
    before, now = percent(fact.previous_probability), percent(fact.probability)
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.RENEWAL_AT_RISK,
        reason=fact.reason,
        severity=Severity.HIGH if fact.probability < _LIKELY_LOST else Severity.MEDIUM,
        title=f"Renewal at risk: {now} likely, was {before}",
        explanation=fact.explanation,
        next_step=_save_by(fact, heard_at(tx).date()),
        subject=f"renewal:{fact.renewal_id}",
        happened_at=heard_at(tx),
    )
    await alerts.tell(tx, notice)


async def tell_renewal_reassessed(tx: Transaction, fact: RenewalReassessed) -> None:
    """Tell the probability of a renewal for which a story had been counted twice."""
    before, now = percent(fact.previous_probability), percent(fact.probability)
    title = await alerts.title_of(tx, fact.account_id, fact.reason)
    head = await alerts.title_of(tx, fact.account_id, fact.into_reason)
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.RENEWAL_REASSESSED,
        reason=fact.reason,
        severity=Severity.INFO,
        title=f"Renewal reassessed: {now} likely, was {before}",
        explanation=f'"{title}" is part of "{head}": it counts with it, not by itself.',
        next_step="Go on with the save.",
        subject=f"renewal:{fact.renewal_id}",
        happened_at=heard_at(tx),
    )
    await alerts.tell(tx, notice)


async def tell_renewal_restored(tx: Transaction, fact: RenewalRestored) -> None:
    """Tell that a renewal is more likely again; while another reason weighs as much it is not."""
    before, now = percent(fact.previous_probability), percent(fact.probability)
    subject = f"renewal:{fact.renewal_id}"
    if not fact.save_closed and (now == before or fact.probability < fact.previous_probability):
        because = "it is over, and another reason weighs as much"
        await alerts.call_off(tx, fact.account_id, subject, fact.reason, because)
        return
    title = await alerts.title_of(tx, fact.account_id, fact.reason)
    over = "The save is closed." if fact.save_closed else "Other reasons still hold."
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.RENEWAL_RESTORED,
        reason=fact.reason,
        severity=Severity.INFO,
        title=f"Renewal restored: {now} likely, was {before}",
        explanation=f'"{title}" no longer weighs on the renewal. {over}',
        next_step="Nothing has to be done." if fact.save_closed else "Go on with the save.",
        subject=subject,
        happened_at=fact.restored_at,
    )
    await alerts.tell(tx, notice)


async def tell_window(tx: Transaction, fact: RenewalWindowOpened) -> None:
    """Tell that a renewal is coming up."""
    soon = fact.window_days <= _SOON_DAYS
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.RENEWAL_WINDOW_OPENED,
        reason=f"renewal_in_{fact.window_days}_days",
        severity=Severity.MEDIUM if soon else Severity.INFO,
        title=_countdown((fact.notice_date - heard_at(tx).date()).days),
        explanation=f"Notice can be given until {fact.notice_date}; renewal is "
        f"{percent(fact.probability)} likely.",
        next_step="Check the stage, the forecast and the next step of the renewal.",
        # A contract that moves opens its windows anew.
        subject=f"renewal:{fact.renewal_id}@{fact.notice_date}",
        happened_at=heard_at(tx),
    )
    await alerts.tell(tx, notice)


def _save_by(fact: RenewalAtRisk, today: date) -> str:
    if today <= fact.notice_date:
        return f"Agree on a save with the CSM; notice can be given until {fact.notice_date}."
    passed = f"The notice date, {fact.notice_date}, has passed"
    if fact.auto_renew is None:
        return f"{passed}: see whether notice was given, and agree on a save with the CSM."
    if fact.auto_renew:
        return (
            f"{passed}: the contract renews itself unless notice was given. See whether it was, "
            "and agree on a save with the CSM."
        )
    return (
        f"{passed}, and the contract does not renew itself: agree on a save with the CSM, and ask "
        "the customer to renew."
    )


def _countdown(days: int) -> str:
    """Say how long there is: a contract that is signed late is far inside its window."""
    if days > 0:
        return f"{counted(days, 'day')} to the notice date"
    return "The notice date is today" if days == 0 else "The notice date has passed"


LISTENERS: tuple[Listener, ...] = (
    on(RenewalAtRisk, tell_renewal_at_risk),
    on(RenewalReassessed, tell_renewal_reassessed),
    on(RenewalRestored, tell_renewal_restored),
    on(RenewalWindowOpened, tell_window),
)
