"""Owners: the people of ours who hold a role on an account, with their history."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from services.onboarding.domain.wording import checked_email, checked_text
from shared.kernel.errors import NotFound


class OwnerNotFound(NotFound):
    """Nobody holds this role on the account."""


class OwnerRole(StrEnum):
    """What a person of ours is to the account."""

    CSM = "csm"
    AE = "ae"
    MANAGER = "manager"
    SPONSOR = "sponsor"


@dataclass(frozen=True, slots=True)
class Owner:
    """A person holding a role from ``valid_from`` until ``valid_to``, or still when it is None."""

    account_id: str
    id: str
    role: OwnerRole
    name: str
    email: str
    valid_from: datetime
    valid_to: datetime | None = None

    def checked(self) -> Self:
        """Return the owner with tidy texts. Raises `InvalidText` or `InvalidEmail`."""
        return replace(self, name=checked_text("name", self.name), email=checked_email(self.email))

    def is_same_person_as(self, other: "Owner | None") -> bool:
        """Tell whether name and address are the same, so that nothing changes hands."""
        return other is not None and (self.name, self.email) == (other.name, other.email)
