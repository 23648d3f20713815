"""I8 to I10: poison is set aside, state is what a recompute gives, and work goes on."""

from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

from shared.bus.listeners import topics_of
from shared.bus.topics import USAGE_TOPIC
from tests.faults.harness.found import Found
from tests.faults.harness.scene import Scene
from tests.faults.harness.verdicts import Verdict, differences

_ISOLATED_WITHIN = timedelta(seconds=5)


def poison_is_isolated(scene: Scene, found: Found, verdict: Verdict) -> None:
    hearing: dict[str, list[str]] = defaultdict(list)
    for service, heard in scene.listeners().items():
        for topic in topics_of(heard):
            hearing[topic].append(service)
    hearing[USAGE_TOPIC] = ["health"]
    copies = {each for log in (*found.lives, found.log) for each in log.dead}
    letters = {
        (row["service"], row["topic"], bytes(row["value"] or b"")): row for row in found.letters
    }
    owed, slowest = 0, timedelta(0)
    for poison in found.ledger.poison:
        for service in hearing[poison.topic]:
            owed += 1
            letter = letters.get((service, poison.topic, poison.value))
            if letter is None:
                verdict.wrong.append(f"{service} has not set aside {poison.value!r}")
                continue
            took = letter["created_at"] - poison.sent_at
            slowest = max(slowest, took if poison.in_calm else timedelta(0))
            if poison.in_calm and took > _ISOLATED_WITHIN:
                verdict.wrong.append(f"{service} took {took.total_seconds():.1f} s")
        if (poison.topic, poison.value) not in copies:
            verdict.wrong.append(f"{poison.value!r} is not on {poison.topic}.dlq")
    strange = len(found.letters) - owed
    if strange:
        codes = Counter((row["service"], row["topic"], row["code"]) for row in found.letters)
        verdict.wrong.append(f"{strange} dead letters that are no poison of ours: {dict(codes)}")
    verdict.expected = f"{owed} dead letters, byte for byte, within 5 s when nothing is down"
    verdict.got = f"{len(found.letters)} dead letters, within {slowest.total_seconds():.1f} s"


def state_is_recomputed(scene: Scene, found: Found, verdict: Verdict) -> None:
    events: dict[tuple[str, str], tuple[Any, ...]] = {}
    for log in (*found.lives, found.log):
        for key, cell in log.usage.items():
            events.setdefault(key, cell)
    raw = Counter((account, day, name) for account, day, name, _ in events.values())
    verdict.wrong += differences(raw, found.daily)
    folded = _folded(found)
    kept = {row["id"]: row["status"] for row in found.risks if row["status"] != "suspected"}
    verdict.wrong += [
        f"risk {risk}: facts say {folded.get(risk)}, health {kept.get(risk)}"
        for risk in folded.keys() | kept.keys()
        if folded.get(risk) != kept.get(risk)
    ]
    for service in ("renewals", "expansion"):
        rows = scene.reader.rows(f"SELECT risk_id, recovered_at FROM {service}.risks")
        heard = {r["risk_id"]: "recovered" if r["recovered_at"] else "open" for r in rows}
        if heard != folded:
            wrong = {k for k in heard.keys() | folded.keys() if heard.get(k) != folded.get(k)}
            verdict.wrong.append(f"{service} knows other risks than the facts say: {len(wrong)}")
    verdict.expected = f"{len(events)} events of the raw log, {len(folded)} risks of the facts"
    verdict.got = f"{sum(found.daily.values())} events counted, {len(kept)} risks kept"


def progress(scene: Scene, _found: Found, verdict: Verdict) -> None:
    verdict.wrong += [f"stuck after {c.after}" for c in scene.canaries if c.seconds is None]
    verdict.expected = f"{len(scene.canaries)} canaries heard by every service"
    took = ", ".join(f"{c.after} {c.seconds} s" for c in scene.canaries)
    verdict.got = f"{sum(c.seconds is not None for c in scene.canaries)}: {took}"


def _folded(found: Found) -> dict[str, str]:
    """Return how each risk stands, from the facts alone."""
    states = {
        "io.tenure.health.risk_opened.v1": "open",
        "io.tenure.health.risk_worsened.v1": "open",
        "io.tenure.health.risk_recovered.v1": "recovered",
        "io.tenure.health.risk_dismissed.v1": "recovered",
    }
    return {
        row["data"]["risk_id"]: states[row["type"]]
        for row in found.outbox["health"]
        if row["type"] in states
    }
