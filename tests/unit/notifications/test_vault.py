"""Signing secrets at rest."""

from uuid import UUID

import pytest

from services.notifications.gateways.vault import Vault, WrongVaultKeyError
from tests.builders.notifications import ENDPOINT_ID, SECRET, VAULT, key


def test_what_was_sealed_opens_for_its_owner() -> None:
    assert VAULT.open(key(), endpoint_id=ENDPOINT_ID) == SECRET
    assert VAULT.opens(key(), endpoint_id=ENDPOINT_ID)


def test_a_secret_is_stored_as_a_new_nonce_and_its_ciphertext() -> None:
    one, other = key().sealed, key().sealed
    assert one[:12] != other[:12]
    assert len(one) == 12 + len(SECRET) + 16
    assert SECRET.encode() not in one


def test_another_vault_says_that_its_key_is_the_wrong_one() -> None:
    other = Vault(bytes(32))
    with pytest.raises(WrongVaultKeyError, match="TENURE_WEBHOOK_SECRET_KEY is not the key"):
        other.open(key(), endpoint_id=ENDPOINT_ID)
    assert not other.opens(key(), endpoint_id=ENDPOINT_ID)


def test_a_secret_moved_to_another_endpoint_or_key_does_not_open() -> None:
    assert not VAULT.opens(key(), endpoint_id=UUID(int=7))
    assert not VAULT.opens(key(2, sealed=key(1).sealed), endpoint_id=ENDPOINT_ID)


@pytest.mark.parametrize("length", [0, 7, 12, 27])
def test_a_secret_cut_short_does_not_open(length: int) -> None:
    assert not VAULT.opens(key(sealed=key().sealed[:length]), endpoint_id=ENDPOINT_ID)


def test_a_changed_secret_does_not_open() -> None:
    sealed = key().sealed
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    assert not VAULT.opens(key(sealed=changed), endpoint_id=ENDPOINT_ID)
