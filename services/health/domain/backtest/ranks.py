"""What accounts would have been compared with at a landmark, for profiles that judge by rank."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime

from services.health.domain.backtest.history import History, seen_at
from services.health.domain.backtest.replay import Picture
from services.health.domain.profile.profile import Profile
from services.health.domain.score.evidence import Context
from services.health.domain.score.percentile import Distribution
from services.health.domain.score.score import score_account

Ranks = Mapping[str, Context]
"""By segment, what its accounts are judged beside."""


def ranks_at(history: History, profile: Profile, picture: Picture) -> Ranks:
    """Return what each segment's accounts are judged beside, from all that were known then.

    Live scores look at distributions that are three hours old at most; here they are of the
    landmark itself. Empty for a profile without ranks.
    """
    windows = profile.ranked()
    if not windows:
        return {}
    at = seen_at(picture.landmark)
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for account, segment in enumerate(history.segments):
        for name, value in _values(profile, picture, account, at, windows):
            values[segment, name].append(value)
    found: dict[str, dict[str, Distribution]] = defaultdict(dict)
    for (segment, name), each in values.items():
        found[segment][name] = Distribution.of(segment, name, windows[name], each, at)
    return {segment: Context(segment, distributions=each) for segment, each in found.items()}


def _values(
    profile: Profile, picture: Picture, account: int, at: datetime, windows: Mapping[str, int]
) -> Iterator[tuple[str, float]]:
    if not picture.is_known(account):
        return
    for line in score_account(profile, picture.evidence(account), at).lines:
        days = windows.get(line.metric)
        if days is None or line.value is None or line.age_days is None or line.age_days >= days:
            continue
        yield line.metric, line.value
