from uuid import UUID

import pytest

from shared.auth.principal import MissingScope, Principal
from shared.auth.scopes import SCOPES, MixedScopes, UnknownScope, parse


def _principal(*scopes: str) -> Principal:
    return Principal(UUID(int=1), "test", "billing", frozenset(scopes))


def test_known_scopes_are_read() -> None:
    assert parse(["health:read", " health:write "]) == {"health:read", "health:write"}


@pytest.mark.parametrize("values", [[], ["health:delete"], ["health:read", "*"], [""]])
def test_unknown_scopes_are_refused_with_the_known_ones_listed(values: list[str]) -> None:
    with pytest.raises(UnknownScope, match="usage:write"):
        parse(values)


@pytest.mark.parametrize("other", sorted(SCOPES - {"usage:write"}))
def test_a_key_that_writes_usage_can_do_nothing_else(other: str) -> None:
    with pytest.raises(MixedScopes):
        parse(["usage:write", other])


@pytest.mark.parametrize("scope", sorted(SCOPES))
def test_admin_may_do_everything(scope: str) -> None:
    _principal("admin").require(scope)


def test_a_scope_opens_itself_and_nothing_else() -> None:
    principal = _principal("health:read")

    assert [scope for scope in sorted(SCOPES) if principal.allows(scope)] == ["health:read"]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(MissingScope, match="renewals:write") as error:
        _principal("renewals:read").require("renewals:write")

    assert error.value.context == {"required_scope": "renewals:write"}
