"""Record signals: typed observations from outside usage."""

from services.health.domain.profile.profile import Profile
from services.health.domain.score.score import Signal
from services.health.storage import accounts, signals
from services.health.usecases.watching import watch_signals
from shared.contracts.health import SignalRecorded
from shared.db.transaction import Transaction
from shared.kernel.errors import Invalid
from shared.kernel.ids import new_id


class UnknownSignalType(Invalid):
    """The signal's type is not in the profile."""


def signal_types(profile: Profile) -> list[str]:
    """Return every signal type the profile gives a meaning to."""
    of_rules = {rule.signal for rule in profile.signal_rules}
    closing = {name for rule in profile.signal_rules for name in rule.closed_by}
    inputs = [one for dimension in profile.dimensions for one in dimension.inputs]
    return sorted(of_rules | closing | {name for one in inputs for name in one.signals})


async def record_signal(
    tx: Transaction,
    account_id: str,
    signal: Signal,
    profile: Profile,
    origin: tuple[str, str | None],
) -> str | None:
    """Keep a signal and judge the account by it at once.

    ``origin`` is who says it, and their id for it; the same one twice is one signal, and the
    second time returns None. Raises `UnknownSignalType`.
    """
    known = signal_types(profile)
    if signal.type not in known:
        raise UnknownSignalType(f"{signal.type!r} is none of: {', '.join(known)}", known=known)
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
    await watch_signals(tx, account_id, profile, caused_at)
    return str(signal_id)
