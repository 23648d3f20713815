"""The vault: signing secrets are sealed before they are stored and opened to sign, nowhere else.

AES-256-GCM. What a secret belongs to is authenticated with it, so that a sealed secret which is
copied to another row of the table does not open there.
"""

import secrets
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.notifications.domain.endpoint import SigningKey

_NONCE_BYTES = 12


class WrongVaultKeyError(Exception):
    """A signing secret does not open with the key this service was given."""

    def __init__(self) -> None:
        super().__init__(
            "the signing secret cannot be opened: TENURE_WEBHOOK_SECRET_KEY is not the key it was "
            "sealed with; set that key again, or rotate the secret of the endpoint"
        )


class Vault:
    """Seals and opens signing secrets with one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, secret: str, *, endpoint_id: UUID, key_id: UUID) -> bytes:
        """Return a secret as it is stored: a random nonce of 12 bytes, then the ciphertext."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), _owner(endpoint_id, key_id))

    def open(self, key: SigningKey, *, endpoint_id: UUID) -> str:
        """Return the secret of an endpoint's key. Raises `WrongVaultKeyError`."""
        nonce, ciphertext = key.sealed[:_NONCE_BYTES], key.sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, ciphertext, _owner(endpoint_id, key.id)).decode()
        except (InvalidTag, ValueError):
            raise WrongVaultKeyError from None

    def opens(self, key: SigningKey, *, endpoint_id: UUID) -> bool:
        """Tell whether this vault can open a key."""
        try:
            self.open(key, endpoint_id=endpoint_id)
        except WrongVaultKeyError:
            return False
        return True


def _owner(endpoint_id: UUID, key_id: UUID) -> bytes:
    return endpoint_id.bytes + key_id.bytes
