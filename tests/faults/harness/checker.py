"""The checker: reads ledger, Postgres, topics, dead letters and receivers, and says what holds.

It believes nobody: every invariant is figured out from at least two places that cannot agree by
accident.
"""

from collections.abc import Callable, Sequence

from tests.faults.harness.found import Found, read_at_rest
from tests.faults.harness.invariants import alerts, counting, facts, recovery
from tests.faults.harness.scene import Scene
from tests.faults.harness.verdicts import Verdict


def check(scene: Scene) -> list[Verdict]:
    """Read everything and judge each invariant."""
    found = read_at_rest(scene)
    judges: Sequence[Callable[[Scene, Found, Verdict], None]] = (
        counting.acknowledged_is_counted,
        counting.counted_was_sent,
        counting.sums_are_ids,
        facts.outbox_topic_inbox,
        facts.order,
        alerts.alerts_once,
        alerts.sent_is_due,
        recovery.poison_is_isolated,
        recovery.state_is_recomputed,
        recovery.progress,
    )
    verdicts = []
    for number, judge in enumerate(judges, start=1):
        verdict = Verdict(number)
        judge(scene, found, verdict)
        verdicts.append(verdict)
    return verdicts
