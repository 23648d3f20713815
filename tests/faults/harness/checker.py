"""The checker: reads ledger, Postgres, topics, dead letters and receivers, and says what holds.

It believes nobody: every invariant is figured out from at least two places that cannot agree by
accident.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.health.domain.usage.arrivals import event_key
from shared.bus.listeners import topics_of
from shared.bus.topics import USAGE_TOPIC
from shared.contracts.registry import topic_of
from tenure.catalog import SERVICES
from tests.faults.harness.database import Reader, Row, of_all_services
from tests.faults.harness.ledger import OPENING, Ledger, Outcome
from tests.faults.harness.load import SOURCE
from tests.faults.harness.scene import Scene
from tests.faults.harness.topics import Log, Said

_EMPTY_WITHIN = 30.0
_ISOLATED_WITHIN = timedelta(seconds=5)
_SHOWN = 4
_LOOKS = 3
_HEALTH = "io.tenure.health."
_ALERTS = {
    "io.tenure.health.risk_opened.v1": "risk.opened",
    "io.tenure.health.risk_recovered.v1": "risk.recovered",
    "io.tenure.renewals.renewal_at_risk.v1": "renewal.at_risk",
    "io.tenure.renewals.renewal_restored.v1": "renewal.restored",
}
# What people were never told of is a suspicion to them; what a person dismissed is over; what is
# told with a stronger risk goes on.
_RISKS = """
SELECT account_id, id::text AS id, reason, CASE
    WHEN risk->>'opened_at' IS NULL THEN 'suspected'
    WHEN status = 'dismissed' THEN 'recovered'
    WHEN status = 'merged' THEN 'open'
    ELSE status END AS status
