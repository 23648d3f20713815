"""How facts read on a terminal: one line each, coloured by severity and band."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rich.markup import escape

from shared.contracts.event import Fact
from shared.contracts.expansion import OpportunityOpened, OpportunityWithheld
from shared.contracts.health import RiskOpened, RiskRecovered, RiskWorsened, ScoreChanged
from shared.contracts.notifications import NotificationDelivered
from shared.contracts.onboarding import FirstValueReached
from shared.contracts.renewals import RenewalAtRisk, RenewalReassessed, RenewalRestored
from shared.kernel.figures import spoken

_CHANNELS = 3
_COLOURS = {"low": "yellow", "medium": "dark_orange", "high": "red", "critical": "bold red"}
_BANDS = {"healthy": "green", "watch": "yellow", "at_risk": "red"}


@dataclass(slots=True)
class _OnItsWay:
    """What is known of the messages about one reason; ``arrived`` by message and channel."""

    caused_at: datetime | None = None
    arrived: dict[str, dict[str, datetime]] = field(default_factory=dict)

    def told(self) -> str | None:
        """Return how long the first message took on every channel, once it is known."""
        if self.caused_at is None or not self.arrived:
            return None
        first = min(self.arrived.values(), key=lambda channels: min(channels.values()))
        if len(first) < _CHANNELS:
            return None
        ordered = sorted(first.items(), key=lambda each: each[1])
        return " · ".join(f"{name} {_seconds(self.caused_at, at)}" for name, at in ordered)


class Lines:
    """Turns facts about customers, by name, into lines of rich markup.

    A line that begins with a space belongs to the line before it.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._on_their_way: dict[tuple[str, str], _OnItsWay] = {}

    def of(self, fact: Fact, at: datetime) -> Iterator[str]:
        """Return the lines that a fact deserves: none for most."""
        name = f"[bold]{self._names.get(fact.account_id, fact.account_id):16}[/bold]"
        if isinstance(fact, RiskOpened):
            yield from self._opened(name, fact, at)
        elif isinstance(fact, NotificationDelivered):
            yield from self._delivered(name, fact)
        elif isinstance(fact, RenewalAtRisk | RenewalReassessed | RenewalRestored):
            yield _renewal(name, fact)
        elif isinstance(fact, OpportunityOpened | OpportunityWithheld):
            yield _offer(name, fact)
        elif isinstance(fact, ScoreChanged):
            yield from _score(name, fact)
        else:
            yield from _plain(name, fact)

    def _opened(self, name: str, fact: RiskOpened, at: datetime) -> Iterator[str]:
        colour = _COLOURS.get(fact.severity, "red")
        found = f"[dim]· found in {_seconds(fact.caused_at, at)}[/dim]"
        title = f"{escape(fact.title)} ({fact.severity})"
        yield f"[{colour}]▲[/{colour}] {name} [{colour}]{title}[/{colour}] {found}"
        if not fact.explanation.startswith(fact.title):
            yield f" {escape(fact.explanation)}"
        self._of(fact.account_id, fact.reason).caused_at = fact.caused_at
        yield from self._arrival(name, fact.account_id, fact.reason)

    def _delivered(self, name: str, fact: NotificationDelivered) -> Iterator[str]:
        channels = self._of(fact.account_id, fact.reason).arrived.setdefault(fact.message_id, {})
        channels.setdefault(fact.channel, fact.delivered_at)
        yield from self._arrival(name, fact.account_id, fact.reason)

    def _arrival(self, name: str, account_id: str, reason: str) -> Iterator[str]:
        on_its_way = self._of(account_id, reason)
        if (told := on_its_way.told()) is not None:
            on_its_way.caused_at = None
            yield f"[blue]✉[/blue] {name} [blue]{told}[/blue]"

    def _of(self, account_id: str, reason: str) -> _OnItsWay:
        return self._on_their_way.setdefault((account_id, reason), _OnItsWay())


def _renewal(name: str, fact: RenewalAtRisk | RenewalReassessed | RenewalRestored) -> str:
    change = f"renewal {fact.previous_probability:.0%} → {fact.probability:.0%}"
    if isinstance(fact, RenewalAtRisk):
        at_stake = f"{fact.amount_minor // 100:,} {fact.currency} at stake"
        return f"[magenta]↓[/magenta] {name} {change}, a save is open; {at_stake}"
    if isinstance(fact, RenewalReassessed):
        reasons = f"{spoken(fact.reason)} counts with {spoken(fact.into_reason)}"
        return f"[green]↑[/green] {name} {change}, {reasons}"
    if fact.probability == fact.previous_probability:
        return f"[magenta]=[/magenta] {name} renewal stays at {fact.probability:.0%}"
    closed = ", the save is closed" if fact.save_closed else ""
    return f"[green]↑[/green] {name} {change}{closed}"


def _offer(name: str, fact: OpportunityOpened | OpportunityWithheld) -> str:
    if isinstance(fact, OpportunityOpened):
        return f"[cyan]+[/cyan] {name} upsell offered: {fact.utilisation:.0%} of the seats in use"
    because = ", ".join(spoken(why.removeprefix("risk:")) for why in fact.because)
    return f"[yellow]◌[/yellow] {name} upsell withheld: {because}"


def _score(name: str, fact: ScoreChanged) -> Iterator[str]:
    before, now = fact.previous_band, fact.band
    if before in _BANDS and now in _BANDS and before != now:
        change = f"{fact.previous_score:.0f} → {fact.score:.0f}, {spoken(now)}"
        colour = _BANDS[now]
        yield f"[{colour}]●[/{colour}] {name} health [{colour}]{change}[/{colour}]"


def _plain(name: str, fact: Fact) -> Iterator[str]:
    if isinstance(fact, RiskWorsened):
        colour = _COLOURS.get(fact.severity, "red")
        worse = f"{spoken(fact.reason)} is worse: {fact.severity}"
        yield f"[{colour}]▲[/{colour}] {name} [{colour}]{worse}[/{colour}]"
    elif isinstance(fact, RiskRecovered):
        yield f"[green]✔[/green] {name} [green]recovered: {spoken(fact.reason)}[/green]"
    elif isinstance(fact, FirstValueReached):
        yield f"[cyan]★[/cyan] {name} first value: three users exported a report"


def _seconds(since: datetime, until: datetime) -> str:
    return f"{(until - since).total_seconds():.2f} s"
