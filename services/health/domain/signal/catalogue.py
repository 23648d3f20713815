"""The catalogue of signals: what each type means, which values it takes, what it does."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from services.health.domain.profile.profile import Profile, Severity, SignalRule
from shared.kernel.errors import Invalid

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""Nothing is observed before it, on whichever road it comes."""


class SignalValueInvalid(Invalid):
    """The value does not fit the signal's type."""


class Direction(StrEnum):
    """What a signal says about the customer."""

    GOOD = "good"
    BAD = "bad"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class ValueRange:
    """The values a signal carries: a number from `low` to `high`, or one of `choices` by name."""

    low: float
    high: float
    meaning: str
    is_whole: bool = False
    is_required: bool = True
    choices: Mapping[str, float] | None = None

    def describe(self) -> str:
        """Return what to send, in words."""
        if self.choices is not None:
            return f"one of {', '.join(self.choices)}"
        return f"a {'whole ' if self.is_whole else ''}number from {self.low:g} to {self.high:g}"

    def read(self, value: float | str | None) -> float | None:
        """Return the value as a number; None stays None where it may. Raises ValueError."""
        if value is None:
            if self.is_required:
                raise ValueError
            return None
        if self.choices is not None:
            return self._chosen(value)
        if isinstance(value, str) or not self.low <= value <= self.high:
            raise ValueError
        if self.is_whole and value != int(value):
            raise ValueError
        return float(value)

    def _chosen(self, value: float | str) -> float:
        choices = self.choices or {}
        if isinstance(value, str) and value in choices:
            return choices[value]
        if not isinstance(value, str) and float(value) in choices.values():
            return float(value)
        raise ValueError


@dataclass(frozen=True, slots=True)
class SignalType:
    """One type of signal.

    `half_life_days` is how long it takes to count half; `severity` is that of a risk it opens
    unless a rule says otherwise. `rules` hold where the profile has none for the type's signals.
    `from_usage` are names of usage events that are this signal, ``*`` at the end for any rest.
    """

    name: str
    title: str
    meaning: str
    direction: Direction
    value: ValueRange | None
    sources: tuple[str, ...]
    half_life_days: float
    severity: Severity
    next_step: str
    also_called: tuple[str, ...] = ()
    from_usage: tuple[str, ...] = ()
    rules: tuple[SignalRule, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return every name it is sent under, its own first."""
        return (self.name, *self.also_called)

    def read(self, value: float | str | None) -> float | None:
        """Return a value of this type as a number. Raises `SignalValueInvalid`."""
        if self.value is None:
            if value is not None:
                raise SignalValueInvalid(f"value: {self.name} carries none; leave it out")
            return None
        try:
            return self.value.read(value)
        except ValueError:
            raise SignalValueInvalid(
                f"value: send {self.value.describe()} with {self.name} "
                f"({self.value.meaning}), not {value!r}"
            ) from None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every type by its name, and the families of reasons that tell one story.

    A family names its reasons from the one that says the most to the one that says the least.
    """

    types: Mapping[str, SignalType]
    families: tuple[tuple[str, ...], ...] = ()

    def find(self, name: str) -> SignalType | None:
        """Return the type of this name, or of one it is also called."""
        return next((one for one in self.types.values() if name in one.names), None)

    def names_of(self, names: Iterable[str]) -> frozenset[str]:
        """Return these names and all others that mean the same."""
        found = set(names)
        for one in self.types.values():
            if not found.isdisjoint(one.names):
                found.update(one.names)
        return frozenset(found)

    def stronger(self, reason: str) -> tuple[str, ...]:
        """Return the reasons that tell the same story and more of it, the strongest first."""
        for family in self.families:
            if reason in family:
                return family[: family.index(reason)]
        return ()

    def title(self, reason: str) -> str | None:
        """Return what a reason of one of its rules is called in a headline."""
        rules = (rule for one in self.types.values() for rule in one.rules)
        return next((rule.title for rule in rules if rule.reason == reason), None)

    def weaker(self, reason: str) -> tuple[str, ...]:
        """Return the reasons that tell the same story and less of it."""
        for family in self.families:
            if reason in family:
                return family[family.index(reason) + 1 :]
        return ()


def rules_in_force(profile: Profile, catalogue: Catalogue) -> tuple[SignalRule, ...]:
    """Return the profile's rules, and the catalogue's for what the profile has no rule for.

    The profile decides: a rule of the catalogue holds only while no rule of the profile has its
    reason or its signal.
    """
    of_profile = profile.signal_rules
    taken = {rule.reason for rule in of_profile} | set(
        catalogue.names_of(name for rule in of_profile for name in rule.signals)
    )
    more = [
        rule
        for one in catalogue.types.values()
        for rule in one.rules
        if rule.reason not in taken and rule.signal not in taken
    ]
    return (*of_profile, *more)


def known_names(profile: Profile, catalogue: Catalogue) -> list[str]:
    """Return every type a signal may have: the catalogue's, and those the profile names."""
    of_rules = {name for rule in profile.signal_rules for name in (*rule.signals, *rule.closed_by)}
    inputs = [one for dimension in profile.dimensions for one in dimension.inputs]
    named = {name for one in catalogue.types.values() for name in one.names}
    return sorted(named | of_rules | {name for one in inputs for name in one.signals})
