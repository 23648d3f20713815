"""Entitlements: what an account has bought."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Entitlement:
    """The seats of one contract, and from when they hold."""

    account_id: str
    contract_id: str
    seats: int
    starts_on: date
    signed_at: datetime


def entitlement_on(day: date, entitlements: Sequence[Entitlement]) -> Entitlement | None:
    """Return the entitlement that holds on a day: of the terms begun, the latest.

    Before the first term begins it is that of the first; of two that begin on one day it is the
    one signed later.
    """
    begun = [each for each in entitlements if each.starts_on <= day]
    if begun:
        return max(begun, key=lambda each: (each.starts_on, each.signed_at, each.contract_id))
    return min(
        entitlements,
        key=lambda each: (each.starts_on, -each.signed_at.timestamp(), each.contract_id),
        default=None,
    )
