"""People of ours who can be told, and what is known of the account they care for."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.kernel.errors import Invalid

_EMAIL = re.compile(r"[^@\s\"<>(),;:\\\[\]]+@[^@\s\"<>(),;:\\\[\]]+")
_EMAIL_LIMIT = 254


class InvalidEmail(Invalid):
    """This is not an e-mail address."""


class Role(StrEnum):
    """What a person of ours is to an account; everyone is whoever holds any role on it."""

    CSM = "csm"
    AE = "ae"
    MANAGER = "manager"
    SPONSOR = "sponsor"
    EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to tell. The address is the identity, in lower case."""

    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Audience:
    """What is known of an account: its segment, and who holds which role."""

    account_id: str
    segment: str | None
    owners: Mapping[str, Person]

    def holders(self, role: Role) -> tuple[Person, ...]:
        """Return who holds a role; nobody when it is vacant."""
        if role is Role.EVERYONE:
            return tuple(dict.fromkeys(self.owners.values()))
        held = self.owners.get(role)
        return (held,) if held else ()


def checked_email(text: str) -> str:
    """Return an address as we compare it. Raises `InvalidEmail`, not repeating what was sent."""
    address = text.strip().lower()
    is_plain = not any(unicodedata.category(each) in {"Cc", "Cs"} for each in address)
    if len(address) > _EMAIL_LIMIT or not is_plain or not _EMAIL.fullmatch(address):
        raise InvalidEmail
    return address
