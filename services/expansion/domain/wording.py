"""Sentences for people."""

from collections.abc import Sequence

from services.expansion.domain.hold import Hold
from services.expansion.domain.utilisation import Utilisation


def evidence(utilisation: Utilisation) -> str:
    """Say how many seats are in use."""
    seats = "seat was" if utilisation.seats == 1 else "seats were"
    percent = round(100 * utilisation.active_users_28d / utilisation.seats)
    return (
        f"{utilisation.active_users_28d} of {utilisation.seats} {seats} active "
        f"in the last 28 days ({percent} %)"
    )


def offer_of(utilisation: Utilisation, holds: Sequence[Hold]) -> str:
    """Say why more can be offered, and why not now."""
    if not holds:
        return evidence(utilisation)
    reasons = " and ".join(hold.sentence for hold in holds)
    return f"{evidence(utilisation)}; not offered while: {reasons}"


def explain(utilisation: Utilisation | None, *, has_seats: bool) -> str:
    """Say how many seats are in use, or which figure is missing."""
    if utilisation is not None:
        return evidence(utilisation)
    missing = "no day of usage has been sealed yet" if has_seats else "no contract is known yet"
    return f"Utilisation is unknown: {missing}"
