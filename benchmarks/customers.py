"""Customers as the product knows them: opened, owned and under contract, all through the API."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import uuid4

import httpx

CSM = "csm@vendor.example"
_AT_ONCE = 4
_SEATS = 10


class RefusedError(RuntimeError):
    """The product did not take what a benchmark needs; the message is its answer."""


@dataclass
class Office:
    """Calls the services as an administrator."""

    urls: Mapping[str, str]
    key: str
    usage_key: str = ""

    def __post_init__(self) -> None:
        """Open one client for all calls."""
        self._client = httpx.Client(timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(self, method: str, service: str, path: str, body: object = None) -> Any:
        """Call a service. Raises `RefusedError` for anything but success."""
        # A key that writes usage can do nothing else.
        key = self.usage_key if path.startswith("/v1/") else self.key
        headers = {"Authorization": f"Bearer {key}"}
        if method != "GET":
            headers["Idempotency-Key"] = uuid4().hex
        if method == "PUT":
            headers["If-Match"] = '"1"'
        url = f"{self.urls[service]}{path}"
        answer = self._client.request(method, url, json=body, headers=headers)
        if not answer.is_success:
            raise RefusedError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json() if answer.content else None

    def open_all(self, accounts: Sequence[str]) -> None:
        """Open customers that have an owner and a contract."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._open, accounts))

    def send_usage(self, messages: Sequence[Mapping[str, object]]) -> None:
        """Send usage over HTTP, in batches of 100."""
        for start in range(0, len(messages), 100):
            self.call("POST", "health", "/v1/batch", {"batch": messages[start : start + 100]})

    def signal(self, account: str, kind: str, external_id: str) -> None:
        """Record a signal."""
        body = {"type": kind, "external_id": external_id}
        self.call("POST", "health", f"/api/v1/accounts/{account}/signals", body)

    def _open(self, account: str) -> None:
        order = {"account_id": account, "name": account.title(), "start_onboarding": True}
        self.call("POST", "onboarding", "/api/v1/accounts", order)
        path = f"/api/v1/accounts/{account}"
        owner = {"name": "Cora Stein", "email": CSM}
        self.call("PUT", "onboarding", f"{path}/owners/csm", owner)
        self.call("POST", "renewals", f"{path}/contracts", _contract())


def _contract() -> Mapping[str, object]:
    today = datetime.now(UTC).date()
    return {
        "starts_on": str(today - timedelta(days=200)),
        "ends_on": str(today + timedelta(days=165)),
        "seats": _SEATS,
        "amount": {"amount_minor": 1_000_000, "currency": "EUR"},
    }
