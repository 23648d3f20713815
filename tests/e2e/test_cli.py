"""The command as people run it: what it prints, for them and for machines, and how it exits."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from shared.bus.producer import Message
from shared.bus.topics import USAGE_TOPIC, read_topics
from tenure.catalog import SCHEMAS, SERVICES
from tenure.cli.app import app
from tests.product import Product, an_account, eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
NOWHERE = "127.0.0.1:1"
NO_DATABASE = f"postgresql://nobody:only-for-tests@{NOWHERE}/none"
REVOKED_WITHIN = 6.0


@dataclass(frozen=True)
class Said:
    """What a command printed and how it exited."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, which has to be one JSON document."""
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture
def tenure(tmp_path: Path) -> Run:
    """Runs a command where no stack is announced, unless ``home`` names a folder that has one."""

    def run(*arguments: str, home: Path | None = None, **environment: str) -> Said:
        plain = {k: v for k, v in os.environ.items() if not k.startswith("TENURE_")}
        folder = str(home or tmp_path / "nothing-runs-here")
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "tenure", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd=ROOT,
            env={**plain, "COLUMNS": "250", "TENURE_HOME": folder, **environment},
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def tenure_here(tmp_path: Path) -> Run:
    """Runs a command in this process, which is quicker: for what never gets far."""

    def run(*arguments: str, home: Path | None = None, **environment: str) -> Said:
        folder = str(home or tmp_path / "nothing-runs-here")
        plain: dict[str, str | None] = {k: None for k in os.environ if k.startswith("TENURE_")}
        given = {"COLUMNS": "250", "TENURE_HOME": folder, "TENURE_PORT": None, **environment}
        done = CliRunner().invoke(app, arguments, env={**plain, **given})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Said(done.exit_code, done.stdout, done.stderr)

    return run


def commands(group: Any, *names: str) -> Iterator[tuple[str, ...]]:
    """Yield every command there is, by its words."""
    if not hasattr(group, "commands"):
        yield names
        return
    for name in group.commands:
        # Listed commands are imported when they are run.
        _, command, _ = group.resolve_command(typer.Context(group), [name])
        yield from commands(command, *names, name)


COMMANDS = sorted(commands(typer.main.get_command(app)))


def test_the_commands_are_those_the_readme_promises() -> None:
    assert [" ".join(names) for names in COMMANDS] == [
        "demo",
        "dlq list",
        "dlq retry",
        "doctor",
        "events tail",
        "health backtest",
        "health evaluate-detector",
        "health explain",
        "keys create",
        "keys list",
        "keys revoke",
        "migrate",
        "profiles activate",
        "profiles add",
        "profiles list",
        "profiles retire",
        "profiles show",
        "profiles validate",
        "replay",
        "serve",
        "signals validate",
        "topics apply",
        "up",
        "usage verify",
        "webhooks validate",
    ]


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_help_has_an_example_of_the_command(names: tuple[str, ...]) -> None:
    said = CliRunner().invoke(app, [*names, "--help"], env={"COLUMNS": "250"})
    assert said.exit_code == 0
    assert f"tenure {' '.join(names)}" in said.output.partition("Example:")[2]
    assert names == ("serve",) or "--json" in said.output


