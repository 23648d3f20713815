"""Keep what people and figures disagree about, until they agree or a person settles it."""

from typing import NamedTuple
from uuid import UUID

from services.health.storage.risk import disagreements
from services.health.storage.risk.disagreements import Disagreement, Resolution
from shared.contracts.health import DisagreementFound, DisagreementResolved
from shared.db.transaction import Row, Transaction
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.ids import new_id

AGREED = Resolution("health", "The two agree again.")
OVERTAKEN = Resolution("health", "The two disagree about something else now.")
REASON_GONE = Resolution("health", "The reason of the risk is gone.")


class DisagreementNotFound(NotFound):
    """There is no disagreement with this id."""


class DisagreementResolvedAlready(Conflict):
    """The disagreement is settled already."""


class NewDisagreement(NamedTuple):
    """What a person believes, what was computed, and both in a sentence."""

    account_id: str
    subject: str
    believed: str
    computed: str
    explanation: str
    by: str


async def open_disagreement(tx: Transaction, found: NewDisagreement) -> None:
    """Keep a disagreement and say it, once while it is open."""
    disagreement = Disagreement(id=new_id(), **found._asdict())
    if await disagreements.add(tx, disagreement):
        tx.emit(DisagreementFound(disagreement_id=str(disagreement.id), **found._asdict()))


async def resolve_disagreement(
    tx: Transaction, disagreement_id: UUID, resolution: Resolution
) -> Row:
    """Settle a disagreement, with a reason.

    Raises `DisagreementNotFound` or `DisagreementResolvedAlready`.
    """
    row = await disagreements.find(tx, disagreement_id)
    if row is None:
        raise DisagreementNotFound
    if not await settle_row(tx, row, resolution):
        raise DisagreementResolvedAlready(state=row["status"])
    settled = await disagreements.find(tx, disagreement_id)
    return settled or row


async def settle_subject(
    tx: Transaction, account_id: str, subject: str, resolution: Resolution
) -> None:
    """Settle the open disagreement about a subject, if there is one."""
    for row in await disagreements.open_of(tx, account_id):
        if row["subject"] == subject:
            await settle_row(tx, row, resolution)


async def settle_row(tx: Transaction, row: Row, resolution: Resolution) -> bool:
    """Settle an open disagreement and say it; False when it was settled already."""
    if not await disagreements.resolve(tx, row["id"], resolution):
        return False
    tx.emit(
        DisagreementResolved(
            account_id=row["account_id"],
            disagreement_id=str(row["id"]),
            subject=row["subject"],
            by=resolution.by,
            note=resolution.note,
        )
    )
    return True
