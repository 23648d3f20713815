from datetime import date

import pytest

from services.renewals.domain.contract import (
    NoticeDueBeforeTerm,
    TermChange,
    TermEndsBeforeItStarts,
)
from tests.builders.renewals import a_contract, a_term


def test_the_notice_date_lies_the_notice_period_before_the_end() -> None:
    term = a_term(ends_on=date(2026, 12, 31), notice_period_days=90)

    assert term.notice_date == date(2026, 10, 2)


def test_a_term_ends_after_it_starts() -> None:
    with pytest.raises(TermEndsBeforeItStarts):
        a_term(starts_on=date(2026, 1, 1), ends_on=date(2026, 1, 1))


def test_a_month_cannot_have_ninety_days_of_notice() -> None:
    with pytest.raises(NoticeDueBeforeTerm):
        a_term(starts_on=date(2026, 1, 1), ends_on=date(2026, 1, 31))


def test_notice_may_be_due_on_the_first_day() -> None:
    term = a_term(starts_on=date(2026, 1, 1), ends_on=date(2026, 1, 31), notice_period_days=30)

    assert term.notice_date == term.starts_on


@pytest.mark.parametrize(
    ("day", "status"),
    [
        (date(2025, 12, 31), "upcoming"),
        (date(2026, 1, 1), "active"),
        (date(2026, 12, 31), "active"),
        (date(2027, 1, 1), "ended"),
    ],
)
def test_the_status_follows_the_day(day: date, status: str) -> None:
    assert a_term(ends_on=date(2026, 12, 31)).status_on(day) == status


def test_an_amendment_changes_only_what_it_names() -> None:
    contract = a_contract(ends_on=date(2026, 12, 31), auto_renew=True)

    amended = contract.amended(TermChange(notice_period_days=0, auto_renew=False))

    assert amended.term.notice_date == date(2026, 12, 31)
    assert not amended.term.auto_renew
    assert amended.term.starts_on == contract.term.starts_on
    assert amended.version == 2


def test_an_amendment_that_changes_nothing_is_no_new_version() -> None:
    contract = a_contract()

    assert contract.amended(TermChange(ends_on=contract.term.ends_on)) is contract
