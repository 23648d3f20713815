"""Whose event it is: where the account of a message is looked for, and in which order."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.health.domain.usage.account_group import AccountGroups
from services.health.domain.usage.members import InvalidEvent, as_id, shown
from shared.kernel.ids import is_account_id

_PROPERTIES = ("groupId", "account_id", "company_id")


def account_of(
    message: Mapping[str, Any], properties: Mapping[str, Any], groups: AccountGroups
) -> str | None:
    """Return the account that a message names; None when it names none.

    The first of ``context.groupId``, ``groupId``, ``properties.groupId``, ``account_id``,
    ``company_id`` and ``$groups`` that is neither missing, null nor empty counts. Raises
    `InvalidEvent` when it cannot be the id of an account.
    """
    for given in _candidates(message, properties, groups):
        if given not in (None, ""):
            return account_id(given)
    return None


def account_id(given: object) -> str:
    """Return the id of an account as text; a number counts as its digits."""
    found = as_id(given)
    if found is None or not is_account_id(found):
        raise InvalidEvent(
            "invalid_account",
            f"{shown(given)} cannot be an account id: up to 128 letters, digits and "
            "._:@+- beginning with a letter or digit.",
        )
    return found


def _candidates(
    message: Mapping[str, Any], properties: Mapping[str, Any], groups: AccountGroups
) -> Iterator[object]:
    context = message.get("context")
    yield context.get("groupId") if isinstance(context, dict) else None
    yield message.get("groupId")
    for name in _PROPERTIES:
        yield properties.get(name)
    given = properties.get("$groups")
    yield groups.account_in(given) if isinstance(given, dict) else None
