from datetime import date, timedelta

import pytest

from services.expansion.domain.account import Account
from services.expansion.domain.entitlement import entitlement_on
from services.expansion.domain.utilisation import Usage
from services.expansion.domain.wording import explain
from tests.builders.expansion import NOW, TODAY, a_utilisation, an_entitlement


@pytest.mark.parametrize(
    ("active", "was_near", "is_near"),
    [(86, False, True), (85, False, False), (85, True, True), (80, True, True), (79, True, False)],
)
def test_the_limit_is_near_above_85_percent_until_under_80(
    *, active: int, was_near: bool, is_near: bool
) -> None:
    assert a_utilisation(active, 100).is_near_limit(was_near=was_near) is is_near


def test_the_exact_ratio_decides_not_the_shown_one() -> None:
    just_above = a_utilisation(850_001, 1_000_000)

    assert just_above.ratio == 0.85
    assert just_above.is_near_limit(was_near=False)


def test_more_users_than_seats_is_above_one() -> None:
    assert a_utilisation(30, 25).ratio == 1.2


def test_of_the_terms_begun_the_latest_holds() -> None:
    old = an_entitlement("old", starts_on=date(2025, 1, 1))
    new = an_entitlement("new", starts_on=date(2026, 1, 1))
    ahead = an_entitlement("ahead", starts_on=TODAY + timedelta(days=1))

    assert entitlement_on(TODAY, [new, ahead, old]) == new
    assert entitlement_on(TODAY + timedelta(days=1), [new, ahead, old]) == ahead


def test_of_two_that_begin_on_one_day_the_one_signed_later_holds() -> None:
    first = an_entitlement("z", signed_at=NOW)
    second = an_entitlement("a", signed_at=NOW + timedelta(hours=1))

    assert entitlement_on(TODAY, [second, first]) == second
    assert entitlement_on(date(2025, 1, 1), [second, first]) == second


def test_before_the_first_term_begins_its_seats_count() -> None:
    ahead = an_entitlement("ahead", starts_on=TODAY + timedelta(days=5))
    later = an_entitlement("later", starts_on=TODAY + timedelta(days=9))

    assert entitlement_on(TODAY, [later, ahead]) == ahead
    assert entitlement_on(TODAY, []) is None


def test_only_newer_days_count() -> None:
    account = Account(account_id="acme").used(Usage(TODAY, 10))

    assert account.used(Usage(TODAY - timedelta(days=1), 99)) is account
    assert account.used(Usage(TODAY, 11)).usage == Usage(TODAY, 11)


def test_a_missing_figure_is_named() -> None:
    assert explain(None, has_seats=False) == "Utilisation is unknown: no contract is known yet"
    assert "no day of usage" in explain(None, has_seats=True)
    assert explain(a_utilisation(1, 1), has_seats=True) == (
        "1 of 1 seat was active in the last 28 days (100 %)"
    )
