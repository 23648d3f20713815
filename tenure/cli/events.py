"""tenure events."""

import asyncio
from typing import Annotated, Any

import msgspec
import typer

from shared.bus.batches import Record
from shared.bus.errors import BROKER_ERRORS
from shared.bus.tail import tail as read_tail
from shared.bus.topics import USAGE_TOPIC
from shared.contracts.event import MalformedEvent, publisher_of
from shared.contracts.registry import PUBLISHERS, topic_of
from shared.kernel.errors import Refusal
from tenure.cli.output import Bootstrap, Json, explain, fail, out
from tenure.cli.running import bootstrap

app = typer.Typer(no_args_is_help=True, help="Events on the wire.")


@app.callback()
def _group() -> None:
    """Events are CloudEvents; docs/events.md describes each."""


@app.command("tail")
def tail(
    broker: Bootstrap = "",
    topic: Annotated[
        list[str] | None, typer.Option(help="Topic, repeatable; default: all but usage.")
    ] = None,
    account: Annotated[str, typer.Option(help="Only this account.")] = "",
    *,
    from_beginning: Annotated[bool, typer.Option(help="Everything that is kept.")] = False,
    follow: Annotated[bool, typer.Option(help="Go on until Ctrl-C.")] = True,
    as_json: Json = False,
) -> None:
    """Show events as they happen, without moving anybody's position.

    With --json each line is one event (NDJSON).

    Example: [bold]tenure events tail --from-beginning --no-follow --account acme[/bold]
    """
    topics = topic or [topic_of(publisher) for publisher in PUBLISHERS]
    try:
        asyncio.run(_show(bootstrap(broker), topics, account, (from_beginning, follow, as_json)))
    except Refusal as refusal:
        fail(refusal)
    except BROKER_ERRORS as error:
        fail(f"the broker does not answer: {explain(error)}")


async def _show(broker: str, topics: list[str], account: str, how: tuple[bool, bool, bool]) -> None:
    from_beginning, follow, as_json = how
    async for record in read_tail(broker, topics, from_beginning=from_beginning, follow=follow):
        for event in _events(record):
            if account and event.get("subject") != account:
                continue
            if as_json:
                out.file.write(msgspec.json.encode(event).decode() + "\n")
                out.file.flush()
            else:
                _show_one(record, event)


def _events(record: Record) -> list[dict[str, Any]]:
    try:
        body = msgspec.json.decode(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [{"unreadable": repr(record.value), "topic": record.topic}]
    return body if isinstance(body, list) else [body]


def _show_one(record: Record, event: dict[str, Any]) -> None:
    try:
        name = event["type"].removeprefix(f"io.tenure.{publisher_of(event['type'])}.")
    except (KeyError, MalformedEvent):
        name = str(event.get("type", "?"))
    where = f"{record.topic}/{record.partition}@{record.offset}"
    data = {} if record.topic == USAGE_TOPIC else event.get("data", {})
    details = " ".join(f"{key}={value}" for key, value in data.items() if key != "account_id")
    out.print(
        f"{event.get('time', '')} {name} {event.get('subject', '')} {details} {where}",
        markup=False,
        soft_wrap=True,
    )
