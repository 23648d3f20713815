"""Contacts: the people at the account. Personal data; never logged, never in an event."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self

from services.onboarding.domain.wording import checked_email, checked_text, checked_time_zone
from shared.kernel.errors import Conflict, Invalid, NotFound

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")


class ContactExists(Conflict):
    """The account already has a contact with this e-mail address; change that one."""


class ContactNotFound(NotFound):
    """The account has no such contact."""


class InvalidLanguage(Invalid):
    """A language is a BCP 47 tag, such as en or pt-BR."""


class ContactRole(StrEnum):
    """What a person is to the purchase."""

    BUYER = "buyer"
    CHAMPION = "champion"
    ADMIN = "admin"
    USER = "user"


class Channel(StrEnum):
    """How a person wants to be reached."""

    EMAIL = "email"
    PHONE = "phone"
    CHAT = "chat"
    IN_APP = "in_app"


class ContactStatus(StrEnum):
    """Whether a person is still at the account."""

    ACTIVE = "active"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person at the account. ``time_zone`` and ``language`` are theirs, for reaching them."""

    account_id: str
    id: str
    name: str
    email: str
    role: ContactRole
    external_user_id: str | None = None
    language: str = "en"
    time_zone: str = "UTC"
    channel: Channel = Channel.EMAIL
    do_not_contact: bool = False
    status: ContactStatus = ContactStatus.ACTIVE
    version: int = 1

    def checked(self) -> Self:
        """Return the contact with tidy texts.

        Raises `InvalidText`, `InvalidEmail`, `InvalidLanguage` or `UnknownTimeZone`.
        """
        return replace(self, **_checked({f.name: getattr(self, f.name) for f in fields(self)}))

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """Return the contact after an edit; the same one when nothing is different."""
        after = replace(self, **_checked(changes))
        return self if after == self else replace(after, version=self.version + 1)

    @property
    def has_left(self) -> bool:
        """Whether the person is gone from the account."""
        return self.status is ContactStatus.LEFT

    def is_news_after(self, before: "Contact") -> bool:
        """Tell whether others must hear that this person is there, in this role."""
        return not self.has_left and (before.has_left or before.role is not self.role)


def checked_language(value: str) -> str:
    """Return the tag. Raises `InvalidLanguage`."""
    if not _LANGUAGE.fullmatch(value):
        raise InvalidLanguage(field="language")
    return value


def _checked_user_id(value: str | None) -> str | None:
    return None if value is None else checked_text("external_user_id", value)


_CHECKS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "name": lambda value: checked_text("name", value),
        "email": checked_email,
        "external_user_id": _checked_user_id,
        "language": checked_language,
        "time_zone": checked_time_zone,
    }
)


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _CHECKS[name](value) if name in _CHECKS else value for name, value in values.items()
    }
