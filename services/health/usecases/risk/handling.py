"""What people do with risks: take them on, put them off, comment, disagree."""

from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.health.domain.risk.handling import (
    acknowledge,
    dismiss,
    is_due,
    snooze,
    wake,
)
from services.health.domain.risk.risk import Handling, Risk, Status, Taken
from services.health.storage.risk import risks
from services.health.storage.risk.risks import RiskEvent
from services.health.storage.score import looks
from services.health.usecases.risk.disagreements import NewDisagreement, open_disagreement
from services.health.usecases.risk.ranking import rank
from shared.contracts.health import RiskAcknowledged, RiskAwoke, RiskDismissed, RiskSnoozed
from shared.db.transaction import Transaction
from shared.kernel.errors import NotFound

_HEALTH = "health"


class RiskNotFound(NotFound):
    """There is no risk with this id."""


class Words(NamedTuple):
    """Who does something, and why, in their words."""

    by: str
    note: str | None = None


async def risk_to_change(tx: Transaction, risk_id: UUID) -> Risk:
    """Return a risk and lock those of its account. Raises `RiskNotFound`."""
    found = await risks.to_change(tx, risk_id)
    if found is None:
        raise RiskNotFound
    return found[1]


async def acknowledge_risk(tx: Transaction, risk_id: UUID, risk: Risk, words: Words) -> Risk:
    """Note that somebody takes care of a risk. Raises `RiskNotOpen`."""
    after = acknowledge(risk, words.by, words.note, tx.now)
    tx.emit(RiskAcknowledged(**_about(risk_id, risk), by=words.by, note=words.note))
    return await _keep(tx, risk_id, after, RiskEvent("acknowledged", words.by, words.note))


async def snooze_risk(
    tx: Transaction, risk_id: UUID, risk: Risk, words: Words, until: datetime
) -> Risk:
    """Put a risk off; it wakes at its time, or when it worsens.

    Raises `RiskNotOpen` or `SnoozeTooLong`.
    """
    handling = Handling(Taken.SNOOZED, words.by, tx.now, words.note, until)
    after = snooze(risk, handling, tx.now)
    tx.emit(RiskSnoozed(**_about(risk_id, risk), by=words.by, note=words.note, until=until))
    await looks.bring_forward(tx, risk.account_id, until)
    details = {"until": until.isoformat()}
    return await _keep(tx, risk_id, after, RiskEvent("snoozed", words.by, words.note, details))


async def wake_risk(tx: Transaction, risk_id: UUID, risk: Risk, words: Words) -> Risk:
    """Wake a snoozed risk. Raises `RiskNotOpen` or `RiskNotSnoozed`."""
    after = wake(risk)
    tx.emit(
        RiskAwoke(
            **_about(risk_id, risk),
            by=words.by,
            note=words.note,
            severity=risk.severity.name.lower(),
            explanation=risk.explanation,
            next_step=risk.suggestion,
        )
    )
    return await _keep(tx, risk_id, after, RiskEvent("awoke", words.by, words.note))


async def wake_due(tx: Transaction, account_id: str) -> None:
    """Wake the snoozed risks of an account whose time has come."""
    for risk_id, risk in (await risks.latest(tx, account_id)).values():
        if risk.status is Status.OPEN and is_due(risk, tx.now):
            await wake_risk(tx, risk_id, risk, Words(_HEALTH, "Its time has come."))


async def comment_on_risk(tx: Transaction, risk_id: UUID, risk: Risk, words: Words) -> Risk:
    """Add words to the timeline of a risk, whatever its state."""
    await risks.note(tx, risk_id, RiskEvent("comment", words.by, words.note))
    return risk


async def dismiss_risk(tx: Transaction, risk_id: UUID, risk: Risk, words: Words) -> Risk:
    """Note that a person says it is no risk: it is over, and so is what is told with it.

    The disagreement stays open until the reason is gone or somebody settles it.
    Raises `RiskNotOpen`.
    """
    after = await _dismiss(tx, risk_id, dismiss(risk, tx.now), words)
    for row in await risks.merged_into(tx, risk.account_id, risk_id):
        member = await risk_to_change(tx, row["id"])
        await _dismiss(tx, row["id"], dismiss(_alone(member), tx.now), words)
    await open_disagreement(
        tx,
        NewDisagreement(
            account_id=risk.account_id,
            subject=f"risk:{risk_id}",
            believed="no_risk",
            computed=risk.severity.name.lower(),
            explanation=f"{words.by} says this is no risk ({words.note}). {risk.explanation}",
            by=words.by,
        ),
    )
    await rank(tx, risk.account_id)
    return after


async def _dismiss(tx: Transaction, risk_id: UUID, after: Risk, words: Words) -> Risk:
    if after.opened_at is not None:
        tx.emit(
            RiskDismissed(
                **_about(risk_id, after), by=words.by, note=words.note, dismissed_at=tx.now
            )
        )
    return await _keep(tx, risk_id, after, RiskEvent("dismissed", words.by, words.note))


def _alone(member: Risk) -> Risk:
    return replace(member, status=Status.OPEN, merged_into=None)


async def _keep(tx: Transaction, risk_id: UUID, risk: Risk, event: RiskEvent) -> Risk:
    await risks.save(tx, risk_id, risk)
    await risks.note(tx, risk_id, event)
    return risk


def _about(risk_id: UUID, risk: Risk) -> dict[str, str]:
    return {
        "account_id": risk.account_id,
        "risk_id": str(risk_id),
        "reason": str(risk.reason),
    }
