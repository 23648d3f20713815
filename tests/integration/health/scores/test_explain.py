"""A score explained in words, and compared with earlier moments and versions."""

import math

import httpx
import pytest

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.score.loss_model import Calibration, LossModel
from services.health.jobs.upkeep import refresh_scores
from services.health.usecases.files.files import load_profile
from services.health.usecases.score.explaining import KEPT, Archive, explain
from shared.db.transaction import Database, Transaction
from shared.kernel.clock import FixedClock
from tests.builders.health import default_document
from tests.conftest import NOON
from tests.integration.health.scores.scoring import (
    ACME,
    AS_SHOWN,
    DAY,
    known,
    read,
    rescored,
    signal,
    value,
)


async def test_an_explanation_is_made_of_sentences_and_subtotals_that_add_up(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await known(csm)
    clock.advance(10 * DAY)
    await signal(csm, "payment_failed")
    await refresh_scores(health)
    shown = await read(csm, "/explain")
    by_metric = {line["metric"]: line for line in shown["lines"]}
    assert by_metric["payments"]["sentence"] == "Payments: payment failed: 0.0 of 5.0 points."
    assert by_metric["nps"]["sentence"] == (
        "Recommendation (NPS): 10, normal is 9 or more, 10 days old: 14.7 of 15.0 points."
    )
    assert by_metric["usage_ratio"]["sentence"].startswith(
        "Usage: nothing is known yet, so it counts as neutral: "
    )
    assert math.fsum(d["points"] for d in shown["dimensions"]) == pytest.approx(shown["score"])
    for dimension in shown["dimensions"]:
        lines = [one for one in shown["lines"] if one["dimension"] == dimension["dimension"]]
        assert math.fsum(one["points"] for one in lines) == pytest.approx(
            dimension["points"], abs=1e-9
        )
    missing = {one["metric"]: one["how_to_provide"] for one in shown["missing_inputs"]}
    assert set(missing) == set(shown["missing"])
    assert "Whoever runs the help desk" in missing["csat"]
    assert "backend" in missing["usage_ratio"]
    accepted = {one["metric"]: one["signals"] for one in shown["missing_inputs"]}
    assert accepted["csat"] == ["csat_answered"]
    assert shown["what_would_help"][0]["metric"] == "payments"
    assert (shown["p_loss"], shown["p_loss_source"]) == (None, "expert weights")


async def test_what_changed_since_tuesday(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await known(csm)
    await refresh_scores(health)
    clock.advance(9 * DAY)  # from Monday 2 March to Wednesday 11 March
    await signal(csm, "payment_failed")
    await signal(csm, "nps_answered", value=2)
    await refresh_scores(health)
    compared = (await read(csm, "/explain", since="tuesday"))["compared"]
    assert compared["headline"].startswith("Down 1")
    assert "since Tuesday 10 March 2026: recommendation −14, payments −4" in compared["headline"]  # noqa: RUF001
    assert compared["changes"][0]["sentence"] == (
        "Recommendation (NPS): 10 before, 2 now: −13.5 points."  # noqa: RUF001
    )
    assert compared["asked"] == "2026-03-10T00:00:00Z"
    assert compared["since"] == "2026-03-02T12:00:00Z"
    total = math.fsum(change["points"] for change in compared["changes"])
    assert total == pytest.approx(compared["points"], abs=1e-9)
    for since in ("2026-03-10", "7d", "yesterday", "last-change", "2026-03-03T00:00:00+01:00"):
        again = (await read(csm, "/explain", since=since))["compared"]
        assert again["points"] == pytest.approx(compared["points"], abs=1e-9)


async def test_the_score_as_it_was(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await known(csm)
    await refresh_scores(health)
    first = await read(csm, "/explain")
    clock.advance(5 * DAY)
    await signal(csm, "payment_failed")
    await refresh_scores(health)
    assert await read(csm, "/explain", at="2026-03-04") == first
    assert (await read(csm, "/explain"))["score"] < first["score"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"since": "tuesdy"}, 422, "moment_unclear"),
        ({"since": ""}, 422, "moment_unclear"),
        ({"since": "2026-03-01T00:00:00"}, 422, "moment_unclear"),
        ({"since": "2026-02-30"}, 422, "moment_unclear"),
        ({"since": "2026-03-01T00:00:00 01:00"}, 422, "moment_unclear"),
        ({"since": "2030-01-01"}, 422, "moment_in_future"),
        ({"since": "x" * 101}, 422, "invalid_request"),
        ({"since": "\0"}, 422, "moment_unclear"),
        ({"since": "0000-01-01"}, 422, "moment_unclear"),
        ({"since": "9999-12-31T23:59:59-14:00"}, 422, "moment_unclear"),
        ({"since": "0001-01-01T00:00:00+14:00"}, 404, "not_scored_yet"),
        ({"since": "2020-01-01"}, 404, "not_scored_yet"),
        ({"since": "last-change"}, 404, "not_scored_yet"),
        ({"at": "2020-01-01"}, 404, "not_scored_yet"),
        ({"at": "soon"}, 422, "moment_unclear"),
    ],
)
async def test_a_moment_that_makes_no_sense_is_refused_with_what_to_write(
    csm: httpx.AsyncClient, health: Database, query: dict[str, str], status: int, code: str
) -> None:
    await known(csm)
    await refresh_scores(health)
    answer = await csm.get(f"{ACME}/health/explain", params=query)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


