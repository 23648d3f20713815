"""Idempotency-Key on POST: the same request twice has one effect and one answer.

The answer is stored by the transaction that has the effect, so that a crash cannot separate
them. A key is remembered for 24 hours, per API key. A refused request has no effect and leaves
nothing: it may be sent again.

An answer that holds a secret is not stored: a route marked with `shown_once` still has its effect
once, and a repetition is told that the answer is gone.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import Request, Response

from shared.auth.principal import Principal
from shared.db.transaction import Transaction
from shared.kernel.errors import Conflict, Invalid, Kind, Refusal

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_REMEMBERED = timedelta(hours=24)
_LONGEST = 255
_KEPT_HEADERS = ("content-type", "etag", "location")


class InvalidIdempotencyKey(Refusal):
    """An Idempotency-Key is 1 to 255 printable ASCII characters."""

    kind = Kind.MALFORMED


class IdempotencyKeyInFlight(Conflict):
    """A request with this Idempotency-Key is being worked on; try again in a moment."""


class IdempotencyKeyReused(Invalid):
    """This Idempotency-Key was used for another request; use a new one."""


class SecretShownOnce(Conflict):
    """This request was done, and its secret was shown once and is not kept; rotate the secret."""


class Replay(Exception):  # noqa: N818 - not an error: the answer is already known
    """The request was done before; this is what it was answered."""

    def __init__(self, response: Response) -> None:
        self.response = response
        super().__init__()


@dataclass(frozen=True, slots=True)
class _Pending:
    tx: Transaction
    principal: str
    key: str
    request_hash: str


async def begin(tx: Transaction, request: Request, caller: Principal | None) -> None:
    """Claim the key of a request, if it has one and somebody sent it.

    Raises `Replay`, `SecretShownOnce`, `IdempotencyKeyInFlight`, `IdempotencyKeyReused` or
    `InvalidIdempotencyKey`.
    """
    key = request.headers.get(HEADER)
    if request.method != "POST" or key is None or caller is None:
        return
    if not (1 <= len(key) <= _LONGEST and key.isascii() and key.isprintable()):
        raise InvalidIdempotencyKey
    pending = _Pending(tx, str(caller.key_id), key, await _hash_of(request))
    # Held until the commit or the rollback, so whoever gets it next sees the stored answer.
    if not await tx.fetch_value("SELECT pg_try_advisory_xact_lock(:lock)", lock=_lock_of(pending)):
        raise IdempotencyKeyInFlight(retry_after=1)
    await _replay_if_done(pending)
    request.state.idempotency = pending


async def shown_once(request: Request) -> None:
    """Keep the answer of a route out of storage, as it holds a secret.

    A dependency of the route. Under an Idempotency-Key that was used, the route is refused with
    `SecretShownOnce`, whose ``location`` is that of the first answer, if it had one.
    """
    request.state.is_shown_once = True


async def finish(request: Request, response: Response) -> None:
    """Store the answer to a request whose key was claimed, in the transaction of its effect."""
    pending: _Pending | None = getattr(request.state, "idempotency", None)
    if pending is None:
        return
    if not hasattr(response, "body"):
        raise TypeError("a streamed response cannot be stored under an Idempotency-Key")
    is_shown_once = getattr(request.state, "is_shown_once", False)
    await pending.tx.execute(
        "INSERT INTO idempotency_keys (key, principal, request_hash, status, body, headers, "
        "created_at) VALUES (:key, :principal, :hash, :status, CAST(:body AS jsonb), "
        "CAST(:headers AS jsonb), :now) "
        "ON CONFLICT (principal, key) DO UPDATE SET request_hash = EXCLUDED.request_hash, "
        "status = EXCLUDED.status, body = EXCLUDED.body, headers = EXCLUDED.headers, "
        "created_at = EXCLUDED.created_at",
        key=pending.key,
        principal=pending.principal,
        hash=pending.request_hash,
        status=response.status_code,
        # As text inside: jsonb itself would reorder the members of an object.
        body=None if is_shown_once else {"text": bytes(response.body).decode()},
        headers={
            name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers
        },
        now=pending.tx.now,
    )


async def _replay_if_done(pending: _Pending) -> None:
    row: Any = await pending.tx.fetch_one(
        "SELECT request_hash, status, body, headers FROM idempotency_keys "
        "WHERE principal = :principal AND key = :key AND created_at > :since",
        principal=pending.principal,
        key=pending.key,
        since=pending.tx.now - _REMEMBERED,
    )
    if row is None:
        return
    if row["request_hash"] != pending.request_hash:
        raise IdempotencyKeyReused
    if row["body"] is None:
        location = row["headers"].get("location")
        raise SecretShownOnce(**({"location": location} if location else {}))
    headers = {**row["headers"], REPLAYED: "true"}
    raise Replay(Response(row["body"]["text"], status_code=row["status"], headers=headers))


async def _hash_of(request: Request) -> str:
    digest = hashlib.sha256()
    for part in (request.method, request.url.path, request.url.query):
        digest.update(part.encode() + b"\0")
    digest.update(await request.body())
    return digest.hexdigest()


def _lock_of(pending: _Pending) -> int:
    # The service is part of it: services share a database, and so its advisory locks.
    name = f"idempotency {pending.tx.service} {pending.principal} {pending.key}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
