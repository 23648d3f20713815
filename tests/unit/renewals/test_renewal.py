from datetime import date, timedelta

import pytest

from services.renewals.domain.renewal import Decision, Forecast, RenewalIsDecided
from services.renewals.domain.risk import Risk
from tests.builders.renewals import (
    NOW,
    a_contract,
    a_renewal,
    a_risk,
    a_save,
    an_assessment,
)

LATER = NOW + timedelta(days=1)


def test_a_renewal_comes_with_the_dates_and_amount_of_its_contract() -> None:
    contract, renewal = a_contract(), a_renewal()

    assert renewal.notice_date == contract.term.notice_date
    assert renewal.amount == contract.amount
    assert renewal.stage == "upcoming"


def test_a_renewal_is_in_play_until_its_term_is_over() -> None:
    renewal = a_renewal(ends_on=date(2026, 12, 31))

    assert renewal.is_in_play(date(2026, 12, 31))
    assert not renewal.is_in_play(date(2027, 1, 1))


def test_each_change_is_a_new_version_and_no_change_is_none() -> None:
    renewal = a_renewal()

    assert renewal.at_stage("engaged").version == 2
    assert renewal.at_stage("upcoming").version == 1
    assert renewal.assessed(an_assessment()) is renewal


def test_a_persons_forecast_leaves_the_probability_alone() -> None:
    renewal = a_renewal().forecasted(Forecast(0.3, "They told me", by="jo", at=NOW))

    assert renewal.forecast is not None
    assert renewal.assessment.probability == 0.85


def test_a_decided_renewal_cannot_be_changed() -> None:
    lost = a_renewal().decided(Decision("lost", None, by="jo", at=NOW))

    assert lost.stage == "lost"
    assert not lost.is_in_play(NOW.date())
    for change in (
        lambda: lost.at_stage("engaged"),
        lambda: lost.forecasted(Forecast(0.3, "no", by="jo", at=NOW)),
        lambda: lost.decided(Decision("won", None, by="jo", at=NOW)),
    ):
        with pytest.raises(RenewalIsDecided):
            change()


def test_a_save_closes_when_its_last_reason_is_gone() -> None:
    save = a_save(a_risk("one"), a_risk("two"))

    halfway = save.without_risk("one", at=LATER)
    done = halfway.without_risk("two", at=LATER)

    assert halfway.is_open
    assert (done.closed_at, done.outcome) == (LATER, "recovered")
    assert [reason.gone_at for reason in done.reasons] == [LATER, LATER]


def test_a_worse_reason_is_one_reason() -> None:
    save = a_save(a_risk(severity="low")).with_risk(a_risk(severity="critical"), at=LATER)

    assert [(reason.severity, reason.since) for reason in save.reasons] == [("critical", NOW)]


def test_a_recovered_risk_stays_recovered() -> None:
    over: Risk = a_risk().recovered(LATER)

    assert over.told(a_risk(severity="critical")) == over
    assert over.recovered(LATER + timedelta(days=1)) == over


def test_a_merged_reason_says_who_tells_it_and_leaves_the_save_open() -> None:
    save = a_save(a_risk("dip"), a_risk("drop"))

    merged = save.merged("dip", a_risk("drop"), at=LATER)
    done = merged.without_risk("drop", at=LATER)

    assert merged.is_open
    assert [(each.gone_at, each.told_with) for each in merged.reasons] == [
        (LATER, "drop"),
        (None, None),
    ]
    assert done.outcome == "recovered"


def test_a_merged_reason_that_stands_alone_again_is_a_reason_as_before() -> None:
    save = a_save(a_risk("dip"), a_risk("drop")).merged("dip", a_risk("drop"), at=LATER)

    alone = save.with_risk(a_risk("dip"), at=LATER).without_risk("drop", at=LATER)

    assert alone.is_open
    (dip,) = [each for each in alone.reasons if each.risk_id == "dip"]
    assert (dip.since, dip.gone_at, dip.told_with) == (NOW, None, None)
