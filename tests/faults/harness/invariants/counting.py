"""I1 to I3: what was acknowledged counts once, and nothing else does."""

from collections import Counter

from services.health.domain.usage.arrivals import event_key
from tests.faults.harness.found import Found
from tests.faults.harness.ledger import Outcome
from tests.faults.harness.load import SOURCE
from tests.faults.harness.scene import Scene
from tests.faults.harness.verdicts import Verdict, differences


def acknowledged_is_counted(scene: Scene, found: Found, verdict: Verdict) -> None:
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


def counted_was_sent(scene: Scene, found: Found, verdict: Verdict) -> None:
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


def sums_are_ids(_scene: Scene, found: Found, verdict: Verdict) -> None:
    counted = [u for key, u in found.ledger.usage.items() if key in found.counted]
    by_name = Counter((u.account, u.day, u.name) for u in counted)
    by_user = Counter((u.account, u.day, u.user) for u in counted)
    verdict.wrong += differences(by_name, found.daily)
    verdict.wrong += differences(by_user, found.users)
    verdict.expected = f"{len(found.counted)} distinct ids"
    verdict.got = (
        f"{sum(found.daily.values())} by day and name, {sum(found.users.values())} by day and user"
    )
