"""The CSM's own judgement: kept beside the score, and compared with it."""

from datetime import timedelta

from services.health.domain.risk.disagreement import PULSE_HOLDS, band_of_pulse, disagree, holds
from services.health.domain.score.score import Band
from services.health.settings import SignalSettings
from services.health.storage.risk import disagreements, pulses
from services.health.storage.risk.pulses import Pulse
from services.health.storage.score import looks, scores
from services.health.storage.score.scores import Scored
from services.health.usecases.profile.profiles import PROFILES
from services.health.usecases.risk.disagreements import (
    AGREED,
    OVERTAKEN,
    NewDisagreement,
    open_disagreement,
    settle_row,
)
from shared.contracts.health import PulseSet
from shared.db.transaction import Row, Transaction
from shared.kernel.figures import spoken
from shared.kernel.ids import new_id

SCORE = "score"
_A_MOMENT = timedelta(seconds=1)


async def set_pulse(
    tx: Transaction, account_id: str, value: float, words: tuple[str, str | None]
) -> Pulse:
    """Keep what a person thinks of an account, 0 to 100; ``words`` are (by, comment)."""
    by, comment = words
    profile = await PROFILES.for_account(tx, account_id)
    band = band_of_pulse(value, profile.bands)
    pulse = Pulse(account_id, new_id(), tx.now, value, band.value, comment, by)
    await pulses.add(tx, pulse)
    await looks.bring_forward(tx, account_id, tx.now + PULSE_HOLDS + _A_MOMENT)
    tx.emit(PulseSet(account_id=account_id, pulse=value, band=band.value, by=by, note=comment))
    await compare(tx, account_id)
    return pulse


async def current(tx: Transaction, account_id: str) -> Pulse | None:
    """Return the pulse that holds; one older than 180 days is nobody's judgement any more."""
    pulse = await pulses.latest(tx, account_id)
    return pulse if pulse is not None and holds(pulse.at, tx.now) else None


async def compare(tx: Transaction, account_id: str) -> None:
    """Open a disagreement when pulse and score are too far apart; settle it when they agree."""
    pulse = await current(tx, account_id)
    scored = await scores.latest(tx, account_id) if pulse else None
    found = _between(pulse, scored) if pulse and scored and _are_apart(pulse, scored) else None
    for row in await disagreements.open_of(tx, account_id):
        if row["subject"] == SCORE and not _says(row, found):
            await settle_row(tx, row, AGREED if found is None else OVERTAKEN)
    if found is not None:
        await open_disagreement(tx, found)


def _says(row: Row, found: NewDisagreement | None) -> bool:
    """Tell whether a disagreement is still what was found."""
    return found is not None and (row["believed"], row["computed"]) == (
        found.believed,
        found.computed,
    )


def _are_apart(pulse: Pulse, scored: Scored) -> bool:
    return disagree(Band(pulse.band), scored.band, SignalSettings().disagreement_bands)


def _between(pulse: Pulse, scored: Scored) -> NewDisagreement:
    return NewDisagreement(
        account_id=pulse.account_id,
        subject=SCORE,
        believed=pulse.band,
        computed=scored.band.value,
        explanation=(
            f"{pulse.by} says {spoken(pulse.band)} ({pulse.value:.0f} of 100); the score says "
            f"{spoken(scored.band)} ({scored.score.value:.0f} of 100)."
        ),
        by=pulse.by,
    )
