"""Whether a webhook comes from who it says: the schemes of senders, checked in constant time."""

import base64
import binascii
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha1, sha256, sha512
from types import MappingProxyType

from services.health.domain.signal.sent import read_time
from shared.kernel.errors import Kind, Refusal

BODY, TIME = "{body}", "{time}"
"""What stands for the body and the time in what an HMAC is made over."""

_PREFIX = "whsec_"


class BadSignature(Refusal):
    """The webhook is not signed with the secret that is set for it."""

    kind = Kind.UNAUTHENTICATED


class SchemeKind(StrEnum):
    """How a sender proves who it is."""

    STRIPE = "stripe"
    STANDARD_WEBHOOKS = "standard-webhooks"
    HMAC = "hmac"
    BASIC = "basic"
    TOKEN = "token"  # noqa: S105 - the name of a scheme
    NONE = "none"


class Algorithm(StrEnum):
    """What an HMAC over the body is made with."""

    SHA256 = "sha256"
    SHA1 = "sha1"
    SHA512 = "sha512"


class Encoding(StrEnum):
    """How an HMAC over the body is written."""

    HEX = "hex"
    BASE64 = "base64"


_HASHES = MappingProxyType(
    {Algorithm.SHA256: sha256, Algorithm.SHA1: sha1, Algorithm.SHA512: sha512}
)


@dataclass(frozen=True, slots=True)
class Scheme:
    """A scheme; `header` is the one a token or an HMAC comes in.

    `tolerance` seconds a signed time may be off. `prefix` stands before an HMAC. `content` is what
    it is made over: ``{body}`` and, where it is signed, ``{time}``, which comes in `time_header`.
    """

    kind: SchemeKind
    header: str = ""
    tolerance: int = 300
    prefix: str = ""
    content: str = BODY
    time_header: str = ""
    algorithm: Algorithm = Algorithm.SHA256
    encoding: Encoding = Encoding.HEX


def verify(
    scheme: Scheme, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> None:
    """Check a webhook against every secret in force; ``headers`` by their names in lower case.

    Raises `BadSignature`.
    """
    if scheme.kind is SchemeKind.NONE:
        return
    if scheme.kind is SchemeKind.TOKEN:
        is_genuine = _has_token(scheme, secrets, headers)
    elif scheme.kind is SchemeKind.BASIC:
        is_genuine = _has_basic(secrets, headers)
    elif scheme.kind is SchemeKind.HMAC:
        is_genuine = _has_hmac(scheme, secrets, headers, (body, now))
    elif scheme.kind is SchemeKind.STRIPE:
        is_genuine = _has_stripe(scheme, secrets, (headers.get("stripe-signature", ""), body), now)
    else:
        is_genuine = _has_standard(scheme, secrets, headers, (body, now))
    if not is_genuine:
        raise BadSignature


def _has_token(scheme: Scheme, secrets: Sequence[str], headers: Mapping[str, str]) -> bool:
    sent = headers.get(scheme.header.lower(), "").strip()
    return _is_any(secrets, [sent, sent.removeprefix("Bearer ").strip()])


def _has_basic(secrets: Sequence[str], headers: Mapping[str, str]) -> bool:
    """Check HTTP Basic, RFC 7617: each secret is ``user:password``."""
    kind, _, sent = headers.get("authorization", "").strip().partition(" ")
    made = [base64.b64encode(secret.encode()).decode() for secret in secrets]
    return kind.lower() == "basic" and _is_any(made, [sent.strip()])


def _has_hmac(
    scheme: Scheme,
    secrets: Sequence[str],
    headers: Mapping[str, str],
    signed: tuple[bytes, datetime],
) -> bool:
    """Check an HMAC with the secret over the body, and over when it was made if that is signed."""
    body, now = signed
    sent = headers.get(scheme.header.lower(), "").strip()
    if not sent.startswith(scheme.prefix):
        return False
    at = headers.get(scheme.time_header.lower(), "").strip()
    if scheme.time_header:
        _check_time(at, scheme, now)
    sent = sent.removeprefix(scheme.prefix)
    is_hex = scheme.encoding is Encoding.HEX
    before, after = (part.replace(TIME, at).encode() for part in scheme.content.split(BODY))
    content = before + body + after
    digests = [hmac.digest(one.encode(), content, _HASHES[scheme.algorithm]) for one in secrets]
    made = [one.hex() if is_hex else base64.b64encode(one).decode() for one in digests]
    return _is_any(made, [sent.lower() if is_hex else sent])


def _has_stripe(
    scheme: Scheme, secrets: Sequence[str], signed: tuple[str, bytes], now: datetime
) -> bool:
    """Check ``t=<seconds>,v1=<hex>``: HMAC-SHA256 with the secret over ``t.body``."""
    header, body = signed
    parts = [part.strip().partition("=") for part in header.split(",")]
    at = next((value for name, _, value in parts if name == "t"), "")
    sent = [value for name, _, value in parts if name == "v1"]
    _check_time(at, scheme, now)
    content = at.encode() + b"." + body
    made = [hmac.new(secret.encode(), content, sha256).hexdigest() for secret in secrets]
    return _is_any(made, sent)


def _has_standard(
    scheme: Scheme,
    secrets: Sequence[str],
    headers: Mapping[str, str],
    signed: tuple[bytes, datetime],
) -> bool:
    """Check ``v1,<base64>``: HMAC-SHA256 with the decoded secret over id.time.body."""
    body, now = signed
    message_id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    _check_time(at, scheme, now)
    content = f"{message_id}.{at}.".encode() + body
    sent = headers.get("webhook-signature", "").split()
    made = [
        "v1," + base64.b64encode(hmac.new(key, content, sha256).digest()).decode()
        for key in _keys(secrets)
    ]
    return _is_any(made, sent)


def _keys(secrets: Sequence[str]) -> Iterator[bytes]:
    for secret in secrets:
        try:
            yield base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            continue


def _check_time(at: str, scheme: Scheme, now: datetime) -> None:
    """Refuse what is too old, so that a body that leaked cannot be sent again for ever."""
    try:
        made_at = read_time(at)
    except ValueError:
        raise BadSignature("the signature is missing or has no time") from None
    off = abs((now - made_at).total_seconds())
    if off > scheme.tolerance:
        raise BadSignature(f"signed {off:.0f} s ago or ahead; {scheme.tolerance} s are allowed")


def _is_any(wanted: Sequence[str], sent: Sequence[str]) -> bool:
    # No early end: how long it takes says nothing about which one was close.
    matches = [
        hmac.compare_digest(one.encode(), other.encode()) for one in wanted for other in sent
    ]
    return any(matches)
