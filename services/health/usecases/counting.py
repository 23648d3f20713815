"""Count usage events, exactly once."""

from collections.abc import Mapping, Sequence

from services.health.domain.profile.book import ProfileBook
from services.health.domain.profile.profile import Profile
from services.health.domain.usage.counting import Arrival, count
from services.health.settings import EVENT_GRACE
from services.health.storage import usage, watermarks
from services.health.storage.watermarks import Seen
from shared.contracts.health import UsageMilestoneReached
from shared.db.transaction import Transaction


async def count_usage(
    tx: Transaction, arrivals: Sequence[Arrival], profile: Profile | ProfileBook
) -> int:
    """Count the events that were not counted before; return how many there were."""
    unique = {arrival.key: arrival for arrival in arrivals}
    fresh = await usage.claim(tx, list(unique.values()))
    counted = [arrival for key, arrival in unique.items() if key in fresh]
    if not counted:
        return 0
    zones = await usage.zones(tx, {arrival.account_id for arrival in counted})
    await usage.add(tx, count(counted, zones))
    await _reach_milestones(tx, counted, profile)
    return len(counted)


async def note_watermarks(tx: Transaction, latest: Mapping[str, Seen]) -> None:
    """Move the watermarks of the accounts' peer groups to their latest live events."""
    if latest:
        await watermarks.note(tx, latest, EVENT_GRACE)


async def _reach_milestones(
    tx: Transaction, counted: Sequence[Arrival], profile: Profile | ProfileBook
) -> None:
    for milestone in profile.milestones:
        users = [
            (a.account_id, a.user_id)
            for a in counted
            if a.name == milestone.event and a.user_id is not None
        ]
        if not users:
            continue
        found = await usage.add_milestone_users(tx, milestone.name, users)
        for account_id in sorted(found):
            if found[account_id] >= milestone.users:
                await usage.reach_milestone(tx, account_id, milestone.name)
                tx.emit(
                    UsageMilestoneReached(
                        account_id=account_id,
                        milestone=milestone.name,
                        reached_at=max(a.time for a in counted if a.account_id == account_id),
                        users=found[account_id],
                    )
                )
