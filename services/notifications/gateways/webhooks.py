"""Webhooks: Standard Webhooks over a guarded connection."""

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from uuid import UUID

import httpcore
from standardwebhooks import Webhook

from services.notifications.domain.delivery import Arrived, Missed, Outcome
from services.notifications.domain.endpoint import Endpoint, SigningKey
from services.notifications.gateways.dialing import (
    ForbiddenAddressError,
    GuardedNetwork,
    Resolver,
    resolve,
)
from services.notifications.gateways.vault import Vault, WrongVaultKeyError
from shared.kernel.clock import SystemClock

_STEP_SECONDS = 5.0
_TOTAL_SECONDS = 10.0
_GONE = 410


class WebhookSender:
    """Posts signed messages. Never follows a redirect, never reads more than the status line.

    Only here are secrets opened, with the ``vault``. Signs by the wall clock, because receivers
    judge the age by theirs.
    """

    def __init__(
        self,
        vault: Vault,
        *,
        allow_private: bool,
        resolver: Resolver = resolve,
        tls: ssl.SSLContext | None = None,
        total_seconds: float = _TOTAL_SECONDS,
    ) -> None:
        self._vault = vault
        self._network = GuardedNetwork(allow_private=allow_private, resolver=resolver)
        self._clock = SystemClock()
        self._tls = tls
        self._total_seconds = total_seconds

    async def send(
        self,
        endpoint: Endpoint,
        keys: Sequence[SigningKey],
        *,
        message_id: UUID,
        payload: Mapping[str, Any],
    ) -> Outcome:
        """Post a payload once. ``message_id`` is the same for every attempt."""
        try:
            secrets = [self._vault.open(key, endpoint_id=endpoint.id) for key in keys]
        except WrongVaultKeyError as error:
            # Not final: whoever runs the service can still set the right key.
            return Missed(str(error))
        body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
        headers = signed_headers(secrets, str(message_id), body, self._clock.now())
        return await self._attempt(endpoint.url, headers, body)

    async def _attempt(self, url: str, headers: Mapping[str, str], body: str) -> Outcome:
        try:
            async with asyncio.timeout(self._total_seconds):
                return await self._post(url, headers, body)
        except ForbiddenAddressError as error:
            return Missed(str(error), is_final=True)
        except TimeoutError:
            return Missed(f"no answer within {self._total_seconds:g} s", is_silent=True)
        except httpcore.TimeoutException as error:
            return Missed(f"{type(error).__name__}: {error}", is_silent=True)
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            return Missed(f"{type(error).__name__}: {error}")
        except ssl.SSLError as error:
            return Missed(f"TLS: {error}")

    async def _post(self, url: str, headers: Mapping[str, str], body: str) -> Outcome:
        # One connection for each attempt: nothing of one receiver can linger for another.
        async with httpcore.AsyncConnectionPool(
            ssl_context=self._tls or _tls(),
            network_backend=self._network,
            max_keepalive_connections=0,
            retries=0,
        ) as pool:
            limits = dict.fromkeys(("connect", "read", "write", "pool"), _STEP_SECONDS)
            async with pool.stream(
                "POST",
                url,
                headers=list(headers.items()),
                content=body.encode(),
                extensions={"timeout": limits},
            ) as response:
                return self._outcome(response)

    def _outcome(self, response: httpcore.Response) -> Outcome:
        code = response.status
        if 200 <= code < 300:
            return Arrived(code)
        if code == _GONE:
            return Missed("the receiver wants no more", code, is_final=True, is_gone=True)
        error = f"the receiver answered {code}"
        if 300 <= code < 400:
            error = f"the receiver answered {code}; redirects are not followed"
        return Missed(error, code, retry_after=_retry_after(response, self._clock.now()))


def signed_headers(
    secrets: Sequence[str], message_id: str, body: str, at: datetime
) -> Mapping[str, str]:
    """Return the headers of a request: one signature for each secret that is live."""
    signatures = [Webhook(secret).sign(message_id, at, body) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": "Tenure-Webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _retry_after(response: httpcore.Response, now: datetime) -> timedelta | None:
    values = [value for name, value in response.headers if name.lower() == b"retry-after"]
    text = values[0].decode("latin-1").strip() if values else ""
    if text.isdecimal() and len(text) <= 9:
        return timedelta(seconds=int(text))
    try:
        wait = parsedate_to_datetime(text) - now
    except (TypeError, ValueError):
        return None
    return max(wait, timedelta(0))


@cache
def _tls() -> ssl.SSLContext:
    return httpcore.default_ssl_context()
