"""I4 and I5: facts stand in outbox, topic and inbox, in order."""

from collections import defaultdict
from collections.abc import Sequence

from shared.contracts.registry import topic_of
from tests.faults.harness.found import Found
from tests.faults.harness.scene import Scene
from tests.faults.harness.topics import Said
from tests.faults.harness.verdicts import Verdict

_EMPTY_WITHIN = 30.0


def outbox_topic_inbox(scene: Scene, found: Found, verdict: Verdict) -> None:
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


def order(scene: Scene, found: Found, verdict: Verdict) -> None:
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
