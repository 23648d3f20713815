"""P2: how long until the people who can help know, while the product is busy.

All five services run. Usage comes in at 70 % of the highest rate at which health keeps up. By a
schedule, whatever happens, a signal comes in that opens a risk for one more customer; its time
is the one it was meant to be sent at. It ends when renewals has opened a save and the alert is
seen in the owner's inbox, whichever is later.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from benchmarks.checks import Ledger
from benchmarks.consumers import COUNTED
from benchmarks.customers import Office
from benchmarks.database import Reader
from benchmarks.drain import Drain
from benchmarks.ground import Ground, Served
from benchmarks.lasting_load import all_services, highest_sustained, lasting, warm_up
from benchmarks.options import Options
from benchmarks.progress import wait_for
from benchmarks.workload import Shape, make_corpus

_SHARE = 0.7
_LEAD = 4.0
_POLL = 0.02
_SIGNAL = "champion_left"
_TARGET_MS = 1_000
_SETTLED_WITHIN = 120.0
_KNOWN = """
SELECT (SELECT count(*) FROM notifications.owners WHERE account_id LIKE 'probe-%')
     + (SELECT count(*) FROM renewals.renewals WHERE account_id LIKE 'probe-%')
"""
# The alert itself: what renewals says of it later is a message of its own.
_INBOX = """
SELECT i.account_id FROM notifications.inbox_items AS i
JOIN notifications.messages AS m ON m.account_id = i.account_id AND m.id = i.message_id
WHERE m.kind = 'risk.opened' AND i.account_id = ANY($1::text[])
"""
_SAVES = "SELECT account_id FROM renewals.saves WHERE account_id = ANY($1::text[])"


@dataclass
class _Watcher:
    """Notes when each probe is seen to have arrived. Looks every 20 ms, which counts against us.

    Looks for those only that it has not seen: what watching costs must not grow with the run.
    """

    url: str
    probes: Sequence[str]
    seen: dict[str, dict[str, float]] = field(default_factory=lambda: {"inbox": {}, "saves": {}})
    stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self.stop.set()
        self._thread.join(10)

    def _look(self) -> None:
        with Reader(self.url) as reader:
            while not self.stop.wait(_POLL):
                for name, sql in (("inbox", _INBOX), ("saves", _SAVES)):
                    seen = self.seen[name]
                    rows = reader.rows(sql, [each for each in self.probes if each not in seen])
                    now = time.monotonic()
                    seen.update({row["account_id"]: now for row in rows})


def run(options: Options, ledger: Ledger) -> Mapping[str, Any]:
    """Measure P2; return its section of the report."""
    probes = 60 if options.quick else 220
    every = 0.25
    options.say("P2 how fast a backlog is worked off")
    with all_services(options) as ground, Reader(ground.stack.admin_url) as reader:
        backlog_rate = _backlog_rate(options, ground, reader)
    rate, trials = highest_sustained(options, backlog_rate)
    accounts = [f"probe-{number:04}" for number in range(probes)]
    with all_services(options) as ground:
        url = ground.stack.admin_url
        key = ground.write_key(url, "/bench", ["admin"])
        options.say(f"P2 opening {probes} customers")
        with Office(ground.stack.urls, key) as office, Reader(url) as reader:
            office.open_all(accounts)
            wait_for(
                lambda: int(reader.value(_KNOWN)), 2 * probes, within=60, is_alive=lambda: True
            )
            warm_up(ground, reader)
            options.say(f"P2 probes under load, {_SHARE:.0%} of {rate:,.0f} events/s")
            found = _probe(ground, office, reader, (accounts, every, rate * _SHARE))
        _check(ledger, found, accounts)
    rates = {"backlog": backlog_rate, "sustained": rate, "trials": trials}
    return _section(found, rates, accounts)


def _backlog_rate(options: Options, ground: Ground, reader: Reader) -> float:
    """Return events per second of a backlog, with the four other services running beside."""
    replica = next(each for each in ground.stack.replicas if each.service == "health")
    drain = Drain(ground, Served(replica.url, replica.process), reader)
    known = {"accounts": 1_000, "prefix": "backlog", "duplicates": 0.0}
    warm = Shape(events=16_000, packed=16, shuffled=False, seed=1, **known)  # type: ignore[arg-type]
    drain.work_off(make_corpus(warm))
    # Long enough that accounts are scored again beside it, as they are under a lasting load.
    events = options.size(options.events, full=600_000, quick=300_000)
    return drain.work_off(make_corpus(Shape(events=events, seed=2, **known))).rate  # type: ignore[arg-type]


def _probe(
    ground: Ground, office: Office, reader: Reader, plan: tuple[Sequence[str], float, float]
) -> dict[str, Any]:
    accounts, every, rate = plan
    seconds = 2 * _LEAD + len(accounts) * every
    counted = COUNTED.format(schema="health.") + " WHERE account_id LIKE 'load-%'"
    before = int(reader.value(counted))
    watcher = _Watcher(ground.stack.admin_url, accounts)
    watcher.start()
    with lasting(ground, reader, rate, seconds, "load") as load:
        intended = _send_probes(office, accounts, every)
    _settle(watcher, len(accounts))
    return {
        "intended": intended,
        "seen": watcher.seen,
        "load": load.sent,
        "rate": rate,
        "left_seconds": load.left_seconds,
        "counted": int(reader.value(counted)) - before,
        "inbox_items": len(reader.rows(_INBOX, accounts)),
    }


def _send_probes(office: Office, accounts: Sequence[str], every: float) -> dict[str, float]:
    """Send each signal at its time, from a thread of its own if the one before still waits."""
    started = time.monotonic() + _LEAD
    intended = {account: started + number * every for number, account in enumerate(accounts)}
    with ThreadPoolExecutor(64) as pool:
        for account, at in intended.items():
            time.sleep(max(0.0, at - time.monotonic()))
            pool.submit(office.signal, account, _SIGNAL, f"probe-{account}")
    return intended


def _settle(watcher: _Watcher, wanted: int) -> None:
    deadline = time.monotonic() + _SETTLED_WITHIN
    while time.monotonic() < deadline and any(len(s) < wanted for s in watcher.seen.values()):
        time.sleep(0.1)
    time.sleep(1.0)  # an alert that is told twice has time to show
    watcher.end()


def _check(ledger: Ledger, found: Mapping[str, Any], accounts: Sequence[str]) -> None:
    load = found["load"]
    ledger.check("p2 records refused by the broker", expected=0, counted=load["refused"])
    ledger.check("p2 usage under load", expected=int(load["events"]), counted=found["counted"])
    ledger.check("p2 alerts in the inbox", expected=len(accounts), counted=found["inbox_items"])
    saved = len(found["seen"]["saves"])
    ledger.check("p2 risks known to renewals", expected=len(accounts), counted=saved)


def _section(
    found: Mapping[str, Any], rates: Mapping[str, Any], accounts: Sequence[str]
) -> Mapping[str, Any]:
    intended, seen = found["intended"], found["seen"]
    both = [
        max(seen["inbox"][each], seen["saves"][each]) - intended[each]
        for each in accounts
        if each in seen["inbox"] and each in seen["saves"]
    ]
    spreads = {
        name: _spread([at - intended[each] for each, at in times.items()])
        for name, times in seen.items()
    }
    all_known = _spread(both)
    return {
        "alerts": len(both),
        "load_events_per_second": round(found["rate"], 1),
        "backlog_events_per_second": round(rates["backlog"], 1),
        "sustained_events_per_second": round(rates["sustained"], 1),
        "trials": rates["trials"],
        "load_events": found["load"]["events"],
        "sender_late_seconds": round(found["load"]["late_seconds"], 3),
        "backlog_after_load_seconds": round(found["left_seconds"], 2),
        "to_inbox_ms": spreads["inbox"],
        "to_renewals_ms": spreads["saves"],
        "to_both_ms": all_known,
        "targets": {
            "P2_p99_ms": {
                "value": all_known.get("p99"),
                "target": _TARGET_MS,
                "unit": "ms",
                "note": f"p50 {all_known.get('p50')}, max {all_known.get('max')}, "
                f"{len(both)} alerts at {found['rate']:,.0f} events/s",
            }
        },
    }


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    ordered = sorted(seconds)
    at = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {
        name: round(ordered[max(1, ceil(share * len(ordered))) - 1] * 1000, 1)
        for name, share in at.items()
    }
