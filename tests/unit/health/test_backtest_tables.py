"""Tables as people bring them, and every way in which they are wrong."""

from collections.abc import Callable
from datetime import date
from io import StringIO

import pytest

from services.health.domain.backtest.records import Records
from services.health.domain.backtest.tables import RowsInvalid, Table, csv_table, number

TODAY = date(2026, 3, 2)
HEADER = "account_id,renewal_date,lost"


def table(text: str) -> Table:
    return csv_table("o.csv", StringIO(text, newline=""))


def read(text: str) -> Records:
    records = Records(TODAY)
    records.add_outcomes(table(text))
    return records


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\na,2026-01-01,1\n",
        f"\ufeff{HEADER}\r\na,2026-01-01,1\r\n",
        "account_id;renewal_date;lost\na;2026-01-01;true\n",
        "account_id\trenewal_date\tlost\na\t2026-01-01\t1",
        f'{HEADER},note\n"a",2026-01-01,1,"two\nlines, with a comma"\n',
        f"{HEADER},mrr_minor\na,2026-01-01,1\n",
        f"{HEADER}\na,2026-01-01,1.0\n",
        f"{HEADER}\na,2026-01-01,Yes\n",
    ],
)
def test_a_table_is_read_as_spreadsheets_write_it(text: str) -> None:
    (renewal,) = read(text).history().renewals
    assert (renewal.day, renewal.is_lost) == (date(2026, 1, 1), True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the column account_id is missing"),
        (f"{HEADER}\n", "there is no outcome in it"),
        ("id,date,churned\na,2026-01-01,1\n", "found id, date, churned"),
        (f"{HEADER},lost\na,2026-01-01,1,0\n", "the column lost is there twice; keep one"),
        (f"{HEADER}\na,2026-01-01,1,7\n", "row 1: 4 cells for 3 columns; put quotes around"),
        (f'{HEADER}\na,2026-01-01,1\n"b' + ",1\n" * 90_000, "row 2: a quote may be open"),
        (f"{HEADER}\na,2026-01-01,1\na,2026-01-01,0\n", "row 2: a has an outcome on 2026-01-01"),
        (f"{HEADER}\na,2026-03-04,1\n", "row 1: renewal_date: 2026-03-04 has not come yet"),
        (f"{HEADER}\na,2099-01-01,0\n", "leave the row out, or correct it"),
        (f"{HEADER}\na,01/31/2026,1\n", "write a day such as 2026-03-31"),
        (f"{HEADER}\na,2026-01-01,maybe\n", "write 1 (yes) or 0 (no), not 'maybe'"),
        (f"{HEADER}\na,2026-01-01\n", "lost: write 1 (yes) or 0 (no)"),
    ],
)
def test_wrong_outcomes_are_named(text: str, words: str) -> None:
    with pytest.raises(RowsInvalid) as refusal:
        read(text)
    assert refusal.value.detail.startswith("o.csv: ")
    assert words in refusal.value.detail


def test_a_renewal_to_come_is_decided_by_its_notice() -> None:
    records = read(f"{HEADER},notice_given_on\na,2026-06-30,1,2026-02-01\n")
    assert len(records.history().renewals) == 1
    with pytest.raises(RowsInvalid, match="notice_given_on: 2026-05-01 has not come yet"):
        read(f"{HEADER},notice_given_on\na,2026-06-30,1,2026-05-01\n")


def test_wrong_rows_are_objects_too() -> None:
    rows = "".join(f"a{number},never,1\n" for number in range(12))
    with pytest.raises(RowsInvalid) as refusal:
        read(f"{HEADER}\n{rows}")
    assert refusal.value.context["rows"] == 12
    errors = refusal.value.context["errors"]
    assert [error["pointer"] for error in errors] == [f"/o.csv/{number}" for number in range(10)]
    assert errors[0]["message"].startswith("row 1: renewal_date: write a day")


@pytest.mark.parametrize(
    ("add", "text"),
    [
        (Records.add_usage, "account_id,event,day\na,x,2099-01-01\n"),
        (Records.add_usage, "account_id,event,timestamp\na,x,2026-03-04T00:00:00Z\n"),
        (Records.add_signals, "account_id,type,observed_at\na,x,2099-01-01\n"),
    ],
)
def test_nothing_is_known_of_days_to_come(add: Callable[..., None], text: str) -> None:
    with pytest.raises(RowsInvalid, match="has not come yet"):
        add(Records(TODAY), table(text))


@pytest.mark.parametrize("day", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:00-05:00"])
def test_a_day_at_the_ends_of_the_calendar_is_a_mistake_of_its_row(day: str) -> None:
    with pytest.raises(RowsInvalid, match="the year must be 1970 to 2100"):
        read(f"{HEADER}\na,{day},1\n")


def test_a_number_that_no_float_holds_is_a_mistake_of_its_row() -> None:
    with pytest.raises(ValueError, match="mrr: write a number"):
        number("mrr", 10**400)