FROM health.risks
"""
_LIFE = {"risk_opened": "o", "risk_worsened": "w", "risk_recovered": "r", "risk_dismissed": "r"}
_TO_THE_CSM = ("risk.opened", "risk.recovered")
_SENTENCES = {
    1: "acknowledged -> counted once",
    2: "nothing counted that was not sent",
    3: "sums equal the distinct ids",
    4: "outbox = topic = inbox, and empties within 30 s",
    5: "positions never go back; per-account order on the topic = outbox order",
    6: "no duplicate alert, no illegal risk transition",
    7: "ids of notifications sent = due",
    8: "poison isolated within 5 s, readable",
    9: "state equals a recompute from the raw log",
    10: "progress after each fault",
}


@dataclass
class Verdict:
    """One invariant: what was expected, what was found, and everything that is wrong."""

    number: int
    expected: str = ""
    got: str = ""
    wrong: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """I1 to I10."""
        return f"I{self.number}"

    @property
    def sentence(self) -> str:
        """What it says."""
        return _SENTENCES[self.number]

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong

    def lines(self) -> list[str]:
        """Return it as people read it."""
        head = f"{self.name:4}{'ok  ' if self.holds else 'FAIL'} {self.sentence}"
        body = [f"         expected {self.expected}", f"         got      {self.got}"]
        more = len(self.wrong) - _SHOWN
        shown = [f"         ! {each}" for each in self.wrong[:_SHOWN]]
        return [head, *body, *shown, *([f"         ! and {more} more"] if more > 0 else [])]


@dataclass
class Found:
    """Everything that was read, once."""

    ledger: Ledger
    log: Log
    lives: Sequence[Log]
    counted: Mapping[UUID, int]
    daily: Mapping[tuple[Any, ...], int]
    users: Mapping[tuple[Any, ...], int]
    outbox: Mapping[str, Sequence[Row]]
    inbox: Mapping[str, set[str]]
    letters: Sequence[Row]
    risks: Sequence[Row]
    messages: Sequence[Row]
    deliveries: Sequence[Row]


def check(scene: Scene) -> list[Verdict]:
    """Read everything and judge each invariant."""
    found = _read_at_rest(scene)
    judges: Sequence[Callable[[Scene, Found, Verdict], None]] = (
        _acknowledged_is_counted,
        _counted_was_sent,
        _sums_are_ids,
        _outbox_topic_inbox,
        _order,
        _alerts_once,
        _sent_is_due,
        _poison_is_isolated,
        _state_is_recomputed,
        _progress,
    )
    verdicts = []
    for number, judge in enumerate(judges, start=1):
        verdict = Verdict(number)
        judge(scene, found, verdict)
        verdicts.append(verdict)
    return verdicts


def _read_at_rest(scene: Scene) -> Found:
    """Read everything while nothing is said: a score may move seconds after the last event.

    What is said between one look and the next would be seen in one place and not in the other.
    """
    for _ in range(_LOOKS):
        before = _said(scene, "WHERE publishedat IS NOT NULL")
        found = _read(scene)
        late = _said(scene) - before
        if not late:
            break
        scene.say(f"  said while looking: {', '.join(sorted(kind for _, kind in late))}")
        scene.settle()
    return found


def _said(scene: Scene, where: str = "") -> set[tuple[str, str]]:
    rows = scene.reader.rows(
        of_all_services(f"SELECT id::text AS id, type FROM {{s}}.outbox {where}")
    )
    return {(row["id"], row["type"]) for row in rows}


def _read(scene: Scene) -> Found:
    ask = scene.reader.rows
    daily = ask("SELECT account_id, day, name, n FROM health.usage_daily")
    users = ask("SELECT account_id, day, user_id, n FROM health.usage_users")
    return Found(
        ledger=scene.ledger,
        log=scene.topics.read(),
        lives=scene.topics.lives,
        counted={
            row["key"]: row["n"]
            for row in ask("SELECT key, count(*) AS n FROM health.usage_id_keys GROUP BY key")
        },
        daily={(r["account_id"], r["day"], r["name"]): int(r["n"]) for r in daily},
        users={(r["account_id"], r["day"], r["user_id"]): int(r["n"]) for r in users},
        outbox={name: _outbox(scene.reader, name) for name in SERVICES},
        inbox={name: _inbox(scene.reader, name) for name in SERVICES},
        letters=ask(
            of_all_services(
                "SELECT '{s}' AS service, topic, value, code, created_at, copied_at "
                "FROM {s}.dead_letters"
            )
        ),
        risks=ask(_RISKS),
        messages=ask(
            "SELECT id, account_id, key, kind, reason, subject FROM notifications.messages"
        ),
        deliveries=ask(
            "SELECT d.id, d.channel, d.recipient, d.status, d.last_error, m.kind, m.account_id, "
            "m.reason, m.subject FROM notifications.deliveries d "
            "JOIN notifications.messages m ON m.id = d.message_id"
        ),
    )


def _outbox(reader: Reader, service: str) -> Sequence[Row]:
    return reader.rows(
        "SELECT seq, id::text AS id, aggregateid AS account, type, payload->'data' AS data, "
        f"publishedat FROM {service}.outbox ORDER BY seq"
    )


def _inbox(reader: Reader, service: str) -> set[str]:
    rows = reader.rows(f"SELECT id FROM {service}.inbox WHERE source LIKE '/tenure/%'")
    return {row["id"] for row in rows}


def _acknowledged_is_counted(scene: Scene, found: Found, verdict: Verdict) -> None:
    owed = found.ledger.usage_with(Outcome.OK)
    unknown = found.ledger.usage_with(Outcome.UNKNOWN)
    least = Counter((u.account, u.day, u.name) for u in owed)
    most = least + Counter((u.account, u.day, u.name) for u in unknown)
    for each in owed:
        if found.counted.get(each.key, 0) != 1:
            times = found.counted.get(each.key, 0)
            verdict.wrong.append(f"event {each.id} was acknowledged, its id is kept {times} times")
    for cell in least.keys() | most.keys():
        if not least[cell] <= found.daily.get(cell, 0) <= most[cell]:
            verdict.wrong.append(
                f"{cell[0]} {cell[1]} {cell[2]}: {least[cell]} acknowledged, "
                f"{found.daily.get(cell, 0)} counted"
            )
    kept = Counter(
        row["external_id"] for row in scene.reader.rows("SELECT external_id FROM health.signals")
    )
    signals = found.ledger.signals_with(Outcome.OK)
    verdict.wrong += [
        f"signal {each.id} was acknowledged and is kept {kept[each.id]} times"
        for each in signals
        if kept[each.id] != 1
    ]
    named = [
        each.id
        for each in (*found.ledger.opened.values(), *found.ledger.grouped.values())
        if each.outcome is Outcome.OK
    ]
    accounts = {r["account_id"] for r in scene.reader.rows("SELECT * FROM onboarding.accounts")}
    verdict.wrong += [f"account {each} is lost" for each in named if each not in accounts]
    verdict.expected = (
        f"{len(owed)} events (and up to {len(unknown)} without an answer), {len(signals)} "
        f"signals, {len(named)} accounts"
    )
    verdict.got = (
        f"{sum(found.daily.values())} events, {len(kept)} signals, "
        f"{len(accounts.intersection(named))} accounts"
    )


def _counted_was_sent(scene: Scene, found: Found, verdict: Verdict) -> None:
    strange = found.counted.keys() - found.ledger.usage.keys()
    verdict.wrong += [f"{key} was counted and never sent" for key in strange]
    refused = {each.key for each in found.ledger.usage_with(Outcome.FAIL)}
    verdict.wrong += [f"{key} was refused and counted" for key in refused & found.counted.keys()]
    rejected = Counter(
        row["event_id"] for row in scene.reader.rows("SELECT event_id FROM health.rejections")
    )
    due = [each.id for each in found.ledger.rejected.values() if each.outcome is Outcome.OK]
    for event_id in due:
        if rejected[event_id] != 1:
            verdict.wrong.append(f"{event_id} is listed {rejected[event_id]} times as rejected")
        if event_key(SOURCE, event_id) in found.counted:
            verdict.wrong.append(f"{event_id} was rejected and counted")
    sent_again = sum(each.times_sent - 1 for each in found.ledger.usage.values())
    verdict.expected = (
        f"0 strange ids, 0 refused ids; {len(due)} rejections ({sent_again} events sent again)"
    )
    verdict.got = (
        f"{len(strange)} strange ids, {len(refused & found.counted.keys())} refused ids; "
        f"{len(rejected)} rejections"
    )


def _sums_are_ids(_scene: Scene, found: Found, verdict: Verdict) -> None:
    counted = [u for key, u in found.ledger.usage.items() if key in found.counted]
    by_name = Counter((u.account, u.day, u.name) for u in counted)
    by_user = Counter((u.account, u.day, u.user) for u in counted)
    verdict.wrong += _differences(by_name, found.daily)
    verdict.wrong += _differences(by_user, found.users)
    verdict.expected = f"{len(found.counted)} distinct ids"
    verdict.got = (
        f"{sum(found.daily.values())} by day and name, {sum(found.users.values())} by day and user"
    )


def _outbox_topic_inbox(scene: Scene, found: Found, verdict: Verdict) -> None:
    listeners = scene.listeners()
    saved = {row["id"]: row for rows in found.outbox.values() for row in rows}
    unpublished = [row["id"] for row in saved.values() if row["publishedat"] is None]
    verdict.wrong += [f"{each} is not published" for each in unpublished]
    on_topic = {said.id for said in found.log.facts}
    verdict.wrong += [f"{each} is not on the topic" for each in saved.keys() - on_topic]
    verdict.wrong += [
        f"{each} is on the topic, not in an outbox" for each in on_topic - saved.keys()
    ]
    claimed = 0
    for service, heard in listeners.items():
        types = {listener.fact.event_type for listener in heard}
        due = {row["id"] for row in saved.values() if row["type"] in types}
        claimed += len(due)
        missing, extra = due - found.inbox[service], found.inbox[service] - due
        verdict.wrong += [f"{service} has not heard {saved[each]['type']}" for each in missing]
        verdict.wrong += [f"{service} has heard {each}, which nobody said" for each in extra]
    for after, seconds in scene.emptied:
        if seconds is None or seconds > _EMPTY_WITHIN:
            verdict.wrong.append(f"after {after} the outboxes took {seconds} s to empty")
    slowest = max((s for _, s in scene.emptied if s is not None), default=0.0)
    verdict.expected = (
        f"{len(saved)} in outboxes and on topics, {claimed} in inboxes; empty within 30 s"
    )
    verdict.got = (
        f"{len(saved)} in outboxes, {len(on_topic)} on topics ({len(found.log.facts)} records), "
        f"{sum(len(each) for each in found.inbox.values())} in inboxes; "
        f"empty within {slowest} s"
    )


def _order(scene: Scene, found: Found, verdict: Verdict) -> None:
    verdict.wrong += scene.watch.gone_back
    compared = 0
    for life, log in enumerate((*found.lives, found.log)):
        # A log that began when another was lost holds everything once more, in order, after
        # whatever was on its way before the relay noticed: there the last copies count.
        by_account = _in_order(log.facts, last=life > 0)
        for service, rows in found.outbox.items():
            orders: dict[str, list[str]] = defaultdict(list)
            for row in rows:
                orders[row["account"]].append(row["id"])
            for account, order in orders.items():
                seen = by_account.get((topic_of(service), account), [])
                compared += len(seen)
                known = set(seen)
                if seen != [each for each in order if each in known]:
                    verdict.wrong.append(f"{service}: the events of {account} are out of order")
    verdict.expected = "0 steps back, 0 accounts out of order"
    verdict.got = (
        f"{len(scene.watch.gone_back)} steps back in {scene.watch.looks} looks, "
        f"{len(verdict.wrong) - len(scene.watch.gone_back)} accounts out of order "
        f"({compared} facts compared)"
    )


def _in_order(facts: Sequence[Said], *, last: bool) -> dict[tuple[str, str], list[str]]:
    """Return the ids of each account as they first, or last, stand on a topic."""
    ordered = sorted(facts, key=lambda said: (said.topic, said.partition, said.offset))
    orders: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for said in reversed(ordered) if last else ordered:
        orders[said.topic, said.account].setdefault(said.id)
    return {key: list(ids)[:: -1 if last else 1] for key, ids in orders.items()}


def _alerts_once(_scene: Scene, found: Found, verdict: Verdict) -> None:
    opened = _of_type(found, "risk_opened")
    recovered = _of_type(found, "risk_recovered")
    for signal in found.ledger.signals_with(Outcome.OK):
        opens = signal.type in OPENING
        reason = signal.type if opens else _opened_by(signal.type)
        facts = opened if opens else recovered
        said = [
            f for f in facts if f["account"] == signal.account and f["data"]["reason"] == reason
        ]
        if len(said) != 1:
            word = "opened" if opens else "recovered"
            verdict.wrong.append(f"{signal.account} {reason}: {len(said)} times {word}")
    verdict.wrong += _illegal(found)
    told = Counter(
        (m["kind"], m["account_id"], m["reason"], m["subject"])
        for m in found.messages
        if m["kind"] in _ALERTS.values()
    )
    verdict.wrong += [f"{key} was told {n} times" for key, n in told.items() if n > 1]
    due = {(_ALERTS[row["type"]], *_topic(row)) for row in _alerting(found)}
    verdict.wrong += [f"{key} was not told" for key in due - told.keys()]
    verdict.wrong += [f"{key} was told for nothing" for key in told.keys() - due]
    verdict.expected = (
        f"{len(due)} alerts for {len(opened)} risks opened and {len(recovered)} recovered, "
        "0 illegal transitions"
    )
    verdict.got = f"{sum(told.values())} alerts, {len(_illegal(found))} illegal transitions"


def _illegal(found: Found) -> list[str]:
    """Return risks whose facts do not read: opened, perhaps worsened, at most once over."""
    lives: dict[str, str] = defaultdict(str)
    for row in found.outbox["health"]:
        name = row["type"].removeprefix(_HEALTH).removesuffix(".v1")
        if name in _LIFE:
            lives[row["data"]["risk_id"]] += _LIFE[name]
    return [
        f"risk {risk}: {life}"
        for risk, life in lives.items()
        if life.strip("w") not in {"o", "or"} and life.replace("w", "") not in {"o", "or"}
    ]


def _sent_is_due(scene: Scene, found: Found, verdict: Verdict) -> None:
    alerts = [(_ALERTS[row["type"]], *_topic(row)) for row in _alerting(found)]
    to_csm = [each for each in alerts if each[0] in _TO_THE_CSM]
    due = {"webhook": set(alerts), "email": set(to_csm), "inbox": set(to_csm)}
    items = scene.reader.rows("SELECT id, message_id, recipient FROM notifications.inbox_items")
    arrived = {
        "webhook": {h.webhook_id for h in scene.hooks.received if h.is_genuine},
        "email": {str(m.message["X-Tenure-Delivery"]) for m in scene.mails.mails},
    }
    counts = []
    for channel, wanted in due.items():
        sent = [
            row
            for row in found.deliveries
            if row["channel"] == channel
            and row["kind"] in _ALERTS.values()
            and not row["recipient"].startswith("role:")
        ]
        done = Counter(
            (r["kind"], r["account_id"], r["reason"], r["subject"])
            for r in sent
            if r["status"] == "delivered"
        )
        counts.append(f"{len(wanted)} {channel}")
        verdict.wrong += [f"{channel}: {key} is due, not delivered" for key in wanted - done.keys()]
        verdict.wrong += [f"{channel}: {key} {n} times" for key, n in done.items() if n > 1]
        verdict.wrong += [f"{channel}: {key} was not due" for key in done.keys() - wanted]
        if channel in arrived:
            ids = {str(r["id"]) for r in sent if r["status"] == "delivered"}
            every = {str(r["id"]) for r in found.deliveries if r["channel"] == channel}
            lost, odd = ids - arrived[channel], arrived[channel] - every
            verdict.wrong += [f"{channel} {each} never arrived" for each in lost]
            verdict.wrong += [f"{channel} {each} arrived out of nowhere" for each in odd]
    doubled = Counter((row["message_id"], row["recipient"]) for row in items)
    verdict.wrong += [f"inbox: {key} {n} times" for key, n in doubled.items() if n > 1]
    verdict.expected = ", ".join(counts)
    delivered = Counter(
        r["channel"]
        for r in found.deliveries
        if r["status"] == "delivered" and r["kind"] in _ALERTS.values()
    )
    verdict.got = ", ".join(f"{delivered[channel]} {channel}" for channel in due)
    verdict.got += (
        f" ({len(scene.hooks.received)} posts and {len(scene.mails.mails)} mails arrived)"
    )


def _poison_is_isolated(scene: Scene, found: Found, verdict: Verdict) -> None:
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


def _state_is_recomputed(scene: Scene, found: Found, verdict: Verdict) -> None:
    events: dict[tuple[str, str], tuple[Any, ...]] = {}
    for log in (*found.lives, found.log):
        for key, cell in log.usage.items():
            events.setdefault(key, cell)
    raw = Counter((account, day, name) for account, day, name, _ in events.values())
    verdict.wrong += _differences(raw, found.daily)
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


def _progress(scene: Scene, _found: Found, verdict: Verdict) -> None:
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


def _alerting(found: Found) -> list[Row]:
    return [row for rows in found.outbox.values() for row in rows if row["type"] in _ALERTS]


def _topic(row: Row) -> tuple[str, str, str]:
    """Return account, reason and subject of an alert, as notifications names them."""
    data = row["data"]
    sort = "risk" if "risk_id" in data else "renewal"
    return row["account"], data["reason"], f"{sort}:{data[f'{sort}_id']}"


def _of_type(found: Found, name: str) -> list[Row]:
    return [row for row in found.outbox["health"] if row["type"] == f"{_HEALTH}{name}.v1"]


def _opened_by(closing: str) -> str:
    return next(opens for opens, closes in OPENING.items() if closes == closing)


def _differences(
    expected: Mapping[tuple[Any, ...], int], got: Mapping[tuple[Any, ...], int]
) -> list[str]:
    return [
        f"{' '.join(map(str, cell))}: {expected.get(cell, 0)} expected, {got.get(cell, 0)} counted"
        for cell in expected.keys() | got.keys()
        if expected.get(cell, 0) != got.get(cell, 0)
    ]
