"""One run of the demo: open the venue, play, show what was found, and tidy up."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from shared.kernel.errors import Refusal
from tenure.cli.output import err, explain, fail, print_json
from tenure.cli.running import Running
from tenure.demo.checks import checks
from tenure.demo.closing import show
from tenure.demo.evidence import Evidence
from tenure.demo.figures import figures
from tenure.demo.receivers import SmtpSink, WebhookReceiver
from tenure.demo.stage import DemoFailedError, Stage
from tenure.demo.story import Ended, play
from tenure.demo.teller import Teller
from tenure.demo.venue import Parts, Receivers, Venue, open_venue
from tenure.stack.errors import StackError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Performance:
    """One run of the demo, and what came of it."""

    started_at: datetime
    console: Console
    as_json: bool
    keep: bool
    failed: list[str] = field(default_factory=list, init=False)

    async def run(self, venue: Venue) -> None:
        """Play the story and show what was found."""
        ready_at, receivers = datetime.now(UTC), venue.receivers
        async with AsyncExitStack() as exits:
            mail = SmtpSink(bind=receivers.bind, port=receivers.smtp_port)
            hooks = WebhookReceiver(bind=receivers.bind, known_as=receivers.host)
            stage = Stage(
                folder=venue.folder,
                urls=venue.urls,
                admin_url=venue.admin_url,
                bootstrap=venue.bootstrap,
                suffix=venue.suffix,
                started_at=self.started_at,
                ready_at=ready_at,
                mail=await exits.enter_async_context(mail),
                hooks=await exits.enter_async_context(hooks),
            )
            ended = await exits.enter_async_context(play(stage, Teller(stage, self.console)))
            self._show(stage, ended.evidence)
            if self.keep:
                await _stay(venue, ended)

    def _show(self, stage: Stage, evidence: Evidence) -> None:
        found: Mapping[str, Any] = figures(stage, evidence, checks(evidence))
        self.failed = [check["name"] for check in found["checks"] if not check["ok"]]
        if self.as_json:
            print_json(found)
            sys.stdout.flush()
        else:
            show(self.console, found)


def perform(parts: Parts, receivers: Receivers, performance: Performance) -> None:
    """Play the demo on the parts given. Exits with 1 when a check fails or it cannot go on."""
    # Explicitly: a shell starts background jobs with SIGINT ignored, and children inherit that.
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        with open_venue(parts, receivers, _say) as venue:
            try:
                asyncio.run(performance.run(venue))
            except (DemoFailedError, Refusal):
                _complain(venue)
                raise
            if performance.failed:
                _complain(venue)
    except (StackError, DemoFailedError, Refusal, OSError) as error:
        fail(explain(error))
    if performance.failed:
        names = "; ".join(performance.failed)
        fail(f"failed: {names}. --keep leaves everything running, so that you can look")


async def _stay(venue: Venue, ended: Ended) -> None:
    """Leave it running, found by other commands, until Ctrl-C."""
    stop = asyncio.Event()
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if venue.stack is not None:
        venue.stack.supervise(_say)
    running = Running(venue.admin_url, venue.bootstrap, venue.urls, os.getpid())
    with running.announced():
        for name, url in running.urls.items():
            err.print(f"  {name:14} {url}/docs")
        err.print(f"  {'broker':14} {running.bootstrap}")
        for name, secret in ended.keys.items():
            err.print(f"  {'key':14} {secret}  [dim]{name}[/dim]", soft_wrap=True)
        err.print("Other commands run from this folder find it. Ctrl-C stops everything.")
        await stop.wait()


def _complain(venue: Venue) -> None:
    for line in venue.complaints():
        err.print(line, markup=False, soft_wrap=True, style="dim")


def _say(what: str) -> None:
    err.print(f"[dim]tenure: {what}[/dim]")
