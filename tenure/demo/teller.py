"""Tells the story as it happens: each line is a fact that was on Kafka, with its latency."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from textwrap import wrap

from rich.console import Console
from rich.markup import escape

from shared.bus.batches import Record
from shared.bus.tail import tail
from shared.contracts.event import Event, Fact, MalformedEvent
from shared.contracts.registry import PUBLISHERS, fact_of, topic_of
from tenure.demo.lines import Lines
from tenure.demo.stage import Stage

_INDENT = " " * 40
_NARROWEST = 40
_TOPICS = [topic_of(publisher) for publisher in PUBLISHERS]
_HELD_BACK = timedelta(milliseconds=400)
"""Topics are read side by side: facts wait a little, so that a cause is told before its effect."""


class Teller:
    """Prints lines on a console."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self._stage = stage
        self._console = console
        self._lines = Lines({each.account_id: each.name for each in stage.cast})
        self._heard: list[tuple[datetime, Fact, date | None]] = []
        self._day: date | None = None

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Tell what happens on Kafka for as long as the block lasts."""
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._keep_telling())]
        try:
            yield
            self._tell(datetime.now(UTC))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def turn_to(self, day: date) -> None:
        """Say from now on that it is this day."""
        self._day = day

    def say(self, text: str) -> None:
        """Print a line of the story's own."""
        self._print(datetime.now(UTC), None, f"[dim italic]{escape(text)}[/dim italic]")

    async def _listen(self) -> None:
        async for record in tail(self._stage.bootstrap, _TOPICS, from_beginning=False, follow=True):
            for event, fact in _read(record):
                if fact.account_id in self._stage.account_ids:
                    self._heard.append((event.time, fact, self._day))

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(_HELD_BACK.total_seconds() / 4)
            self._tell(datetime.now(UTC) - _HELD_BACK)

    def _tell(self, until: datetime) -> None:
        due = sorted((each for each in self._heard if each[0] <= until), key=lambda each: each[0])
        self._heard = [each for each in self._heard if each[0] > until]
        for at, fact, day in due:
            for line in self._lines.of(fact, at):
                self._print(at, day, line)

    def _print(self, at: datetime, day: date | None, line: str) -> None:
        if line.startswith(" "):
            for part in wrap(line.strip(), max(_NARROWEST, self._console.width - len(_INDENT))):
                self._console.print(f"{_INDENT}[dim]{part}[/dim]", soft_wrap=True)
            return
        elapsed = (at - self._stage.started_at).total_seconds()
        when = f"{day:%a %d %b}" if day else ""
        self._console.print(f"[dim]{elapsed:6.1f} s  {when:10}[/dim]  {line}", soft_wrap=True)


def _read(record: Record) -> Iterator[tuple[Event, Fact]]:
    with suppress(MalformedEvent):
        event = Event.from_record(record.value, {})
        fact = fact_of(event)
        if fact is not None:
            yield event, fact
