"""The profiles that are in force, and which of them judges an account."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.health.domain.profile.metrics import Metric
from services.health.domain.profile.profile import Profile, UsageMilestone
from services.health.domain.profile.selection import DEFAULT
from services.health.domain.profile.standing import LifeStage


@dataclass(frozen=True)
class ProfileBook:
    """The active profiles, one version of each name; one is called `default`."""

    profiles: tuple[Profile, ...]

    def for_account(self, segment: str, life_stage: LifeStage) -> Profile:
        """Return the most specific profile for an account, or the default."""
        fitting = [one for one in self.profiles if one.applies_to.covers(segment, life_stage)]
        return max(fitting, key=lambda one: one.applies_to.rank, default=self.default)

    def for_segment(self, segment: str) -> Profile:
        """Return the profile of a segment's established accounts."""
        return self.for_account(segment, LifeStage.ESTABLISHED)

    @property
    def default(self) -> Profile:
        """The profile that judges whoever no other one does."""
        return next(one for one in self.profiles if one.name == DEFAULT)

    def get(self, name: str) -> Profile | None:
        """Return the active profile of a name."""
        return next((one for one in self.profiles if one.name == name), None)

    @property
    def milestones(self) -> tuple[UsageMilestone, ...]:
        """Every milestone of usage: the default's definition where profiles differ."""
        found: dict[str, UsageMilestone] = {}
        for profile in (self.default, *self.profiles):
            for milestone in profile.milestones:
                found.setdefault(milestone.name, milestone)
        return tuple(found[name] for name in sorted(found))

    def metrics(self) -> Mapping[str, tuple[Metric, ...]]:
        """Return every metric by name: one definition, or several where profiles differ."""
        found: dict[str, list[Metric]] = {}
        for profile in (self.default, *self.profiles):
            for metric in profile.metrics:
                known = found.setdefault(metric.name, [])
                if not any(metric.is_same_number(other) for other in known):
                    known.append(metric)
        return {name: tuple(found[name]) for name in sorted(found)}

    def sums(self) -> frozenset[tuple[str, str]]:
        """Return the (event, property) pairs whose sums some metric needs."""
        every = [metric.pairs() for profile in self.profiles for metric in profile.metrics]
        return frozenset().union(*every)

    def wanted(self) -> Mapping[str, frozenset[str]]:
        """Return the properties whose sums some metric needs, by event name."""
        found: dict[str, set[str]] = {}
        for event, name in self.sums():
            found.setdefault(event, set()).add(name)
        return {event: frozenset(names) for event, names in found.items()}

    def title(self, reason: str) -> str | None:
        """Return what a reason of a fast rule is called in a headline."""
        titles = (one.title(reason) for one in (self.default, *self.profiles))
        return next((title for title in titles if title), None)
