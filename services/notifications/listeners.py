"""What notifications hears, and the words it makes of it."""

from datetime import datetime

from services.notifications.domain.kinds import MessageKind
from services.notifications.domain.message import Notice
from services.notifications.domain.person import Person, Role
from services.notifications.domain.severity import Severity
from services.notifications.usecases import alerts, audience
from shared.bus.listeners import Listener, on
from shared.contracts.expansion import OpportunityOpened, OpportunityWithheld
from shared.contracts.health import (
    RiskAwoke,
    RiskDismissed,
    RiskMerged,
    RiskOpened,
    RiskRecovered,
    RiskSnoozed,
    RiskWorsened,
)
from shared.contracts.onboarding import (
    AccountChanged,
    AccountOpened,
    FirstValueReached,
    MilestoneOverdue,
    OwnerAssigned,
    OwnerRemoved,
)
from shared.contracts.renewals import (
    RenewalAtRisk,
    RenewalReassessed,
    RenewalRestored,
    RenewalWindowOpened,
)
from shared.db.transaction import Transaction

_ROLES = frozenset(Role) - {Role.EVERYONE}
_LIKELY_LOST = 0.5
_SOON_DAYS = 30


async def note_account(tx: Transaction, fact: AccountOpened | AccountChanged) -> None:
    """Know what an account is called and like."""
    await audience.describe_account(
        tx, fact.account_id, name=fact.name, segment=fact.segment, time_zone=fact.time_zone
    )


async def note_owner(tx: Transaction, fact: OwnerAssigned) -> None:
    """Know who holds a role, and give them what waited; a role that is new to us is passed over."""
    if fact.role in _ROLES:
        person = Person(fact.email.strip().lower(), fact.name)
        await audience.assign_owner(tx, fact.account_id, Role(fact.role), person)


async def note_vacancy(tx: Transaction, fact: OwnerRemoved) -> None:
    """Know that nobody holds a role."""
    if fact.role in _ROLES:
        email = fact.email.strip().lower()
        await audience.remove_owner(tx, fact.account_id, Role(fact.role), email)


async def tell_risk(tx: Transaction, fact: RiskOpened | RiskWorsened) -> None:
    """Tell that an account is slipping away."""
    opened = isinstance(fact, RiskOpened)
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.RISK_OPENED if opened else MessageKind.RISK_WORSENED,
        reason=fact.reason,
        severity=Severity.read(fact.severity),
        title=fact.title if opened else f"Worse: {fact.title}",
        explanation=fact.explanation,
        next_step=fact.next_step,
        subject=f"risk:{fact.risk_id}",
        happened_at=fact.caused_at,
    )
    await alerts.tell(tx, notice)


async def tell_awakening(tx: Transaction, fact: RiskAwoke) -> None:
    """Tell that a risk which was put off is back."""
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.RISK_AWOKE,
        reason=fact.reason,
        severity=Severity.read(fact.severity),
        title=f"Back: {_words(fact.reason)}",
        explanation=f"{fact.explanation} {_awakening(fact)}".strip(),
        next_step=fact.next_step or "Take it on, put it off once more, or say that it is none.",
        subject=f"risk:{fact.risk_id}",
        happened_at=_heard_at(tx),
    )
    await alerts.tell(tx, notice)


async def heed_snooze(tx: Transaction, fact: RiskSnoozed) -> None:
    """Tell nobody of a risk that was put off: they hear of it when it is back."""
    await _call_off(tx, fact, f"it was put off until {fact.until:%Y-%m-%d %H:%M} UTC")


async def heed_dismissal(tx: Transaction, fact: RiskDismissed) -> None:
    """Tell nobody of what is no risk, as a person said."""
    await _call_off(tx, fact, "a person said that it is no risk")


async def tell_merger(tx: Transaction, fact: RiskMerged) -> None:
    """Call the alarm of a risk off: a stronger one tells it from now on."""
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.RISK_MERGED,
        reason=fact.reason,
        severity=Severity.INFO,
        title=f"Merged: {_words(fact.reason)}",
        explanation=f"It is told with {_words(fact.into_reason)} from now on, not by itself.",
        next_step=f"See to {_words(fact.into_reason)}; it is part of the same story.",
        subject=f"risk:{fact.risk_id}",
        happened_at=_heard_at(tx),
    )
    await alerts.tell(tx, notice)


async def tell_recovery(tx: Transaction, fact: RiskRecovered) -> None:
    """Tell that a risk is over."""
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.RISK_RECOVERED,
        reason=fact.reason,
        severity=Severity.INFO,
        title=f"Recovered: {_words(fact.reason)}",
        explanation=fact.explanation,
        next_step="Nothing has to be done. If you were about to act on it, you can stop.",
        subject=f"risk:{fact.risk_id}",
        happened_at=fact.recovered_at,
    )
    await alerts.tell(tx, notice)


async def tell_renewal_at_risk(tx: Transaction, fact: RenewalAtRisk) -> None:
    """Tell that a renewal is less likely than it was."""
    before, now = _percent(fact.previous_probability), _percent(fact.probability)
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.RENEWAL_AT_RISK,
        reason=fact.reason,
        severity=Severity.HIGH if fact.probability < _LIKELY_LOST else Severity.MEDIUM,
        title=f"Renewal at risk: {now} likely, was {before}",
        explanation=fact.explanation,
        next_step=f"Agree on a save with the CSM; notice can be given until {fact.notice_date}.",
        subject=f"renewal:{fact.renewal_id}",
        happened_at=_heard_at(tx),
    )
    await alerts.tell(tx, notice)


