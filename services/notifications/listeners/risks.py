"""What is told of risks, and what calls an alarm off."""

from services.notifications.domain.kinds import MessageKind
from services.notifications.domain.message import Notice
from services.notifications.domain.severity import Severity
from services.notifications.listeners.words import heard_at
from services.notifications.usecases import alerts
from shared.bus.listeners import Listener, on
from shared.contracts.health import (
    RiskAwoke,
    RiskDismissed,
    RiskMerged,
    RiskOpened,
    RiskRecovered,
    RiskSnoozed,
    RiskWorsened,
)
from shared.db.transaction import Transaction


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
    title = await alerts.title_of(tx, fact.account_id, fact.reason)
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.RISK_AWOKE,
        reason=fact.reason,
        severity=Severity.read(fact.severity),
        title=f"No longer put off: {title}",
        explanation=f"{fact.explanation} {_awakening(fact)}".strip(),
        next_step=fact.next_step or "Take it on, put it off once more, or say that it is none.",
        subject=f"risk:{fact.risk_id}",
        happened_at=heard_at(tx),
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
    title = await alerts.title_of(tx, fact.account_id, fact.reason)
    head = await alerts.title_of(tx, fact.account_id, fact.into_reason)
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.RISK_MERGED,
        reason=fact.reason,
        severity=Severity.INFO,
        title=f"Merged: {title}",
        explanation=f'It is told with "{head}" from now on, not by itself.',
        next_step=f'See to "{head}"; it is part of the same story.',
        subject=f"risk:{fact.risk_id}",
        happened_at=heard_at(tx),
    )
    await alerts.tell(tx, notice)


async def tell_recovery(tx: Transaction, fact: RiskRecovered) -> None:
    """Tell that a risk is over."""
    title = await alerts.title_of(tx, fact.account_id, fact.reason)
    notice = Notice(
        account_id=fact.account_id,
        kind=MessageKind.RISK_RECOVERED,
        reason=fact.reason,
        severity=Severity.INFO,
        title=f"Recovered: {title}",
        explanation=fact.explanation,
        next_step=await _after_recovery(tx, fact),
        subject=f"risk:{fact.risk_id}",
        happened_at=fact.recovered_at,
    )
    await alerts.tell(tx, notice)


async def _call_off(tx: Transaction, fact: RiskSnoozed | RiskDismissed, because: str) -> None:
    await alerts.call_off(tx, fact.account_id, f"risk:{fact.risk_id}", fact.reason, because)


async def _after_recovery(tx: Transaction, fact: RiskRecovered) -> str:
    if fact.still_open is None:
        return "Nothing has to be done. If you were about to act on it, you can stop."
    title = await alerts.title_of(tx, fact.account_id, fact.still_open)
    return f'Go on: "{title}" is still open and part of the same story.'


def _awakening(fact: RiskAwoke) -> str:
    if fact.by == fact.publisher():
        return "It was put off until now."
    return f"It was put off; {fact.by} woke it{f': {fact.note}' if fact.note else '.'}"


LISTENERS: tuple[Listener, ...] = (
    on(RiskOpened, tell_risk),
    on(RiskWorsened, tell_risk),
    on(RiskSnoozed, heed_snooze),
    on(RiskAwoke, tell_awakening),
    on(RiskDismissed, heed_dismissal),
    on(RiskMerged, tell_merger),
    on(RiskRecovered, tell_recovery),
)