@pytest.mark.parametrize("path", ["health", "health/explain", "health/history", "usage"])
@pytest.mark.parametrize("account", ["nobody", "a%00b", "%F0%9F%A6%86", "x" * 300])
async def test_no_account_is_found_under_a_name_nobody_has(
    csm: httpx.AsyncClient, path: str, account: str
) -> None:
    answer = await csm.get(f"/api/v1/accounts/{account}/{path}")
    assert answer.status_code in {404, 422}, answer.text


def another_version() -> Profile:
    document = default_document()
    document["version"] += 1
    document["dimensions"]["sentiment"]["weight"] = 40
    return parse_profile(document)


async def test_a_change_of_profile_is_told_apart_from_what_happened_at_the_customer(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await known(csm)
    await refresh_scores(health)
    clock.advance(DAY)
    await signal(csm, "payment_failed")
    other = another_version()
    await rescored(health, other)

    async def find(tx: Transaction, name: str, version: int) -> Profile | None:
        return other if version == other.version else load_profile(name)

    async with health.transaction() as tx:
        archive = Archive(find, KEPT.model)
        found = await explain(tx, "acme", at=None, since="1d", archive=archive)
        lost = await explain(tx, "acme", at=None, since="1d", archive=KEPT)
    assert found.compared is not None
    assert lost.compared is not None
    changes = {change.metric: change.points for change in found.compared.found.changes}
    assert changes[f"{load_profile().label} -> {other.label}"] > 5
    assert changes["payments"] < 0
    assert math.fsum(changes.values()) == pytest.approx(found.compared.found.points, abs=1e-9)
    assert "profile changed +" in found.compared.headline
    assert found.compared.found.points == pytest.approx(lost.compared.found.points, abs=1e-9)
    assert (found.compared.found.is_apart, lost.compared.found.is_apart) == (True, False)
    shown = (await read(csm, "/explain", since="1d"))["compared"]
    assert "no longer at hand" in shown["note"]


def a_model() -> LossModel:
    return LossModel(
        version=3,
        profile_name="default",
        profile_version=load_profile().version,
        horizon_days=180,
        intercepts={"": -1.5},
        month_slope=-0.1,
        betas={"sentiment.nps": 3.0, "commercial.payments": 1.0, "usage.usage_ratio": 4.0},
        calibration=Calibration(),
        trained_on=412,
        losses=61,
        trained_at=NOON,
    )


async def test_a_model_is_named_and_its_probability_is_kept_and_shown(
    csm: httpx.AsyncClient, health: Database, clock: FixedClock
) -> None:
    await known(csm, nps=2)
    await refresh_scores(health)
    clock.advance(DAY)
    await rescored(health, load_profile(), {load_profile().label: a_model()})
    shown = await read(csm, "")
    assert shown["p_loss"] == pytest.approx(1 - shown["score"] / 100, abs=AS_SHOWN)
    assert shown["p_loss_source"] == "model v3, 412 renewals, 61 losses"
    assert await value(health, "SELECT p_loss FROM scores WHERE model_version = 3") == (
        pytest.approx(shown["p_loss"], abs=AS_SHOWN)
    )
    explained = await read(csm, "/explain")
    points = math.fsum(line["points"] for line in explained["lines"])
    assert explained["base"] + points == pytest.approx(explained["score"], abs=1e-9)
    nps = next(line for line in explained["lines"] if line["metric"] == "nps")
    assert nps["log_odds"] > 0 > nps["points"]
    assert "log-odds +" in nps["sentence"]
    assert explained["model"]["trained_on"] == 412
    markers = (await read(csm, "/history"))["markers"]
    assert [(m["kind"], m["after"]) for m in markers if m["kind"] == "profile"] == [
        ("profile", f"{load_profile().label} with model v3")
    ]
