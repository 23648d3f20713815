"""API keys: made once, shown once, kept as a hash.

A secret is ``tnr_<8 characters>_<43 characters>``. The first part is public and finds the row;
the second is 256 random bits, so one SHA-256 of the whole is as good as a slow hash.
"""

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.auth import scopes as known_scopes
from shared.auth.principal import Principal
from shared.db.transaction import Transaction
from shared.kernel.errors import Invalid, NotFound
from shared.kernel.ids import new_id

_SECRET = re.compile(r"(tnr_[a-z0-9]{8})_[A-Za-z0-9_-]{43}")
SECRET_MARK = b"tnr_"
"""How every secret begins: what does not hold this holds no secret."""
_ID_ALPHABET = string.ascii_lowercase + string.digits
_SOURCE = re.compile(r"[A-Za-z0-9/][A-Za-z0-9._:/@+-]{0,199}")
_COLUMNS = "id, name, source, scopes, prefix, created_at, expires_at, revoked_at, last_used_at"


def masked(text: str) -> str:
    """Return a text without the secrets in it; their public part stays, to tell whose they are."""
    return _SECRET.sub(r"\1_***", text)


class InvalidKeyRequest(Invalid):
    """The key cannot be created like this."""


class ApiKeyNotFound(NotFound):
    """There is no such API key."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known about a key; never its secret."""

    id: UUID
    name: str
    source: str
    scopes: frozenset[str]
    prefix: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Tell whether the key opens anything at this moment."""
        expired = self.expires_at is not None and self.expires_at <= now
        return self.revoked_at is None and not expired

    @property
    def principal(self) -> Principal:
        """Return the caller that this key stands for."""
        return Principal(self.id, self.name, self.source, self.scopes)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made, with the only copy of its secret."""

    key: ApiKey
    secret: str

    def __repr__(self) -> str:
        return f"NewKey({self.key.prefix})"


async def create(
    tx: Transaction,
    *,
    name: str,
    source: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
) -> NewKey:
    """Make a key; its secret is in the answer and nowhere else.

    ``source`` becomes the source of the usage events the key writes; two live keys may share it,
    so that one can replace the other. Raises `UnknownScope`, `MixedScopes`, `InvalidKeyRequest`.
    """
    _check(name, source, expires_at, tx.now)
    prefix = "tnr_" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(8))
    secret = f"{prefix}_{secrets.token_urlsafe(32)}"
    granted = known_scopes.parse(scopes)
    key = ApiKey(new_id(), name, source, granted, prefix, tx.now, expires_at, None, None)
    await tx.execute(
        "INSERT INTO auth.api_keys (id, name, source, scopes, prefix, secret_sha256, created_at, "
        "expires_at) VALUES (:id, :name, :source, CAST(:scopes AS text[]), :prefix, :digest, "
        ":now, :expires_at)",
        id=key.id,
        name=name,
        source=source,
        scopes=sorted(granted),
        prefix=prefix,
        digest=digest_of(secret),
        now=tx.now,
        expires_at=expires_at,
    )
    return NewKey(key, secret)


def _check(name: str, source: str, expires_at: datetime | None, now: datetime) -> None:
    if not 1 <= len(name.strip()) <= 200:
        raise InvalidKeyRequest("A key needs a name of 1 to 200 characters.")
    if not _SOURCE.fullmatch(source):
        raise InvalidKeyRequest("A source is 1 to 200 letters, digits and any of . _ : / @ + -")
    if expires_at is not None and expires_at <= now:
        raise InvalidKeyRequest("The key would already have expired.")


async def list_keys(tx: Transaction) -> Sequence[ApiKey]:
    """Return all keys, newest first, revoked ones too."""
    rows = await tx.fetch_all(
        f"SELECT {_COLUMNS} FROM auth.api_keys ORDER BY created_at DESC, id DESC"
    )
    return [_key(row) for row in rows]


async def revoke(tx: Transaction, key_id: UUID) -> None:
    """End a key; services notice within seconds. Revoking twice is no error.

    Raises `ApiKeyNotFound`.
    """
    touched = await tx.execute(
        "UPDATE auth.api_keys SET revoked_at = COALESCE(revoked_at, :now) WHERE id = :id",
        now=tx.now,
        id=key_id,
    )
    if not touched:
        raise ApiKeyNotFound


async def authenticate(tx: Transaction, secret: str) -> Principal | None:
    """Return who a secret belongs to, or None when it is unknown, expired or revoked."""
    key = await find(tx, secret)
    return key.principal if key is not None and key.is_live(tx.now) else None


async def find(tx: Transaction, secret: str) -> ApiKey | None:
    """Return the key of a secret, live or not."""
    match = _SECRET.fullmatch(secret)
    if match is None:
        return None
    row = await tx.fetch_one(
        f"SELECT {_COLUMNS}, secret_sha256 FROM auth.api_keys WHERE prefix = :prefix",
        prefix=match[1],
    )
    if row is None or not hmac.compare_digest(row["secret_sha256"], digest_of(secret)):
        return None
    return _key(row)


async def touch(tx: Transaction, key_id: UUID, *, at_most_every: timedelta) -> None:
    """Note that a key was used, unless that was noted lately or is being noted right now."""
    await tx.execute(
        "UPDATE auth.api_keys SET last_used_at = :now WHERE id = (SELECT id FROM auth.api_keys "
        "WHERE id = :id AND (last_used_at IS NULL OR last_used_at < :before) "
        "FOR UPDATE SKIP LOCKED)",
        now=tx.now,
        before=tx.now - at_most_every,
        id=key_id,
    )


def digest_of(secret: str) -> bytes:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def is_well_formed(secret: str) -> bool:
    """Tell whether a string can be the secret of a key at all."""
    return _SECRET.fullmatch(secret) is not None


def _key(row: Any) -> ApiKey:
    columns: dict[str, Any] = {name: row[name] for name in _COLUMNS.split(", ")}
    return ApiKey(**{**columns, "scopes": frozenset(row["scopes"])})
