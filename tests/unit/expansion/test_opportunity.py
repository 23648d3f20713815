from datetime import date, timedelta

import pytest

from services.expansion.domain.hold import holds_on, known_end
from services.expansion.domain.opportunity import Decision, OpportunityIsNotOpen
from tests.builders.expansion import (
    DROP,
    LANDING,
    NOW,
    TODAY,
    a_risk,
    a_utilisation,
    an_opportunity,
)

LATER = NOW + timedelta(days=1)
WON = Decision("won", None, by="jo")


def test_an_account_is_landing_until_the_day_begins() -> None:
    day = date(2026, 4, 1)

    assert holds_on(day - timedelta(days=1), no_upsell_until=day, open_risks=[]) == (LANDING,)
    assert holds_on(day, no_upsell_until=day, open_risks=[]) == ()


def test_two_risks_of_one_reason_are_one_hold() -> None:
    risks = [a_risk("one"), a_risk("two"), a_risk("three", "champion_left")]

    holds = holds_on(TODAY, no_upsell_until=None, open_risks=risks)

    assert [hold.name for hold in holds] == ["risk:usage_drop", "risk:champion_left"]


def test_the_end_is_known_only_when_every_hold_has_one() -> None:
    assert known_end([LANDING]) == LANDING.until
    assert known_end([LANDING, DROP]) is None
    assert known_end([]) is None


def test_without_holds_it_opens_with_its_evidence() -> None:
    opportunity = an_opportunity()

    assert (opportunity.status, opportunity.opened_at) == ("open", NOW)
    assert opportunity.explanation == "23 of 25 seats were active in the last 28 days (92 %)"


def test_with_holds_it_is_withheld_and_says_why() -> None:
    opportunity = an_opportunity(LANDING, DROP)

    assert opportunity.status == "withheld"
    assert opportunity.because == ("landing", "risk:usage_drop")
    assert opportunity.explanation == (
        "23 of 25 seats were active in the last 28 days (92 %); not offered while: "
        'the account is landing (until 2026-04-01) and the risk "usage drop" is open'
    )


def test_it_opens_when_the_last_hold_is_gone() -> None:
    found = an_opportunity(LANDING, DROP)

    halfway = found.reviewed(a_utilisation(), (DROP,), is_near_limit=True, at=LATER)
    opened = halfway.reviewed(a_utilisation(), (), is_near_limit=True, at=LATER)

    assert (halfway.status, halfway.because) == ("withheld", ("risk:usage_drop",))
    assert (opened.status, opened.opened_at, opened.version) == ("open", LATER, 3)


def test_an_open_one_is_withheld_when_a_risk_opens() -> None:
    after = an_opportunity().reviewed(a_utilisation(), (DROP,), is_near_limit=True, at=LATER)

    assert after.status == "withheld"


def test_a_withheld_one_lapses_when_its_evidence_goes() -> None:
    after = an_opportunity(DROP).reviewed(a_utilisation(10), (), is_near_limit=False, at=LATER)

    assert (after.status, after.closed_at, after.because) == ("lapsed", LATER, ())


def test_an_open_one_stays_open_when_its_evidence_goes() -> None:
    after = an_opportunity().reviewed(a_utilisation(10), (), is_near_limit=False, at=LATER)

    assert after.status == "open"
    assert after.utilisation.active_users_28d == 10


def test_nothing_new_is_no_new_version() -> None:
    opportunity = an_opportunity(DROP)

    again = opportunity.reviewed(a_utilisation(), (DROP,), is_near_limit=True, at=LATER)

    assert again is opportunity


def test_only_an_open_one_is_won_or_lost() -> None:
    won = an_opportunity().decided(WON, at=LATER)

    assert (won.status, won.closed_by) == ("won", "jo")
    for opportunity in (won, an_opportunity(DROP)):
        with pytest.raises(OpportunityIsNotOpen):
            opportunity.decided(WON, at=LATER)
