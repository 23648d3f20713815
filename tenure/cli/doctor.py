"""tenure doctor."""

import asyncio
import json
import shutil
import sys
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from rich.markup import escape

from shared.bus.errors import BROKER_ERRORS
from shared.bus.topics import describe_topics, read_topics
from shared.db.migrate import migration_engine, states
from tenure.catalog import SCHEMAS, SERVICES
from tenure.cli.output import Bootstrap, DatabaseUrl, Json, explain, fail, out, print_json
from tenure.cli.running import Running, admin_url, bootstrap

Answer = tuple[bool, str]


def doctor(database: DatabaseUrl = "", broker: Bootstrap = "", *, as_json: Json = False) -> None:
    """Look at everything Tenure needs and say what is wrong and what to do; exit 1 if any is.

    Example: [bold]tenure doctor --json[/bold]
    """
    checks: dict[str, Callable[[], Answer]] = {
        "python": _python,
        "java (only for --broker apache)": _java,
        "database": lambda: asyncio.run(_database(admin_url(database))),
        "broker": lambda: asyncio.run(_broker(bootstrap(broker))),
    }
    found = Running.find()
    urls = (
        found.urls if found else {e.name: f"http://127.0.0.1:{e.port}" for e in SERVICES.values()}
    )
    for name, url in urls.items():
        checks[name] = partial(_service, url)
    results = [{"check": name, **_run(check)} for name, check in checks.items()]
    if as_json:
        print_json({"ok": all(r["ok"] for r in results), "checks": results})
    else:
        for result in results:
            mark = "[green]ok[/green]" if result["ok"] else "[red]no[/red]"
            said = escape(f"{result['check']}: {result['detail']}")
            out.print(f"  {mark}  {said}", soft_wrap=True)
    if not all(result["ok"] for result in results):
        fail("something is missing; see above")


def _run(check: Callable[[], Answer]) -> dict[str, Any]:
    ok, detail = check()
    return {"ok": ok, "detail": detail}


def _python() -> Answer:
    return sys.version_info >= (3, 11), f"{sys.version.split()[0]}; 3.11 or newer is needed"


def _java() -> Answer:
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    return True, f"not found: {', '.join(missing)}" if missing else "java and mvn are here"


async def _database(url: str) -> Answer:
    engine = migration_engine(url)
    try:
        behind = [state.schema for state in await states(engine, SCHEMAS) if not state.is_at_head]
    except Exception as error:  # noqa: BLE001 - whatever it is, the doctor says it
        return False, f"does not answer: {explain(error)}"
    finally:
        await engine.dispose()
    return not behind, f"not migrated: {behind}; run `tenure migrate`" if behind else "migrated"


async def _broker(address: str) -> Answer:
    try:
        present = await describe_topics(address)
    except BROKER_ERRORS as error:
        return False, f"{address} does not answer: {explain(error)}"
    wrong = [t.name for t in read_topics() if present.get(t.name) != t.partitions]
    return (
        not wrong,
        f"topics missing: {wrong}; run `tenure topics apply`" if wrong else "topics ok",
    )


def _service(url: str) -> Answer:
    try:
        with urlopen(f"{url}/readyz", timeout=3) as answer:  # noqa: S310 - our own URL
            return True, json.load(answer)["status"]
    except URLError as error:
        body = error.read() if hasattr(error, "read") else b""
        detail = json.loads(body)["checks"] if body else error.reason
        return False, f"{url}: {detail}; start it with `tenure up` or `tenure serve`"
