"""Record signals: typed observations from outside usage."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.health.domain.profile.profile import Profile
from services.health.domain.risk.reasons import Retraction
from services.health.domain.score.score import Signal
from services.health.domain.signal.catalogue import SignalValueInvalid, known_names
from services.health.storage.account import accounts
from services.health.storage.signal import signals
from services.health.usecases.files.files import load_catalogue
from services.health.usecases.profile.profiles import PROFILES
from services.health.usecases.risk.pulse import set_pulse
from services.health.usecases.risk.watching_signals import watch_signals
from shared.contracts.health import SignalRecorded, SignalRetracted
from shared.db.transaction import Transaction
from shared.kernel.errors import Conflict, Invalid, NotFound
from shared.kernel.ids import new_id

_PULSE = "pulse"


class UnknownSignalType(Invalid):
    """The signal's type is neither in the catalogue nor in the profile."""


class SignalNotFound(NotFound):
    """The account has no signal with this id."""


class SignalRetractedAlready(Conflict):
    """The signal was taken back already."""


class Reported(NamedTuple):
    """A signal as it is sent: its value may be the name of a choice."""

    type: str
    at: datetime
    value: float | str | None = None


def read_signal(reported: Signal | Reported, profile: Profile) -> Signal:
    """Return a signal whose type is known and whose value fits it.

    What is sent under another name of its type is of that type, unless the profile scores the
    other name. Raises `UnknownSignalType` or `SignalValueInvalid`.
    """
    catalogue = load_catalogue()
    found = catalogue.find(reported.type)
    if found is None:
        known = known_names(profile, catalogue)
        if reported.type not in known:
            raise UnknownSignalType(
                f"{reported.type!r} is none of: {', '.join(known)}", known=known
            )
        if isinstance(reported.value, str):
            raise SignalValueInvalid(f"value: send a number with {reported.type}, or none")
    value = found.read(reported.value) if found else reported.value
    inputs = (one for dimension in profile.dimensions for one in dimension.inputs)
    is_scored = any(reported.type in one.signals for one in inputs)
    kind = reported.type if found is None or is_scored else found.name
    return Signal(kind, reported.at, None if value is None else float(value))


async def record_signal(
    tx: Transaction,
    account_id: str,
    reported: Signal | Reported,
    origin: tuple[str, str | None],
) -> str | None:
    """Keep a signal and judge the account by it at once.

    ``origin`` is who says it, and their id for it; the same one twice is one signal, and the
    second time returns None. Raises what `read_signal` raises, before anything is changed.
    """
    profile = await PROFILES.for_account(tx, account_id)
    signal = read_signal(reported, profile)
    caused_at = tx.cause.time if tx.cause else tx.now
    signal_id = new_id()
    if not await signals.add(tx, account_id, signal, signal_id=signal_id, origin=origin):
        return None
    tx.emit(
        SignalRecorded(
            account_id=account_id,
            signal_id=str(signal_id),
            signal_type=signal.type,
            value=signal.value,
            observed_at=signal.at,
        )
    )
    # The account's row before the lock on its risks, as sealing does: otherwise they deadlock.
    await accounts.ensure(tx, account_id, caused_at)
    if signal.type == _PULSE and signal.value is not None:
        await set_pulse(tx, account_id, signal.value, (origin[0], None))
    await watch_signals(tx, account_id, profile, caused_at)
    return str(signal_id)


async def retract_signal(
    tx: Transaction, account_id: str, signal_id: UUID, words: tuple[str, str]
) -> None:
    """Take back a signal that was a mistake; what it opened is judged again at once.

    ``words`` are (who, why). Raises `SignalNotFound` or `SignalRetractedAlready`.
    """
    await accounts.ensure(tx, account_id, tx.now)
    row = await signals.find(tx, account_id, signal_id)
    if row is None:
        raise SignalNotFound
    if row["retracted_at"] is not None:
        raise SignalRetractedAlready
    await signals.retract(tx, account_id, signal_id, words)
    tx.emit(
        SignalRetracted(
            account_id=account_id,
            signal_id=str(signal_id),
            signal_type=row["type"],
            by=words[0],
            note=words[1],
        )
    )
    profile = await PROFILES.for_account(tx, account_id)
    mistake = Retraction(row["type"], tx.now, words[1])
    await watch_signals(tx, account_id, profile, tx.now, mistake)
