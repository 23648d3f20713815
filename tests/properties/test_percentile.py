from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.profile.reading import ProfileInvalid
from services.health.domain.score.percentile import STEPS, Distribution
from services.health.domain.score.score import Context, Line, score_account
from services.health.domain.score.wording import sentence
from tests.builders.health import NOW, default_document, evidence


def distribution(values: list[float], accounts: int | None = None) -> Distribution:
    made = Distribution.of("smb", "seats", 90, values, NOW)
    return replace(made, accounts=accounts or len(values))


def profile(**percentile: Any) -> Profile:
    document = default_document()
    document["dimensions"]["usage"]["inputs"]["seats"] = {
        "weight": 10,
        "percentile": {"higher_is": "healthy", **percentile},
    }
    return parse_profile(document)


def seats(value: float, found: Distribution | None, judged_by: Profile) -> Line:
    context = Context("smb", distributions={} if found is None else {"seats": found})
    score = score_account(judged_by, evidence(seats=value), NOW, context)
    return next(line for line in score.lines if line.metric == "seats")


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.lists(st.floats(0, 1000).map(lambda v: round(v, 1)), min_size=20, max_size=400))
def test_a_rank_off_the_quantiles_is_the_mid_rank_to_within_a_step(values: list[float]) -> None:
    found = distribution(values)
    for value in values[:20]:
        below = sum(other < value for other in values)
        equal = sum(other == value for other in values)
        exact = (below + equal / 2) / len(values)
        assert found.percentile(value) == pytest.approx(exact, abs=1.5 / STEPS)
    assert found.percentile(-1) == 0
    assert found.percentile(1001) == 1


def test_everybody_alike_stands_in_the_middle() -> None:
    assert distribution([5.0] * 30).percentile(5.0) == pytest.approx(0.5)


def test_the_subscore_is_the_rank_either_way_round() -> None:
    found = distribution([float(n) for n in range(1, 101)])
    up = seats(80.0, found, profile())
    down = seats(80.0, found, profile(higher_is="unhealthy"))
    assert up.subscore == pytest.approx(0.795, abs=0.01)
    assert up.subscore + down.subscore == pytest.approx(1)
    assert up.peers is not None
    assert (up.peers.accounts, up.peers.median, up.peers.computed_at) == (100, 50.0, NOW)
    assert "higher than 80 % of 100 similar customers" in sentence(up)


def test_with_too_few_similar_accounts_the_rank_says_nothing_and_counts_for_nothing() -> None:
    line = seats(80.0, distribution([1.0, 2.0, 80.0] * 2, accounts=7), profile())
    assert (line.subscore, line.freshness, line.observed) == (0.5, 0.0, True)
    assert "not enough similar accounts (n=7, 20 are needed)" in sentence(line)
    nobody = seats(80.0, None, profile())
    assert (nobody.subscore, nobody.freshness) == (0.5, 0.0)
    assert "n=0" in sentence(nobody)


def test_with_too_few_similar_accounts_tiers_speak_where_there_are_some() -> None:
    document = default_document()
    document["dimensions"]["usage"]["inputs"]["seats"] = {
        "steps": [[0, 0.1], [50, 0.9]],
        "percentile": {"higher_is": "healthy", "min_accounts": 20},
    }
    line = seats(80.0, distribution([1.0] * 7), parse_profile(document))
    assert (line.subscore, line.freshness) == (0.9, 1.0)
    assert "not enough similar accounts (n=7" in sentence(line)


@pytest.mark.parametrize(
    ("percentile", "said"),
    [
        ({}, "higher_is: write a text"),
        ({"higher_is": "better"}, "higher_is: write healthy or unhealthy"),
        ({"higher_is": "healthy", "window_days": 0}, "window_days: write a whole number"),
        ({"higher_is": "healthy", "min_accounts": 1}, "min_accounts: write a whole number"),
        ({"higher_is": "healthy", "windw": 1}, "windw: unknown"),
        (5, "percentile: write a mapping"),
    ],
)
def test_a_percentile_that_makes_no_sense_is_answered_with_its_path(
    percentile: Any, said: str
) -> None:
    document = default_document()
    document["dimensions"]["usage"]["inputs"]["seats"] = {"percentile": percentile}
    with pytest.raises(ProfileInvalid, match=said):
        parse_profile(document)


def test_the_window_is_part_of_the_rule() -> None:
    one = next(i for d in profile(window_days=30).dimensions for i in d.inputs if i.name == "seats")
    assert one.percentile is not None
    assert one.percentile.window == timedelta(days=30)
