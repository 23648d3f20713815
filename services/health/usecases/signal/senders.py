"""Signals from the webhooks of other systems: whose they are, and what waits to be known."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from services.health.domain.signal.catalogue import SignalValueInvalid
from services.health.domain.signal.mapping import (
    MOST_SIGNALS,
    MappedEvent,
    MappedSignal,
    SenderMapping,
)
from services.health.storage.signal import external_ids
from services.health.storage.signal.external_ids import Unmatched
from services.health.usecases.profile.profiles import PROFILES
from services.health.usecases.signal.signals import (
    Reported,
    UnknownSignalType,
    read_signal,
    record_signal,
)
from shared.db.transaction import Transaction
from shared.kernel.errors import NotFound

UNKNOWN_ACCOUNT = "unknown_account"


class UnmatchedNotFound(NotFound):
    """No signal with this id waits."""


class Named(NamedTuple):
    """What became of the signals that waited for an account, and how many still do."""

    recorded: int
    waiting: int


class Taken(NamedTuple):
    """What became of the signals of a webhook."""

    recorded: int = 0
    repeated: int = 0
    unmatched: int = 0


async def take_webhook(
    tx: Transaction, mapping: SenderMapping, events: Sequence[MappedEvent]
) -> Taken:
    """Record the signals of a webhook, or keep them until it is known whose they are.

    A sender sends again what it was not thanked for: the same event twice is one signal.
    """
    owned = [
        (event.account_id or await external_ids.account_of(tx, event.externals) or "", event)
        for event in events
        if event.signals
    ]
    # By account: two webhooks that name the same accounts must not wait for each other in a circle.
    owned.sort(key=lambda pair: pair[0])
    done: Counter[str] = Counter()
    for account_id, event in owned:
        for signal in event.signals:
            unmatched = _unmatched(mapping, event, signal)
            if account_id:
                done[await _record(tx, account_id, unmatched)] += 1
            else:
                await external_ids.keep_unmatched(tx, await _checked(tx, unmatched))
                done["unmatched"] += 1
    return Taken(**done)


async def name_account(
    tx: Transaction, external: tuple[str, str], account_id: str, by: str
) -> Named:
    """Say which account another system's id means, and record the oldest that waited for it."""
    system, external_id = external
    await external_ids.set_account(tx, system, external_id, account_id, by)
    waiting = await external_ids.take_waiting(tx, system, external_id, MOST_SIGNALS)
    outcomes = [await _record(tx, account_id, each) for _, each in waiting]
    left = await external_ids.count_waiting(tx, system, external_id)
    return Named(outcomes.count("recorded"), left)


async def attribute_unmatched(tx: Transaction, unmatched_id: int, account_id: str) -> bool:
    """Record one signal that waits for an account; False when that was done before.

    Raises `UnmatchedNotFound`, or what `record_signal` raises: then it goes on waiting.
    """
    waiting = await external_ids.take(tx, unmatched_id)
    if waiting is None:
        raise UnmatchedNotFound
    reported = Reported(waiting.type, min(waiting.observed_at, tx.now), waiting.value)
    origin = (waiting.source, waiting.key)
    return await record_signal(tx, account_id, reported, origin) is not None


async def _checked(tx: Transaction, signal: Unmatched) -> Unmatched:
    """Return a signal of nobody yet; one that does not fit its type waits for people to see."""
    try:
        profile = (await PROFILES.current(tx)).default
        read_signal(Reported(signal.type, signal.observed_at, signal.value), profile)
    except (SignalValueInvalid, UnknownSignalType) as error:
        return signal._replace(code=error.code(), message=f"{error.detail}; {signal.message}")
    return signal


async def _record(tx: Transaction, account_id: str, signal: Unmatched) -> str:
    """Record a signal; one that does not fit its type is kept for people to see."""
    reported = Reported(signal.type, min(signal.observed_at, tx.now), signal.value)
    try:
        recorded = await record_signal(tx, account_id, reported, (signal.source, signal.key))
    except (SignalValueInvalid, UnknownSignalType) as error:
        await external_ids.keep_unmatched(
            tx, signal._replace(code=error.code(), message=error.detail)
        )
        return "unmatched"
    return "repeated" if recorded is None else "recorded"


def _unmatched(mapping: SenderMapping, event: MappedEvent, signal: MappedSignal) -> Unmatched:
    named = ", ".join(f"{system} {external_id}" for system, external_id in event.externals)
    return Unmatched(
        source=mapping.source,
        key=signal.key,
        type=signal.type,
        value=signal.value,
        observed_at=event.at,
        externals=event.externals,
        code=UNKNOWN_ACCOUNT,
        message=(
            f"nobody has said which account this is: {named or 'the event names none'}; "
            "set the external id, or attribute this signal"
        ),
    )
