"""Which profile judges an account: by its segment and its stage of life."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.health.domain.profile.reading import ProfileInvalid, Section
from services.health.domain.profile.standing import LifeStage

DEFAULT = "default"
"""The name of the profile that judges whoever no other one does."""


@dataclass(frozen=True, slots=True)
class AppliesTo:
    """Whom a profile is for; naming none means all."""

    segments: frozenset[str] = frozenset()
    life_stages: frozenset[LifeStage] = frozenset()

    def covers(self, segment: str, life_stage: LifeStage) -> bool:
        """Tell whether an account of this segment and life stage is meant."""
        return _allows(self.segments, segment) and _allows(self.life_stages, life_stage)

    @property
    def rank(self) -> int:
        """How specific this is. The stage of life outranks the segment: landing comes first."""
        return 2 * bool(self.life_stages) + bool(self.segments)

    def rivals(self, other: "AppliesTo") -> bool:
        """Tell whether both are for the same accounts, and neither is more specific."""
        return (
            self.rank == other.rank
            and _meet(self.segments, other.segments)
            and _meet(self.life_stages, other.life_stages)
        )


EVERYONE = AppliesTo()


def read_applies_to(name: object, section: Section) -> AppliesTo:
    """Read whom a profile is for. Raises ProfileInvalid."""
    section.only("segments", "life_stages")
    known = sorted(LifeStage)
    stages = section.texts("life_stages")
    for stage in stages:
        if stage not in known:
            raise ProfileInvalid(
                f"{section.at('life_stages')}: write some of {', '.join(known)}, not {stage!r}"
            )
    found = AppliesTo(frozenset(section.texts("segments")), frozenset(map(LifeStage, stages)))
    if (found.rank == 0) != (name == DEFAULT):
        raise ProfileInvalid(
            f"applies_to: name segments or life_stages for every profile but {DEFAULT!r}, "
            "which judges whoever no other one does"
        )
    return found


def segments_of(*concerned: AppliesTo) -> list[str] | None:
    """Return the segments of all of these; None when anybody may be meant."""
    every = [one.segments for one in concerned]
    return sorted(frozenset().union(*every)) if all(every) else None


def _allows(named: Iterable[str], value: str) -> bool:
    named = frozenset(named)
    return not named or value in named


def _meet(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(one & other) or one == other
