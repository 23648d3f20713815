"""tenure demo."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer

from tenure.catalog import SERVICES
from tenure.cli.output import Json, err, fail, out
from tenure.stack.ports import LOOPBACK


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
            help="SERVICE=URL of one that runs already; name all five, and their --broker and "
            "--database. Their TENURE_SMTP_URL must lead to --smtp-port here."
        ),
    ] = None,
    receiver_host: Annotated[
        str, typer.Option(help="Name by which services reach this machine.")
    ] = LOOPBACK,
    receiver_bind: Annotated[
        str, typer.Option(help="Address on which mail and webhooks are received.")
    ] = LOOPBACK,
    smtp_port: Annotated[int, typer.Option(help="Port for mail; 0: a free one.")] = 0,
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave it running afterwards, until Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Play a story on real input, told live, and check everything that came of it.

    Twenty customers, ten weeks of history, and sixteen days of product usage sent with the SDKs
    of Segment and RudderStack and straight to Kafka. Some customers slip away, people are
    alerted, and some recover. Every figure is read back from PostgreSQL, Kafka and the receivers.
    Exits with 1 if a check fails. On a broker or database of yours its accounts stay there.

    Example: [bold]tenure demo[/bold], or [bold]tenure demo --broker apache --json[/bold]
    """
    try:
        # Only the extra `local` brings the clients and receivers it needs; the image does not.
        from tenure.demo import performance, venue  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        fail(f"the demo needs {missing.name}: pip install 'tenure[local]'", 2)
    parts = venue.Parts(broker, database, _services(services_url, broker, database))
    receivers = venue.receivers_at(receiver_bind, receiver_host, smtp_port)
    console = err if as_json else out
    performance.perform(
        parts, receivers, performance.Performance(datetime.now(UTC), console, as_json, keep)
    )


def _services(given: list[str] | None, broker: str, database: str) -> Mapping[str, str]:
    """Return the URLs of services that run; exit 2 unless it is all or none of them."""
    urls = {name: url.rstrip("/") for name, _, url in (each.partition("=") for each in given or [])}
    if urls and set(urls) != set(SERVICES):
        fail(f"--services-url must name each of {', '.join(SERVICES)}", 2)
    if urls and (":" not in broker or not database):
        fail("with --services-url give the --broker HOST:PORT and --database they use", 2)
    return urls
