"""What people do with an open risk: take it on, put it off, or say that it is none."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from services.health.domain.risk.risk import Handling, Risk, Status, Taken
from shared.kernel.errors import Conflict, Invalid

MATERIAL = 0.25
LONGEST_SNOOZE = timedelta(days=180)


class RiskNotOpen(Conflict):
    """Only an open risk can be handled."""


class RiskNotSnoozed(Conflict):
    """Only a snoozed risk can be woken."""


class SnoozeTooLong(Invalid):
    """A risk is put off until a moment in the future, at most 180 days from now."""


def acknowledge(risk: Risk, by: str, note: str | None, now: datetime) -> Risk:
    """Return the risk, taken on by somebody; taking on a snoozed one wakes it.

    Raises `RiskNotOpen`.
    """
    _require_open(risk)
    return _handled(risk, Handling(Taken.ACKNOWLEDGED, by, now, note))


def snooze(risk: Risk, handling: Handling, now: datetime) -> Risk:
    """Return the risk, put off until `handling.until`; whoever puts it off says why.

    Raises `RiskNotOpen` or `SnoozeTooLong`.
    """
    _require_open(risk)
    if handling.until is None or not now < handling.until <= now + LONGEST_SNOOZE:
        raise SnoozeTooLong
    return _handled(risk, handling)


def wake(risk: Risk) -> Risk:
    """Return a snoozed risk, awake. Raises `RiskNotOpen` or `RiskNotSnoozed`."""
    _require_open(risk)
    if not is_snoozed(risk):
        state = risk.handling.taken.value if risk.handling else "open and not taken on"
        raise RiskNotSnoozed(f"the risk is {state}, not snoozed", state=state)
    return _handled(risk, None)


def dismiss(risk: Risk, now: datetime) -> Risk:
    """Return the risk, dismissed: a person says that it is none. Raises `RiskNotOpen`."""
    _require_open(risk)
    over = replace(risk, status=Status.DISMISSED, recovered_at=now, handling=None)
    return replace(over, version=risk.version + 1)


def is_snoozed(risk: Risk) -> bool:
    """Tell whether the risk is put off."""
    return risk.handling is not None and risk.handling.taken is Taken.SNOOZED


def is_due(risk: Risk, now: datetime) -> bool:
    """Tell whether a snoozed risk is to wake."""
    until = risk.handling.until if risk.handling else None
    return is_snoozed(risk) and until is not None and until <= now


def matters(before: Risk | None, after: Risk) -> bool:
    """Tell whether people have to look again: status, severity, handling or merging changed."""
    return before is None or any(
        getattr(before, name) != getattr(after, name)
        for name in ("status", "severity", "handling", "merged_into")
    )


def evidence_moved(noted: Mapping[str, float | str], evidence: Mapping[str, float | str]) -> bool:
    """Tell whether a figure is a quarter or more away from what the timeline last showed."""
    for name, value in evidence.items():
        before = noted.get(name)
        if isinstance(value, str) or isinstance(before, str) or before is None:
            continue
        if abs(value - before) >= MATERIAL * max(abs(before), MATERIAL):
            return True
    return False


def _handled(risk: Risk, handling: Handling | None) -> Risk:
    return replace(risk, handling=handling, version=risk.version + 1)


def _require_open(risk: Risk) -> None:
    if risk.status is Status.MERGED:
        raise RiskNotOpen(
            f"the risk is part of {risk.merged_into}; handle that one",
            state=risk.status.value,
            merged_into=risk.merged_into,
        )
    if risk.status is not Status.OPEN:
        raise RiskNotOpen(
            f"the risk is {risk.status.value}, not open; a comment can be added all the same",
            state=risk.status.value,
        )
