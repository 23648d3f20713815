"""`tenure health explain`, `doctor`, `up` and `serve`."""

import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tenure.catalog import SERVICES
from tests.e2e.cli.commands import NOWHERE, Run
from tests.product import Product, an_account, eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]


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
