"""I6 and I7: people hear of a risk once, by every channel that is due."""

from collections import Counter, defaultdict

from tests.faults.harness.database import Row
from tests.faults.harness.found import ALERTS, HEALTH, Found, alerting, of_type
from tests.faults.harness.ledger import OPENING, Outcome
from tests.faults.harness.scene import Scene
from tests.faults.harness.verdicts import Verdict

_LIFE = {"risk_opened": "o", "risk_worsened": "w", "risk_recovered": "r", "risk_dismissed": "r"}
_TO_THE_CSM = ("risk.opened", "risk.recovered")


def alerts_once(_scene: Scene, found: Found, verdict: Verdict) -> None:
    opened = of_type(found, "risk_opened")
    recovered = of_type(found, "risk_recovered")
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
        if m["kind"] in ALERTS.values()
    )
    verdict.wrong += [f"{key} was told {n} times" for key, n in told.items() if n > 1]
    due = {(ALERTS[row["type"]], *_topic(row)) for row in alerting(found)}
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
        name = row["type"].removeprefix(HEALTH).removesuffix(".v1")
        if name in _LIFE:
            lives[row["data"]["risk_id"]] += _LIFE[name]
    return [
        f"risk {risk}: {life}"
        for risk, life in lives.items()
        if life.strip("w") not in {"o", "or"} and life.replace("w", "") not in {"o", "or"}
    ]


def sent_is_due(scene: Scene, found: Found, verdict: Verdict) -> None:
    alerts = [(ALERTS[row["type"]], *_topic(row)) for row in alerting(found)]
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
            and row["kind"] in ALERTS.values()
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
        if r["status"] == "delivered" and r["kind"] in ALERTS.values()
    )
    verdict.got = ", ".join(f"{delivered[channel]} {channel}" for channel in due)
    verdict.got += (
        f" ({len(scene.hooks.received)} posts and {len(scene.mails.mails)} mails arrived)"
    )


def _topic(row: Row) -> tuple[str, str, str]:
    """Return account, reason and subject of an alert, as notifications names them."""
    data = row["data"]
    sort = "risk" if "risk_id" in data else "renewal"
    return row["account"], data["reason"], f"{sort}:{data[f'{sort}_id']}"


def _opened_by(closing: str) -> str:
    return next(opens for opens, closes in OPENING.items() if closes == closing)
