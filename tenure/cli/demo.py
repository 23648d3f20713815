"""tenure demo."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.console import Console

from shared.kernel.errors import Refusal
from tenure.catalog import SERVICES
from tenure.cli.output import Json, err, explain, fail, out, print_json
from tenure.cli.running import Running
from tenure.demo.checks import checks
from tenure.demo.closing import show
from tenure.demo.figures import figures
from tenure.demo.receivers import SmtpSink, WebhookReceiver
from tenure.demo.stage import DemoFailedError, Stage
from tenure.demo.story import play
from tenure.demo.teller import Teller
from tenure.stack.errors import StackError
from tenure.stack.local import LocalStack, Plan
from tenure.stack.ports import LOOPBACK, free_port


@dataclass(frozen=True, slots=True)
class _Receivers:
    """Where the demo's mail server and webhook receiver listen, and how services reach them."""

    bind: str
    host: str
    smtp_port: int


@dataclass(frozen=True, slots=True)
class _Venue:
    """Parts that run: the demo's own, or somebody else's."""

    folder: Path
    urls: Mapping[str, str]
    admin_url: str
    bootstrap: str
    suffix: str
    stack: LocalStack | None = None


def demo(
    broker: Annotated[
        str, typer.Option(help="embedded, apache (needs Java 17 and Maven), or HOST:PORT.")
    ] = "embedded",
    database: Annotated[
        str, typer.Option(help="Administrator's URL of your PostgreSQL; default: embedded.")
    ] = "",
    services_url: Annotated[
        list[str] | None,
        typer.Option(
            help="SERVICE=URL of a service that runs already; all five, with --broker and "
            "--database of theirs. Their TENURE_SMTP_URL must lead to --smtp-port here."
        ),
    ] = None,
    receiver_host: Annotated[
        str, typer.Option(help="Name by which services reach this machine.")
    ] = LOOPBACK,
    receiver_bind: Annotated[
        str, typer.Option(help="Address the mail and webhook receivers listen on.")
    ] = LOOPBACK,
    smtp_port: Annotated[int, typer.Option(help="Port of the mail receiver; 0: a free one.")] = 0,
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave it running afterwards, until Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Play a story on real input, told live, and check everything that it says.

    Twenty customers; ten weeks of history; sixteen days of product usage, sent with the SDKs of
    Segment and RudderStack and straight to Kafka. Some customers slip away, people are alerted,
    and some recover. All figures are read back from PostgreSQL, Kafka and the receivers. Exits
    with 1 if a check fails, and leaves nothing behind.

    Example: [bold]tenure demo[/bold], or [bold]tenure demo --broker apache --json[/bold]
    """
    started_at = datetime.now(UTC)
    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))
    receivers = _Receivers(receiver_bind, receiver_host, smtp_port or free_port())
    console = err if as_json else out
    try:
        with _venue(broker, database, _services(services_url), receivers) as venue:
            found = asyncio.run(_perform(venue, receivers, started_at, console))
            if as_json:
                print_json(found)
                sys.stdout.flush()
            else:
                show(console, found)
            if keep:
                _stay(venue)
    except (StackError, DemoFailedError, Refusal, OSError) as error:
        fail(explain(error))
    if not found["ok"]:
        fail("a check failed; --keep leaves everything running, so that you can look")


async def _perform(
    venue: _Venue, receivers: _Receivers, started_at: datetime, console: Console
) -> Mapping[str, Any]:
    ready_at = datetime.now(UTC)
    async with (
        SmtpSink(bind=receivers.bind, port=receivers.smtp_port) as mail,
        WebhookReceiver(bind=receivers.bind, known_as=receivers.host) as hooks,
    ):
        stage = Stage(
            folder=venue.folder,
            urls=venue.urls,
            admin_url=venue.admin_url,
            bootstrap=venue.bootstrap,
            suffix=venue.suffix,
            started_at=started_at,
            ready_at=ready_at,
            mail=mail,
            hooks=hooks,
        )
        evidence = await play(stage, Teller(stage, console))
        return figures(stage, evidence, checks(evidence))


@contextmanager
def _venue(
    broker: str, database: str, urls: Mapping[str, str], receivers: _Receivers
) -> Iterator[_Venue]:
    """Run what the story needs in a folder that goes away, or use what runs."""
    is_own = broker in {"embedded", "apache"} and not database
    suffix = "" if is_own else f"-{uuid4().hex[:4]}"
    with tempfile.TemporaryDirectory(prefix="tenure-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if urls:
            yield _Venue(folder, urls, database, broker, suffix)
            return
        plan = Plan(
            folder=folder / "stack",
            broker=broker,
            database=database,
            durable=False,
            environment={"TENURE_SMTP_URL": f"smtp://{receivers.host}:{receivers.smtp_port}"},
        )
        with LocalStack(plan).running(_say) as stack:
            try:
                yield _Venue(folder, stack.urls, stack.admin_url, stack.bootstrap, suffix, stack)
            finally:
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # stopping is not interrupted


def _services(given: list[str] | None) -> Mapping[str, str]:
    urls = dict(each.partition("=")[::2] for each in given or [])
    if urls and set(urls) != set(SERVICES):
        fail(f"--services-url must name each of {', '.join(SERVICES)} once", 2)
    return {name: url.rstrip("/") for name, url in urls.items()}


def _stay(venue: _Venue) -> None:
    running = Running(venue.admin_url, venue.bootstrap, venue.urls, os.getpid())
    if venue.stack is not None:
        venue.stack.supervise(_say)
    with running.announced():
        for name, url in running.urls.items():
            err.print(f"  {name:14} {url}/docs")
        err.print(f"  {'broker':14} {running.bootstrap}")
        err.print("Other commands find it from this folder. Ctrl-C stops everything.")
        signal.pause()


def _say(what: str) -> None:
    err.print(f"[dim]tenure: {what}[/dim]")
