"""P7: every list and account page of the API, with 100,000 accounts, on one worker.

Ten customers are made through the product, with owners, contracts, contacts, usage, scores, risks
and alerts; SQL copies them until there are enough (see `multiply`). Then each service answers
alone, as one HTTP-only process, and every GET route of its OpenAPI document is called, one call
after the other, with other accounts, filters, sizes and pages each time.
"""

import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

import msgspec

from benchmarks.checks import Ledger
from benchmarks.customers import Office
from benchmarks.database import Reader
from benchmarks.ground import Ground, open_ground
from benchmarks.multiply import multiply
from benchmarks.options import Options
from benchmarks.progress import wait_for
from benchmarks.routes import Client, Route, learn_ids, routes_of
from tenure.catalog import SERVICES

_TARGET_MS = 50
_SEEDS = 10
_CALLS = 200
_LONGEST = 10.0
_WARM_UP = 5
_DAYS = 7
_NAMES = ("report.exported", "page.viewed", "document.edited", "search.run")
_SIGNALS = ("champion_left", "payment_failed", "new_executive", "merger")
_KNOWN = """
SELECT (SELECT count(DISTINCT account_id) FROM notifications.inbox_items)
     + (SELECT count(DISTINCT account_id) FROM health.current_scores)
     + (SELECT count(DISTINCT account_id) FROM renewals.saves)
"""


def run(options: Options, ledger: Ledger) -> Mapping[str, Any]:
    """Measure P7; return its section of the report."""
    accounts = options.size(options.accounts, full=100_000, quick=10_000)
    calls = options.size(0, full=_CALLS, quick=60)
    with open_ground(options, services=tuple(SERVICES)) as ground:
        url = ground.stack.admin_url
        key = ground.write_key(url, "bench", ["admin"])
        usage_key = ground.write_key(url, "bench-usage", ["usage:write"])
        with Office(ground.stack.urls, key, usage_key) as office, Reader(url) as reader:
            seeds = _make_seeds(office, reader)
            for replica in ground.stack.replicas:
                replica.process.terminate()
            options.say(f"P7 {accounts:,} accounts")
            started = time.monotonic()
            rows = multiply(reader, tuple(SERVICES), seeds, accounts, say=options.say)
            took = time.monotonic() - started
        _check(ledger, rows, accounts + len(seeds))
        pages: dict[str, Any] = {}
        skipped: dict[str, str] = {}
        for service in SERVICES:
            options.say(f"P7 {service}")
            found, left = _call_all(ground, service, key, (accounts, calls))
            pages |= found
            skipped |= left
    return _section(pages, skipped, rows, (accounts, took))


def _make_seeds(office: Office, reader: Reader) -> list[str]:
    seeds = [f"seed-{number}" for number in range(_SEEDS)]
    office.open_all(seeds)
    for number, account in enumerate(seeds):
        path = f"/api/v1/accounts/{account}/contacts"
        email = f"person{number}@{account}.example"
        contact = {"name": f"Person {number}", "email": email, "role": "champion"}
        office.call("POST", "onboarding", path, contact)
    office.send_usage([message for account in seeds for message in _usage(account)])
    for number, account in enumerate(seeds):
        for kind in _SIGNALS[: 1 + number % len(_SIGNALS)]:
            office.signal(account, kind, f"{account}-{kind}")
    wanted = 3 * _SEEDS
    wait_for(lambda: int(reader.value(_KNOWN)), wanted, within=90, is_alive=lambda: True)
    time.sleep(2.0)  # what else follows from it
    return seeds


def _usage(account: str) -> list[Mapping[str, object]]:
    now = datetime.now(UTC)
    return [
        {
            "type": "track",
            "messageId": f"{account}-{day}-{number}",
            "event": _NAMES[number % len(_NAMES)],
            "userId": f"user-{number % 5}",
            "timestamp": (now - timedelta(days=day, minutes=1 + number)).isoformat(),
            "context": {"groupId": account},
        }
        for day in range(_DAYS)
        for number in range(10)
    ]


def _check(ledger: Ledger, rows: Mapping[str, int], expected: int) -> None:
    for service in SERVICES:
        name = f"{service}.accounts"
        if name in rows:
            ledger.check(f"p7 {name}", expected=expected, counted=rows[name])


def _call_all(
    ground: Ground, service: str, key: str, size: tuple[int, int]
) -> tuple[dict[str, Any], dict[str, str]]:
    accounts, calls = size
    rng = random.Random(11)
    measured: dict[str, Any] = {}
    url = ground.stack.admin_url
    with ground.serving(service, url, extra={"TENURE_WORKERS": "false"}) as served:
        client = Client(served.url, key)
        document = msgspec.json.decode(client.get("/openapi.json")[1])
        routes, skipped = routes_of(document)
        for route in routes:
            why = learn_ids(route, client, accounts, rng)
            if why:
                skipped[route.path] = why
                continue
            measured[f"{service} {route.path}"] = _measure(client, route, (accounts, calls), rng)
        client.close()
    return measured, {f"{service} {path}": why for path, why in skipped.items()}


def _measure(
    client: Client, route: Route, size: tuple[int, int], rng: random.Random
) -> dict[str, Any]:
    accounts, calls = size
    times, other, slowest = [], 0, ("", 0.0)
    began = time.monotonic()
    for number in range(calls + _WARM_UP):
        called = route.call(accounts, rng)
        status, body, seconds = client.get(called)
        other += status != 200
        if number >= _WARM_UP:
            times.append(seconds)
            slowest = max(slowest, (called, seconds), key=lambda each: each[1])
        if status == 200 and b'"next_cursor"' in body[-1200:]:
            route.follow(called, body)
        if time.monotonic() - began > _LONGEST and times:
            break
    return {
        "calls": len(times),
        "p50_ms": _at(times, 0.5),
        "p99_ms": _at(times, 0.99),
        "slowest": slowest[0][:300],
        "not_200": other,
    }


def _at(times: Sequence[float], share: float) -> float:
    ordered = sorted(times)
    return round(ordered[max(1, ceil(share * len(ordered))) - 1] * 1000, 2)


def _section(
    pages: Mapping[str, Any],
    skipped: Mapping[str, str],
    rows: Mapping[str, int],
    size: tuple[int, float],
) -> Mapping[str, Any]:
    worst = sorted(pages, key=lambda name: -pages[name]["p99_ms"])
    late = [name for name in worst if pages[name]["p99_ms"] > _TARGET_MS]
    return {
        "accounts": size[0],
        "seconds_to_copy": round(size[1], 1),
        "rows": rows,
        "pages": {name: pages[name] for name in worst},
        "skipped": skipped,
        "over_target": late,
        "targets": {
            "P7_worst_page_p99_ms": {
                "value": pages[worst[0]]["p99_ms"] if worst else None,
                "target": _TARGET_MS,
                "unit": "ms",
                "note": f"{worst[0] if worst else ''}; {len(late)} of {len(pages)} pages over it",
            }
        },
    }
