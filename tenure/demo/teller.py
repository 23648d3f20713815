"""Tells the story as it happens: each line is a fact that was on Kafka, with its latency."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape

from shared.bus.tail import tail
from shared.contracts.event import Event, Fact, MalformedEvent
from shared.contracts.expansion import OpportunityOpened, OpportunityWithheld
from shared.contracts.health import RiskOpened, RiskRecovered, ScoreChanged
from shared.contracts.notifications import NotificationDelivered
from shared.contracts.onboarding import FirstValueReached
from shared.contracts.registry import PUBLISHERS, fact_of, topic_of
from shared.contracts.renewals import RenewalAtRisk, RenewalRestored
from tenure.demo.stage import Stage

_CHANNELS = 3
_COLOURS = {"low": "yellow", "medium": "dark_orange", "high": "red", "critical": "bold red"}
_BANDS = {"healthy": "green", "watch": "yellow", "at_risk": "red"}
_INDENT = " " * 33


@dataclass(slots=True)
class _Waiting:
    """An alert on its way to people: by channel, seconds after its cause."""

    caused_at: datetime
    message_id: str = ""
    seconds: dict[str, float] = field(default_factory=dict)


class Teller:
    """Prints lines on a console."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self._stage = stage
        self._console = console
        self._names = {each.account_id: each.name for each in stage.cast}
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._day: date | None = None

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Tell what happens on Kafka for as long as the block lasts."""
        task = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def turn_to(self, day: date) -> None:
        """Say from now on that it is this day."""
        self._day = day

    def say(self, text: str) -> None:
        """Print a line of the story's own."""
        self._line(f"[dim]{escape(text)}[/dim]")

    async def _listen(self) -> None:
        topics = [topic_of(publisher) for publisher in PUBLISHERS]
        async for record in tail(self._stage.bootstrap, topics, from_beginning=False, follow=True):
            with suppress(MalformedEvent):
                event = Event.from_record(record.value, {})
                fact = fact_of(event)
                if fact is not None and fact.account_id in self._names:
                    self._tell(fact, event.time)

    def _tell(self, fact: Fact, at: datetime) -> None:
        name = f"[bold]{self._names[fact.account_id]:16}[/bold]"
        if isinstance(fact, RiskOpened):
            self._alarm(name, fact, at)
        elif isinstance(fact, NotificationDelivered):
            self._delivered(fact)
        elif isinstance(fact, RiskRecovered):
            self._line(f"[green]✔[/green] {name} [green]recovered:[/green] {_words(fact.reason)}")
        elif isinstance(fact, RenewalAtRisk | RenewalRestored):
            self._renewal(name, fact)
        elif isinstance(fact, OpportunityOpened | OpportunityWithheld):
            self._offer(name, fact)
        elif isinstance(fact, FirstValueReached):
            self._line(f"[cyan]★[/cyan] {name} first value, on day {fact.days} of landing")
        elif isinstance(fact, ScoreChanged):
            self._score(name, fact)

    def _alarm(self, name: str, fact: RiskOpened, at: datetime) -> None:
        colour = _COLOURS.get(fact.severity, "red")
        self._waiting[fact.account_id, fact.reason] = _Waiting(fact.caused_at)
        found = _seconds(fact.caused_at, at)
        self._line(
            f"[{colour}]▲ {name} {escape(fact.title)}[/{colour}] [dim]found in {found}[/dim]"
        )
        self._console.print(f"{_INDENT}[dim]{escape(fact.explanation)}[/dim]", soft_wrap=True)

    def _delivered(self, fact: NotificationDelivered) -> None:
        waiting = self._waiting.get((fact.account_id, fact.reason))
        if waiting is None or waiting.message_id not in {"", fact.message_id}:
            return
        waiting.message_id = fact.message_id
        elapsed = (fact.delivered_at - waiting.caused_at).total_seconds()
        waiting.seconds.setdefault(fact.channel, elapsed)
        if len(waiting.seconds) == _CHANNELS:
            del self._waiting[fact.account_id, fact.reason]
            told = " · ".join(f"{name} {took:.2f} s" for name, took in waiting.seconds.items())
            self._line(f"[blue]✉ {self._names[fact.account_id]:16}[/blue] {told}")

    def _renewal(self, name: str, fact: RenewalAtRisk | RenewalRestored) -> None:
        before, now = f"{fact.previous_probability:.0%}", f"{fact.probability:.0%}"
        if isinstance(fact, RenewalAtRisk):
            at_stake = f"{fact.amount_minor / 100:,.0f} {fact.currency} at stake"
            self._line(
                f"[magenta]↓[/magenta] {name} renewal {before} → {now}, a save is open; {at_stake}"
            )
        else:
            closed = ", the save is closed" if fact.save_closed else ""
            self._line(f"[green]↑[/green] {name} renewal {before} → {now}{closed}")

    def _offer(self, name: str, fact: OpportunityOpened | OpportunityWithheld) -> None:
        if isinstance(fact, OpportunityOpened):
            self._line(f"[green]€[/green] {name} upsell offered: {escape(fact.explanation)}")
        else:
            because = ", ".join(_words(why.removeprefix("risk:")) for why in fact.because)
            self._line(f"[yellow]⏸[/yellow] {name} upsell withheld: {because}")

    def _score(self, name: str, fact: ScoreChanged) -> None:
        before, now = fact.previous_band, fact.band
        if before in _BANDS and now in _BANDS and before != now:
            was = f"{fact.previous_score:.0f}"
            colour = _BANDS[now]
            self._line(
                f"[{colour}]●[/{colour}] {name} health {was} → [{colour}]{fact.score:.0f} {_words(now)}[/{colour}]"
            )

    def _line(self, text: str) -> None:
        elapsed = (datetime.now(UTC) - self._stage.started_at).total_seconds()
        day = f"{self._day:%a %d %b}" if self._day else ""
        self._console.print(f"[dim]{elapsed:6.1f} s  {day:10}[/dim]  {text}", soft_wrap=True)


def _seconds(since: datetime, until: datetime) -> str:
    return f"{(until - since).total_seconds():.2f} s"


def _words(name: Any) -> str:
    return str(name).replace("_", " ")
