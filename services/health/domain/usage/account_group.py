"""Which of the groups that a product knows is the account."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ANY_OTHER = "*"


@dataclass(frozen=True, slots=True)
class AccountGroups:
    """The types of group that are accounts, the most wanted first.

    Products that use PostHog's groups may have several types: company, project, team. ``*`` at
    the end stands for any other, as long as there is only one.
    """

    types: tuple[str, ...] = ("company", "account", "organization", ANY_OTHER)

    def has(self, group_type: str) -> bool:
        """Tell whether a group of this type is an account."""
        return group_type in self.types or ANY_OTHER in self.types

    def account_in(self, groups: Mapping[str, Any]) -> object:
        """Return the group that is the account, as it was given; None when it cannot be told."""
        given = {name: value for name, value in groups.items() if value not in (None, "")}
        for wanted in self.types:
            if wanted in given:
                return given[wanted]
        is_plain = ANY_OTHER in self.types and len(given) == 1
        return next(iter(given.values())) if is_plain else None


DEFAULT_GROUPS = AccountGroups()