# --- what cannot be done


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("keys list", 2, "no database: start `tenure up`, or give --database"),
        ("topics apply", 2, "no broker: start `tenure up`, or give --broker"),
        ("keys list --database mysql://x", 2, "postgresql://USER:PASSWORD@HOST:PORT/NAME"),
        (f"migrate --database {NO_DATABASE}", 1, "the database does not answer"),
        (f"dlq list --database {NO_DATABASE}", 1, "the database does not answer"),
        (f"dlq retry nothing --database {NO_DATABASE}", 2, "no service 'nothing'; there are"),
        (f"topics apply --broker {NOWHERE} --wait 0", 1, "the broker does not answer"),
        ("topics apply --file no-such-file.yml", 2, "no-such-file.yml"),
        (f"events tail --no-follow --broker {NOWHERE}", 1, "the broker does not answer"),
        (f"replay no[/]such.csv --broker {NOWHERE}", 2, "there is no file no[/]such.csv"),
        (f"replay README.md --broker {NOWHERE}", 2, "end it in one of .csv, .jsonl"),
        ("serve nothing", 2, "no service 'nothing'; there are onboarding"),
        ("demo --services-url health=http://x", 2, "must name each of onboarding"),
        ("keys revoke not-an-id", 2, "Invalid value for"),
        ("fly", 2, "No such command"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_to_do(
    tenure_here: Run, arguments: str, code: int, words: str
) -> None:
    said = tenure_here(*arguments.split())
    assert (said.code, said.out) == (code, "")
    assert words in said.err
    assert "only-for-tests" not in said.err


def test_a_broker_that_is_away_is_said_in_one_line(tenure: Run) -> None:
    said = tenure("events", "tail", "--no-follow", "--broker", NOWHERE)
    assert (said.code, said.out) == (1, "")
    assert "tenure: the broker does not answer" in said.err
    assert "Unclosed" not in said.err


# --- migrate, topics, keys


@pytest.fixture
def fresh_database(product: Product) -> Iterator[str]:
    """The administrator's URL of an empty database."""
    name = f"cli_{uuid4().hex}"
    server = product.stack.admin_url.rpartition("/")[0]
    _administer(product, f"CREATE DATABASE {name}")
    yield f"{server}/{name}"
    _administer(product, f"DROP DATABASE {name} WITH (FORCE)")


def _administer(product: Product, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(product.stack.admin_url)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def test_migrate_brings_every_schema_to_head_and_does_nothing_the_second_time(
    tenure: Run, tenure_here: Run, fresh_database: str
) -> None:
    where = ("--database", fresh_database)
    unready = tenure_here("keys", "list", *where)
    assert (unready.code, unready.out) == (1, "")
    assert "run `tenure migrate`" in unready.err

    before = tenure("migrate", "--check", *where, "--json")
    assert before.code == 1
    assert "some schemas are not at head; run `tenure migrate`" in before.err
    assert {row["current"] for row in before.document["schemas"]} == {None}

    first, second = (tenure("migrate", *where, "--json") for _ in range(2))
    assert (first.code, second.code) == (0, 0)
    assert first.document == second.document
    found = {row["schema"]: row["at_head"] for row in second.document["schemas"]}
    assert found == {schema.name: True for schema in SCHEMAS}
    check = tenure_here("migrate", "--check", *where)
    assert (check.code, "renewals" in check.out) == (0, True)


def test_migrate_that_is_refused_does_not_print_the_password(
    tenure: Run, product: Product, fresh_database: str
) -> None:
    # A role of a service may log in, and make neither roles nor schemas.
    user = product.stack.service_environment("health")["TENURE_DATABASE_URL"].rpartition("/")[0]
    url = f"{user}/{fresh_database.rpartition('/')[2]}"
    said = tenure("migrate", "--database", url, "--role-password", "sesame-9f3c")
    assert (said.code, said.out) == (1, "")
    assert "the database refuses: permission denied" in said.err
    assert "sesame-9f3c" not in said.err


def test_topics_apply_makes_nothing_twice_and_refuses_other_partitions(
    tenure: Run, product: Product, tmp_path: Path
) -> None:
    where = ("--broker", product.stack.bootstrap)
    said = tenure("topics", "apply", *where, "--json")
    assert said.code == 0
    assert {row["topic"]: row["outcome"] for row in said.document["topics"]} == {
        topic.name: "exists" for topic in read_topics()
    }
    file = tmp_path / "topics.yml"
    file.write_text("topics:\n  tenure.usage: {partitions: 3}\n")
    other = tenure("topics", "apply", *where, "--file", str(file))
    assert (other.code, other.out) == (1, "")
    assert "tenure.usage" in other.err


def test_a_key_opens_what_its_scopes_say_until_it_is_revoked(
    tenure: Run, tenure_here: Run, product: Product
) -> None:
    where = ("--database", product.stack.admin_url, "--json")
    name = f"a [/key] {uuid4().hex}"
    scopes = ("--scope", "health:read", "--scope", "renewals:read")
    made = tenure("keys", "create", name, *scopes, "--source", "/cli", *where)
    assert made.code == 0
    assert made.document["scopes"] == ["health:read", "renewals:read"]
    url, headers = product.stack.url("health"), {"X-Api-Key": made.document["secret"]}
    assert httpx.get(f"{url}/api/v1/risks", headers=headers).status_code == 200

    table = tenure("keys", "list", *where[:2])
    assert (table.code, name in table.out) == (0, True)
    assert made.document["secret"] not in table.out

    assert tenure("keys", "revoke", made.document["id"], *where).document["revoked"] is True
    revoked_at = time.monotonic()
    eventually(
        lambda: httpx.get(f"{url}/api/v1/risks", headers=headers).status_code == 401,
        within=30,
        what="the revoked key is refused",
    )
    assert time.monotonic() - revoked_at < REVOKED_WITHIN
    (listed,) = [
        key
        for key in tenure_here("keys", "list", *where).document["keys"]
        if key["id"] == made.document["id"]
    ]
    assert listed["name"] == name
    assert listed["revoked_at"] is not None
    assert "secret" not in listed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("create x --scope usage:write --scope health:read", "can do nothing else"),
        ("create x --scope everything", "Known: admin, expansion:read"),
        ("revoke 0199d0c2-7e2a-7bb1-9d0e-3f1f6b8f2a11", "There is no such API key."),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(
    tenure_here: Run, product: Product, arguments: str, words: str
) -> None:
    said = tenure_here("keys", *arguments.split(), "--database", product.stack.admin_url)
    assert (said.code, said.out) == (1, "")
    assert words in said.err


# --- events, dead letters


def test_events_tail_shows_an_accounts_events_one_a_line(tenure: Run, product: Product) -> None:
    account = an_account("tail")
    opened = product.client("onboarding").post(
        "/api/v1/accounts", json={"account_id": account, "name": "Tail"}
    )
    assert opened.status_code == 201
    product.wait_until_quiet()
    tail = ("events", "tail", "--from-beginning", "--no-follow", "--account", account)
    where = ("--broker", product.stack.bootstrap)
    said = tenure(*tail, *where, "--json")
    assert said.code == 0
    events = [json.loads(line) for line in said.out.splitlines()]
    assert "io.tenure.onboarding.account_opened.v1" in {event["type"] for event in events}
    assert {event["subject"] for event in events} == {account}
    assert {event["specversion"] for event in events} == {"1.0"}

    told = tenure(*tail, *where, "--topic", "tenure.onboarding")
    assert told.code == 0
    assert f" account_opened.v1 {account} " in told.out

    unknown = tenure("events", "tail", *where, "--topic", "tenure.typo")
    assert (unknown.code, unknown.out) == (1, "")
    assert "no topic tenure.typo" in unknown.err


def test_dead_letters_show_their_bytes_and_go_back_when_asked(
    tenure: Run, tenure_here: Run, product: Product
) -> None:
    account, mark = an_account("dlq"), uuid4().hex
    product.publish(Message(USAGE_TOPIC, account.encode(), f"{mark}\0[/]".encode() + b"\xff"))
    bad_time = {"specversion": "1.0", "id": mark, "source": "/x", "subject": account, "data": {}}
    value = json.dumps({**bad_time, "type": "io.tenure.x.y.v1", "time": "[/bold]"}).encode()
    product.publish(Message("tenure.onboarding", account.encode(), value))
    sql = "SELECT count(*) FROM dead_letters WHERE key = :key"
    eventually(
        lambda: product.fetch_value("health", sql, key=account.encode()) == 2,
        what="both records are set aside",
    )
    where = ("--database", product.stack.admin_url)

    told = tenure("dlq", "list", "--service", "health", *where)
    assert told.code == 0
    assert "[/bold]" in told.out

    listed = tenure("dlq", "list", "--service", "health", *where, "--json")
    mine = [each for each in listed.document["dead_letters"] if each["key"] == account]
    (letter,) = [each for each in mine if each["topic"] == USAGE_TOPIC]
    assert letter["value"] == f"{mark}\0[/]\\xff"
    assert letter["code"] == "malformed_event"
    assert letter["retried_at"] is None

    said = tenure("dlq", "retry", "health", str(letter["id"]), *where, "--json")
    assert (said.code, said.document) == (0, {"service": "health", "retried": 1})
    # It is as malformed as before: the copy that came back is set aside too.
    again = "SELECT count(*) FROM dead_letters WHERE key = :key AND topic = :topic"
    eventually(
        lambda: product.fetch_value("health", again, key=account.encode(), topic=USAGE_TOPIC) == 2,
        what="the record went back to its topic and was set aside again",
    )
    unknown = tenure_here("dlq", "retry", "health", "999999999", *where)
    assert unknown.code == 1
    assert "only 0 of 1 ids exist; `tenure dlq list` shows them" in unknown.err


# --- replay


def history(account: str, rows: int = 40) -> list[dict[str, Any]]:
    """Return usage of the last weeks: more events than rows, as one stands for three."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=30)
    made = [
        {
            "account_id": account,
            "event": "report.exported",
            "timestamp": (start + timedelta(hours=number)).isoformat(),
            "user_id": f"u{number % 3}",
        }
        for number in range(rows)
    ]
    return [{**made[0], "count": 3}, *made[1:]]


def counted(product: Product, account: str) -> int:
    sql = "SELECT coalesce(sum(n), 0) FROM usage_daily WHERE account_id = :account"
    return int(product.fetch_value("health", sql, account=account))


def wait_until_counted(product: Product, account: str, count: int) -> None:
    eventually(lambda: counted(product, account) == count, what=f"{count} events are counted")


def write_csv(file: Path, rows: list[dict[str, Any]]) -> None:
    names = ["account_id", "event", "timestamp", "user_id", "count"]
    lines = [",".join(names), *(",".join(str(row.get(n, "")) for n in names) for row in rows)]
    file.write_text("\n".join(lines) + "\n")


def write_ndjson(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_parquet(file: Path, rows: list[dict[str, Any]]) -> None:
    whole = [
        {"count": 1, **row, "timestamp": datetime.fromisoformat(row["timestamp"])} for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(whole), file)


@pytest.mark.parametrize(
    ("name", "write"), [("history.csv", write_csv), ("history.parquet", write_parquet)]
)
def test_a_file_replayed_twice_counts_once_and_opens_no_alerts(
    tenure: Run,
    product: Product,
    tmp_path: Path,
    name: str,
    write: Callable[[Path, list[dict[str, Any]]], None],
) -> None:
    account = an_account("replay")
    write(tmp_path / name, history(account))
    replay = ("replay", str(tmp_path / name), "--broker", product.stack.bootstrap, "--json")
    said = tenure(*replay)
    assert said.code == 0, said.err
    assert (said.document["rows"], said.document["sent"]) == (40, 42)
    wait_until_counted(product, account, 42)
    restarted = tenure(*replay, "--restart")
    assert (restarted.document["skipped"], restarted.document["sent"]) == (0, 42)
    # This one comes after them in the same partition: when it is counted, they were looked at.
    last = {"specversion": "1.0", "id": "last", "source": account, "type": "x", "subject": account}
    product.publish(Message(USAGE_TOPIC, account.encode(), json.dumps(last).encode()))
    wait_until_counted(product, account, 43)
    risks = product.client("health").get(f"/api/v1/risks?account_id={account}")
    assert risks.json()["data"] == []


def test_the_same_rows_in_two_files_count_twice_and_a_row_may_stand_for_many(
    tenure: Run, product: Product, tmp_path: Path
) -> None:
    account = an_account("months")
    rows = history(account, rows=3)
    rows[1]["count"] = 12_000
    for name in ("january.csv", "february.csv"):
        write_csv(tmp_path / name, rows)
        where = ("--broker", product.stack.bootstrap, "--json")
        said = tenure("replay", str(tmp_path / name), *where)
        assert (said.document["rows"], said.document["sent"]) == (3, 12_004)
    wait_until_counted(product, account, 24_008)


def test_rows_that_cannot_be_read_are_written_beside_the_file_and_it_exits_with_1(
    tenure: Run, product: Product, tmp_path: Path
) -> None:
    account = an_account("reject")
    good = history(account, rows=3)
    bad: list[Any] = [
        {**good[0], "account_id": ""},
        {**good[0], "account_id": "no spaces"},
        {**good[0], "event": 7},
        {**good[0], "timestamp": "yesterday"},
        {**good[0], "count": -1},
        {**good[0], "count": "many"},
        ["not", "an", "object"],
    ]
    file = tmp_path / "history.ndjson"
    write_ndjson(file, [good[0], *bad, *good[1:]])
    said = tenure("replay", str(file), "--broker", product.stack.bootstrap, "--json")
    assert said.code == 1
    assert (said.document["sent"], said.document["rejected"]) == (5, 7)
    assert str(file) + ".rejected.ndjson" in said.err
    lines = Path(f"{file}.rejected.ndjson").read_text().splitlines()
    rejected = [json.loads(line) for line in lines]
    assert [each["row"] for each in rejected] == [2, 3, 4, 5, 6, 7, 8]
    assert all(each["error"] for each in rejected)
    assert "'yesterday' is not like 2026-01-31T12:00:00Z" in rejected[3]["error"]
    wait_until_counted(product, account, 5)


def test_a_replay_goes_on_where_it_was_cut_off(
    tenure: Run, tenure_here: Run, product: Product, tmp_path: Path
) -> None:
    account = an_account("resume")
    file = tmp_path / "history.ndjson"
    write_ndjson(file, history(account))
    where = ("--broker", product.stack.bootstrap, "--json")
    cut_off = tenure_here("replay", str(file), "--broker", NOWHERE)
    assert (cut_off.code, cut_off.out) == (1, "")
    assert "run the same command to go on" in cut_off.err
    # As a run leaves it that was ended after 25 rows had been acknowledged.
    tenure("replay", str(file), *where)
    progress = tmp_path / ".history.ndjson.replay.json"
    kept = json.loads(progress.read_text())
    progress.write_text(json.dumps({**kept, "rows": 25}))
    said = tenure("replay", str(file), *where)
    assert (said.code, said.document["skipped"], said.document["sent"]) == (0, 25, 15)
    wait_until_counted(product, account, 42)


# --- health explain, doctor, up, serve


def test_health_explain_adds_up_and_compares_with_a_moment(
    tenure: Run, tenure_here: Run, product: Product
) -> None:
    account, health = an_account("explain"), product.client("health")
    where = ("--database", product.stack.admin_url)
    signals = f"/api/v1/accounts/{account}/signals"
    none = tenure_here("health", "explain", f"{account}[/]", *where)
    assert (none.code, none.out) == (1, "")
    assert f"{account}[/]' has no score yet" in none.err

    def score() -> Any:
        return health.get(f"/api/v1/accounts/{account}/health").json().get("score")

    health.post(signals, json={"type": "nps_answered", "value": 10})
    before = eventually(score, what="a first score")
    # The option takes whole seconds: the moment is the first one after the first score.
    between = datetime.now(UTC).replace(microsecond=0, tzinfo=None) + timedelta(seconds=1)
    eventually(lambda: datetime.now(UTC).replace(tzinfo=None) > between, what="the next second")
    health.post(signals, json={"type": "champion_left"})
    eventually(lambda: score() != before, what="another score")

    # Whatever the clock on the wall: the moment is in UTC.
    since = ("--since", between.isoformat())
    said = tenure("health", "explain", account, *since, *where, "--json", TZ="Asia/Tokyo")
    shown = said.document
    assert said.code == 0
    assert sum(line["points"] for line in shown["lines"]) == pytest.approx(shown["score"])
    points = sum(change["points"] for change in shown["changes"])
    assert points == pytest.approx(shown["score"] - before)
    told = tenure("health", "explain", account, *since, *where, TZ="America/Lima")
    assert told.code == 0, told.err
    assert f"{shown['score']:.1f} of 100" in told.out
    assert "relationship/champion" in told.out
    early = tenure_here("health", "explain", account, "--since", str(date(2020, 1, 1)), *where)
    assert (early.code, early.out) == (1, "")
    assert "had no score yet on Wednesday 1 January 2020" in early.err


def announce(product: Product, home: Path, **urls: str) -> None:
    """Leave what ``tenure up`` leaves for other commands."""
    home.mkdir()
    found = {
        "admin_url": product.stack.admin_url,
        "bootstrap": product.stack.bootstrap,
        "urls": {**product.stack.urls, **urls},
        "pid": os.getpid(),
    }
    (home / "running.json").write_text(json.dumps(found))


def test_doctor_finds_everything_well_and_other_commands_need_no_addresses(
    tenure: Run, tenure_here: Run, product: Product, tmp_path: Path
) -> None:
    announce(product, tmp_path / "home")
    told = tenure("doctor", home=tmp_path / "home")
    assert (told.code, told.err) == (0, "")
    for name in SERVICES:
        assert f"ok  {name}: ready" in told.out
    assert "ok  database: migrated" in told.out
    assert tenure_here("keys", "list", "--json", home=tmp_path / "home").code == 0


def test_doctor_names_the_service_that_is_missing_and_exits_with_1(
    tenure: Run, product: Product, fresh_database: str, tmp_path: Path
) -> None:
    announce(product, tmp_path / "home", renewals=f"http://{NOWHERE}")
    where = ("--database", fresh_database)
    said = tenure("doctor", *where, "--json", home=tmp_path / "home")
    wrong = {each["check"]: each["detail"] for each in said.document["checks"] if not each["ok"]}
    assert (said.code, said.document["ok"]) == (1, False)
    assert set(wrong) == {"renewals", "database"}
    assert "start it with `tenure up` or `tenure serve`" in wrong["renewals"]
    assert "run `tenure migrate`" in wrong["database"]


def test_up_refuses_to_run_twice_from_one_folder(
    tenure_here: Run, product: Product, tmp_path: Path
) -> None:
    announce(product, tmp_path / "home")
    said = tenure_here("up", home=tmp_path / "home")
    assert (said.code, said.out) == (1, "")
    assert "already running from this folder" in said.err


def test_serve_says_which_setting_is_wrong(tenure_here: Run) -> None:
    said = tenure_here("serve", "health", TENURE_KAFKA_SESSION_SECONDS="soon")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(
        "tenure: TENURE_KAFKA_SESSION_SECONDS: Input should be a valid number"
    )


def test_serve_says_of_secrets_how_they_are_written(tenure_here: Run) -> None:
    said = tenure_here("serve", "health", TENURE_HEALTH_WEBHOOK_SECRETS="whsec_hidden")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("tenure: TENURE_HEALTH_WEBHOOK_SECRETS: write JSON such as")
    assert "hidden" not in said.err


@pytest.mark.parametrize("service", SERVICES)
def test_serve_refuses_a_well_known_password_in_production(tenure_here: Run, service: str) -> None:
    said = tenure_here(
        "serve",
        service,
        TENURE_ENVIRONMENT="production",
        TENURE_DATABASE_URL="postgresql://tenure:changeme@db/private-name",
    )
    assert (said.code, said.out) == (2, "")
    assert "in production no secret may be empty or well known" in said.err
    assert "TENURE_DATABASE_URL" in said.err
    assert "private-name" not in said.err


def test_serve_as_a_process_refuses_the_secrets_of_development_in_production(tenure: Run) -> None:
    said = tenure(
        "serve",
        "notifications",
        TENURE_ENVIRONMENT="production",
        TENURE_DATABASE_URL="postgresql://tenure:long-and-random-71c@db/tenure",
    )
    assert (said.code, said.out) == (2, "")
    assert "TENURE_WEBHOOK_SECRET_KEY" in said.err
    assert "long-and-random-71c" not in said.err


@pytest.mark.parametrize(
    ("group", "text", "place"),
    [
        ("signals", "types:\n  a: {title: A, colour: red}\n", ("/types/a/colour", 2)),
        ("signals", "types: [\n", ("", 2)),
        ("webhooks", "colour: red\n", ("/colour", 1)),
    ],
)
def test_a_mistake_in_a_file_of_ones_own_is_told_with_its_place(
    tenure_here: Run, tmp_path: Path, group: str, text: str, place: tuple[str, int]
) -> None:
    path = tmp_path / "own.yml"
    path.write_text(text)
    said = tenure_here(group, "validate", str(path), "--json")
    errors = json.loads(said.out)["errors"]
    assert said.code == 1
    told = [(each["location"], each["pointer"], each.get("line")) for each in errors]
    assert ("own.yml", *place) in told


@pytest.mark.parametrize("group", ["signals", "webhooks"])
def test_a_file_of_ones_own_that_is_not_there_is_said(tenure_here: Run, group: str) -> None:
    said = tenure_here(group, "validate", "nowhere.yml")
    assert said.code == 1
    assert "nowhere.yml: cannot be read" in said.err


def test_the_shipped_catalogue_and_mappings_are_valid(tenure_here: Run) -> None:
    health = ROOT / "services" / "health"
    assert tenure_here("signals", "validate", str(health / "catalogue")).code == 0
    said = tenure_here("webhooks", "validate", str(health / "mappings"), "--json")
    assert json.loads(said.out)["mappings"] == ["stripe"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("renewals.tsv", "the column account_id is missing"),
        ("renewals.xlsx", "a workbook is not read; save its sheet as CSV (UTF-8)"),
    ],
)
def test_a_table_of_tabs_is_read_and_a_workbook_refused_with_a_hint(
    tenure_here: Run, tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / name).write_text("account\trenewal_date\tlost\n")
    (tmp_path / "usage.csv").write_text("account_id,event,day\n")
    outcomes, usage = str(tmp_path / name), str(tmp_path / "usage.csv")
    said = tenure_here("health", "backtest", "default", "--outcomes", outcomes, "--usage", usage)
    assert said.code == 2
    assert words in said.err


@pytest.mark.parametrize(
    "words", ["profiles validate - --offline", "signals validate -", "webhooks validate -"]
)
def test_a_file_may_come_from_standard_input(words: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "tenure", *words.split()],
        input="colour: red\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert "line 1, column 1: colour: unknown" in done.stderr
