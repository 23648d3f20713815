"""The account: the customer company."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Self

from services.onboarding.domain.wording import checked_text, checked_time_zone
from shared.kernel.errors import Conflict, Invalid, NotFound
from shared.kernel.ids import is_account_id

DEFAULT_SEGMENT = "smb"
DEFAULT_TIME_ZONE = "UTC"
_SEGMENT = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class AccountExists(Conflict):
    """There already is an account with this id."""


class AccountNotFound(NotFound):
    """There is no such account."""


class InvalidAccountId(Invalid):
    """An account id is 1 to 128 letters, digits and . _ : @ + -, the first a letter or digit."""


class InvalidSegment(Invalid):
    """A segment is a lower-case word of 1 to 40 letters, digits, hyphens and underscores."""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What is known of a customer whose account is to be opened."""

    account_id: str
    name: str
    segment: str = DEFAULT_SEGMENT
    time_zone: str = DEFAULT_TIME_ZONE


@dataclass(frozen=True, slots=True)
class Account:
    """A customer company.

    ``stated`` names the fields whose value a person chose; what a product backend says about
    the account changes only the others.
    """

    id: str
    name: str
    segment: str
    time_zone: str
    opened_at: datetime
    stated: frozenset[str] = frozenset()
    version: int = 1

    @classmethod
    def opened(cls, order: NewAccount, *, at: datetime) -> Self:
        """Open an account on the word of a person, whose every field then counts as stated.

        Raises `InvalidAccountId`, `InvalidText`, `InvalidSegment` or `UnknownTimeZone`.
        """
        given = {"name": order.name, "segment": order.segment, "time_zone": order.time_zone}
        return cls(
            _checked_id(order.account_id),
            **_checked(given),
            opened_at=at,
            stated=frozenset(_CHECKS),
        )

    @classmethod
    def discovered(cls, account_id: str, traits: Mapping[str, Any], *, at: datetime) -> Self:
        """Open an account that another system spoke of first; what it did not say is assumed."""
        assumed: dict[str, Any] = {
            "name": account_id,
            "segment": DEFAULT_SEGMENT,
            "time_zone": DEFAULT_TIME_ZONE,
        }
        known = assumed | valid_traits(traits)
        return cls(_checked_id(account_id), **known, opened_at=at)

    def edited(self, changes: Mapping[str, str]) -> Self:
        """Return the account after a person's edit; the same one when nothing is different.

        Raises `InvalidText`, `InvalidSegment` or `UnknownTimeZone`.
        """
        after = replace(self, **_checked(changes), stated=self.stated | changes.keys())
        return self if after == self else after.touched()

    def described(self, traits: Mapping[str, Any]) -> Self:
        """Return the account after a product backend described it, heeding what was stated."""
        traits = valid_traits(traits)
        free = {name: value for name, value in traits.items() if name not in self.stated}
        after = replace(self, **free)
        return self if after == self else after.touched()

    def touched(self) -> Self:
        """Return the next version of the account, for a change to what hangs on it."""
        return replace(self, version=self.version + 1)

    def looks_like(self, other: "Account") -> bool:
        """Tell whether name, segment and time zone are the same."""
        return all(getattr(self, field) == getattr(other, field) for field in _CHECKS)


def checked_segment(value: str) -> str:
    """Return the segment. Raises `InvalidSegment`."""
    if not _SEGMENT.fullmatch(value):
        raise InvalidSegment(field="segment")
    return value


_CHECKS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "name": lambda value: checked_text("name", value),
        "segment": checked_segment,
        "time_zone": checked_time_zone,
    }
)


def valid_traits(traits: Mapping[str, Any]) -> dict[str, Any]:
    """Return name, segment and time zone as far as they are there and valid."""
    valid: dict[str, Any] = {}
    for field, check in _CHECKS.items():
        value = traits.get(field)
        if isinstance(value, str):
            with suppress(Invalid):
                valid[field] = check(value.strip().lower() if field == "segment" else value)
    return valid


def ignored_traits(traits: Mapping[str, Any]) -> list[str]:
    """Return which of name, segment and time zone were sent and could not be used."""
    return sorted((traits.keys() & _CHECKS.keys()) - valid_traits(traits).keys())


def _checked(fields: Mapping[str, str]) -> dict[str, Any]:
    return {name: _CHECKS[name](value) for name, value in fields.items()}


def _checked_id(account_id: str) -> str:
    if not is_account_id(account_id):
        raise InvalidAccountId(field="account_id")
    return account_id