async def tell_renewal_reassessed(tx: Transaction, fact: RenewalReassessed) -> None:
    """Tell the probability of a renewal for which a story had been counted twice."""
    before, now = _percent(fact.previous_probability), _percent(fact.probability)
    reason, head = _words(fact.reason), _words(fact.into_reason)
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.RENEWAL_REASSESSED,
        reason=fact.reason,
        severity=Severity.INFO,
        title=f"Renewal reassessed: {now} likely, was {before}",
        explanation=f"{reason.capitalize()} is part of {head}: it counts with it, not by itself.",
        next_step="Go on with the save.",
        subject=f"renewal:{fact.renewal_id}",
        happened_at=_heard_at(tx),
    )
    await alerts.tell(tx, notice)


async def tell_renewal_restored(tx: Transaction, fact: RenewalRestored) -> None:
    """Tell that a renewal is as likely as before."""
    before, now = _percent(fact.previous_probability), _percent(fact.probability)
    over = "The save is closed." if fact.save_closed else "Other reasons still hold."
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.RENEWAL_RESTORED,
        reason=fact.reason,
        severity=Severity.INFO,
        title=f"Renewal restored: {now} likely, was {before}",
        explanation=f"{_words(fact.reason).capitalize()} no longer weighs on the renewal. {over}",
        next_step="Nothing has to be done." if fact.save_closed else "Go on with the save.",
        subject=f"renewal:{fact.renewal_id}",
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
        title=f"{fact.window_days} days to the notice date",
        explanation=f"Notice can be given until {fact.notice_date}; renewal is "
        f"{_percent(fact.probability)} likely.",
        next_step="Check the stage, the forecast and the next step of the renewal.",
        # A contract that moves opens its windows anew.
        subject=f"renewal:{fact.renewal_id}@{fact.notice_date}",
        happened_at=_heard_at(tx),
    )
    await alerts.tell(tx, notice)


async def tell_opportunity(tx: Transaction, fact: OpportunityOpened) -> None:
    """Tell that there is something to sell."""
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.OPPORTUNITY_OPENED,
        reason=fact.kind,
        severity=Severity.INFO,
        title=f"Opportunity: {_words(fact.kind)}",
        explanation=fact.explanation,
        next_step="Talk to the customer while the need is fresh.",
        subject=f"opportunity:{fact.opportunity_id}",
        happened_at=_heard_at(tx),
    )
    await alerts.tell(tx, notice)


async def tell_withheld(tx: Transaction, fact: OpportunityWithheld) -> None:
    """Tell why nothing is to be sold now."""
    until = f" until {fact.until}" if fact.until else ""
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.OPPORTUNITY_WITHHELD,
        reason=fact.kind,
        severity=Severity.INFO,
        title=f"Not now: {_words(fact.kind)}",
        explanation=fact.explanation,
        next_step=f"Do not offer more{until}; first settle: {', '.join(fact.because)}.",
        subject=f"opportunity:{fact.opportunity_id}",
        happened_at=_heard_at(tx),
    )
    await alerts.tell(tx, notice)


async def tell_first_value(tx: Transaction, fact: FirstValueReached) -> None:
    """Tell that an account has had its first value."""
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.FIRST_VALUE_REACHED,
        reason="first_value",
        severity=Severity.INFO,
        title=f"First value after {fact.days} days",
        explanation="The account did for the first time what it bought the product for.",
        next_step="Congratulate them, and agree on the next outcome.",
        subject="first_value:first",
        happened_at=fact.reached_at,
    )
    await alerts.tell(tx, notice)


async def tell_overdue(tx: Transaction, fact: MilestoneOverdue) -> None:
    """Tell that a milestone of the onboarding is late."""
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.MILESTONE_OVERDUE,
        reason=f"milestone_overdue:{fact.milestone}",
        severity=Severity.MEDIUM,
        title=f"Overdue: {_words(fact.milestone)}",
        explanation=f"The milestone was due on {fact.due_on} and is not done.",
        next_step="Ask what holds it up, and agree on a new date.",
        subject=f"milestone:{fact.plan_id}/{fact.milestone}@{fact.due_on}",
        happened_at=_heard_at(tx),
    )
    await alerts.tell(tx, notice)


LISTENERS: tuple[Listener, ...] = (
    on(AccountOpened, note_account),
    on(AccountChanged, note_account),
    on(OwnerAssigned, note_owner),
    on(OwnerRemoved, note_vacancy),
    on(RiskOpened, tell_risk),
    on(RiskWorsened, tell_risk),
    on(RiskSnoozed, heed_snooze),
    on(RiskAwoke, tell_awakening),
    on(RiskDismissed, heed_dismissal),
    on(RiskMerged, tell_merger),
    on(RiskRecovered, tell_recovery),
    on(RenewalAtRisk, tell_renewal_at_risk),
    on(RenewalReassessed, tell_renewal_reassessed),
    on(RenewalRestored, tell_renewal_restored),
    on(RenewalWindowOpened, tell_window),
    on(OpportunityOpened, tell_opportunity),
    on(OpportunityWithheld, tell_withheld),
    on(FirstValueReached, tell_first_value),
    on(MilestoneOverdue, tell_overdue),
)


async def _call_off(tx: Transaction, fact: RiskSnoozed | RiskDismissed, because: str) -> None:
    await alerts.call_off(tx, fact.account_id, f"risk:{fact.risk_id}", fact.reason, because)


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _words(name: str) -> str:
    return name.replace("_", " ").replace(".", " ")


def _awakening(fact: RiskAwoke) -> str:
    if fact.by == fact.publisher():
        return "It was put off until now."
    return f"It was put off; {fact.by} woke it{f': {fact.note}' if fact.note else '.'}"


def _heard_at(tx: Transaction) -> datetime:
    return tx.cause.time if tx.cause else tx.now
