"""Whether a webhook comes from who it says: the schemes of senders, checked in constant time."""

import base64
import binascii
import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha1, sha256, sha512
from types import MappingProxyType
from typing import NamedTuple

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


class _Post(NamedTuple):
    """What came in, and when; headers by their names in lower case."""

    headers: Mapping[str, str]
    body: bytes
    now: datetime

    def header(self, name: str) -> str:
        return self.headers.get(name.lower(), "").strip()


def verify(
    scheme: Scheme, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> None:
    """Check a webhook against every secret in force; ``headers`` by their names in lower case.

    Raises `BadSignature`.
    """
    if not _CHECKS[scheme.kind](scheme, secrets, _Post(headers, body, now)):
        raise BadSignature


def _is_anybody(_scheme: Scheme, _secrets: Sequence[str], _post: _Post) -> bool:
    return True


def _has_token(scheme: Scheme, secrets: Sequence[str], post: _Post) -> bool:
    sent = post.header(scheme.header)
    return _is_any(secrets, [sent, sent.removeprefix("Bearer ").strip()])


def _has_basic(_scheme: Scheme, secrets: Sequence[str], post: _Post) -> bool:
    """Check HTTP Basic, RFC 7617: each secret is ``user:password``."""
    kind, _, sent = post.header("Authorization").partition(" ")
    made = [base64.b64encode(secret.encode()).decode() for secret in secrets]
    return kind.lower() == "basic" and _is_any(made, [sent.strip()])


def _has_hmac(scheme: Scheme, secrets: Sequence[str], post: _Post) -> bool:
    """Check an HMAC with the secret over the body, and over when it was made if that is signed."""
    sent = post.header(scheme.header)
    if not sent.startswith(scheme.prefix):
        return False
    at = post.header(scheme.time_header)
    if scheme.time_header:
        _check_time(at, scheme, post.now)
    sent = sent.removeprefix(scheme.prefix)
    is_hex = scheme.encoding is Encoding.HEX
    before, after = (part.replace(TIME, at).encode() for part in scheme.content.split(BODY))
    content = before + post.body + after
    digests = [hmac.digest(one.encode(), content, _HASHES[scheme.algorithm]) for one in secrets]
    made = [one.hex() if is_hex else base64.b64encode(one).decode() for one in digests]
    return _is_any(made, [sent.lower() if is_hex else sent])


def _has_stripe(scheme: Scheme, secrets: Sequence[str], post: _Post) -> bool:
    """Check ``t=<seconds>,v1=<hex>``: HMAC-SHA256 with the secret over ``t.body``."""
    parts = [part.strip().partition("=") for part in post.header("Stripe-Signature").split(",")]
    at = next((value for name, _, value in parts if name == "t"), "")
    sent = [value for name, _, value in parts if name == "v1"]
    _check_time(at, scheme, post.now)
    content = at.encode() + b"." + post.body
    made = [hmac.new(secret.encode(), content, sha256).hexdigest() for secret in secrets]
    return _is_any(made, sent)


def _has_standard(scheme: Scheme, secrets: Sequence[str], post: _Post) -> bool:
    """Check ``v1,<base64>``: HMAC-SHA256 with the decoded secret over id.time.body."""
    message_id, at = post.header("Webhook-Id"), post.header("Webhook-Timestamp")
    _check_time(at, scheme, post.now)
    content = f"{message_id}.{at}.".encode() + post.body
    made = [
        "v1," + base64.b64encode(hmac.new(key, content, sha256).digest()).decode()
        for key in _keys(secrets)
    ]
    return _is_any(made, post.header("Webhook-Signature").split())


_CHECKS: Mapping[SchemeKind, Callable[[Scheme, Sequence[str], _Post], bool]] = MappingProxyType(
    {
        SchemeKind.STRIPE: _has_stripe,
        SchemeKind.STANDARD_WEBHOOKS: _has_standard,
        SchemeKind.HMAC: _has_hmac,
        SchemeKind.BASIC: _has_basic,
        SchemeKind.TOKEN: _has_token,
        SchemeKind.NONE: _is_anybody,
    }
)


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
