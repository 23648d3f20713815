"""Every GET route of a service, out of its OpenAPI document, called with real values."""

import http.client
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from benchmarks.multiply import copied, owner

_OWN = "/api/"
_LIMITS = (None, None, None, 200)


class Client:
    """One keep-alive connection; measures from request to the last byte of the answer."""

    def __init__(self, url: str, key: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        self._headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str) -> tuple[int, bytes, float]:
        """Return status, body and seconds."""
        started = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        return answer.status, body, time.perf_counter() - started

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


@dataclass
class Route:
    """A GET route: its path, its parameters, and ids that were seen in the lists above it."""

    path: str
    parameters: Sequence[Mapping[str, Any]]
    known: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    cursors: list[str] = field(default_factory=list)

    @property
    def own_ids(self) -> list[str]:
        """Names of the path's parameters but the account."""
        return [
            each["name"]
            for each in self.parameters
            if each["in"] == "path" and each["name"] != "account_id"
        ]

    def call(self, accounts: int, rng: random.Random) -> str:
        """Return a path with values: another account, filter, page size or page each time."""
        if self.cursors and rng.random() < 0.5:
            return self.cursors[rng.randrange(len(self.cursors))]
        account = copied(rng.randrange(accounts))
        values = {"account_id": account}
        for name in self.own_ids:
            values["account_id"], values[name] = rng.choice(self.known[name])
        path = self.path
        for name, value in values.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        query = {
            each["name"]: picked
            for each in self.parameters
            if each["in"] == "query" and (picked := _pick(each, rng, accounts)) is not None
        }
        return f"{path}?{urlencode(query)}" if query else path

    def follow(self, called: str, body: bytes) -> None:
        """Remember the page after this one."""
        cursor = _decoded(body).get("next_cursor")
        if cursor and len(self.cursors) < 300:
            base, _, query = called.partition("?")
            kept = [part for part in query.split("&") if part and not part.startswith("cursor=")]
            self.cursors.append(f"{base}?{'&'.join([*kept, urlencode({'cursor': cursor})])}")


def routes_of(document: Mapping[str, Any]) -> tuple[list[Route], dict[str, str]]:
    """Return the GET routes of the API that can be called, and why others cannot."""
    found, skipped = [], {}
    for path, operations in document["paths"].items():
        if not path.startswith(_OWN) or "get" not in operations:
            continue
        parameters = [_resolved(document, each) for each in operations["get"].get("parameters", [])]
        why = _why_not(path, operations["get"], parameters)
        if why:
            skipped[path] = why
        else:
            found.append(Route(path, parameters))
    return found, skipped


def learn_ids(route: Route, client: Client, accounts: int, rng: random.Random) -> str:
    """Look up ids for a route in the list above it; return why there are none, or nothing."""
    for name in route.own_ids:
        parent = route.path.partition(f"/{{{name}}}")[0]
        pairs: list[tuple[str, str]] = []
        for _ in range(20):
            account = copied(rng.randrange(accounts))
            status, body, _ = client.get(parent.replace("{account_id}", account))
            rows = _decoded(body).get("data") if status == 200 else None
            for row in (rows or [])[:3]:
                found = row.get(name) or row.get("id")
                if found:
                    pairs.append((row.get("account_id") or account, str(found)))
        if not pairs:
            return f"{parent} shows no {name}"
        route.known[name] = pairs
    return ""


def _why_not(
    path: str, operation: Mapping[str, Any], parameters: Sequence[Mapping[str, Any]]
) -> str:
    content = operation.get("responses", {}).get("200", {}).get("content", {})
    if path.endswith("/stream") or any("event-stream" in kind for kind in content):
        return "a stream, not a page"
    for each in parameters:
        if each["in"] == "query" and each.get("required") and each["name"] not in _VALUES:
            return f"the benchmark knows no value for {each['name']}"
    return ""


def _resolved(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> dict[str, Any]:
    schema = parameter.get("schema", {})
    options = []
    for each in schema.get("anyOf", [schema]):
        name = each.get("$ref", "").rpartition("/")[2]
        options.append(document["components"]["schemas"][name] if name else each)
    chosen: Mapping[str, Any] = next((each for each in options if each.get("type") != "null"), {})
    return {**parameter, "schema": chosen}


def _pick(parameter: Mapping[str, Any], rng: random.Random, accounts: int) -> str | None:
    name, schema = parameter["name"], parameter["schema"]
    if not parameter.get("required") and rng.random() < 0.5:
        return None
    if name == "limit":
        limit = rng.choice(_LIMITS)
        return None if limit is None else str(limit)
    if name in _VALUES:
        return _VALUES[name](rng, accounts)
    if "enum" in schema:
        return str(rng.choice(schema["enum"]))
    if schema.get("type") == "boolean":
        return rng.choice(("true", "false"))
    return None


_VALUES: Mapping[str, Callable[[random.Random, int], str]] = {
    "account_id": lambda rng, accounts: copied(rng.randrange(accounts)),
    "recipient": lambda rng, _: owner(rng.randrange(10_000)),
    "owner_email": lambda rng, _: owner(rng.randrange(10_000)),
    "segment": lambda rng, _: rng.choice(("smb", "mid", "enterprise")),
}


def _decoded(body: bytes) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
