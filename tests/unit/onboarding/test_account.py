"""Accounts: what people state, what products say."""

import pytest

from services.onboarding.domain.account import (
    Account,
    InvalidAccountId,
    InvalidSegment,
    ignored_traits,
)
from services.onboarding.domain.wording import InvalidText, UnknownTimeZone
from tests.builders.onboarding import NOON, account


def discovered(**traits: object) -> Account:
    return Account.discovered("acme", traits, at=NOON)


def test_an_account_a_product_names_first_is_assumed_to_be_small_and_in_utc() -> None:
    found = discovered()
    assert (found.name, found.segment, found.time_zone) == ("acme", "smb", "UTC")


def test_a_product_describes_the_account_it_discovered() -> None:
    after = discovered().described({"name": " Acme ", "segment": "Mid", "time_zone": "Asia/Tokyo"})
    assert (after.name, after.segment, after.time_zone) == ("Acme", "mid", "Asia/Tokyo")
    assert after.version == 2


def test_a_product_does_not_overwrite_what_a_person_opened() -> None:
    before = account(name="Acme GmbH")
    assert before.described({"name": "acme-prod-1", "segment": "mid"}) == before


def test_a_product_describes_only_what_no_person_has_edited() -> None:
    before = discovered(name="acme-prod").edited({"name": "Acme GmbH"})
    after = before.described({"name": "acme-prod-2", "segment": "mid"})
    assert (after.name, after.segment) == ("Acme GmbH", "mid")


def test_a_person_who_confirms_a_value_keeps_the_product_from_changing_it() -> None:
    before = discovered(name="Acme").edited({"name": "Acme"})
    assert before.described({"name": "acme-prod"}).name == "Acme"


def test_traits_that_cannot_be_used_are_named_and_ignored() -> None:
    traits = {"name": "", "segment": "a b", "time_zone": "Mars/Olympus", "plan": "gold"}
    assert discovered(**traits) == discovered()
    assert ignored_traits(traits) == ["name", "segment", "time_zone"]


@pytest.mark.parametrize("value", [None, 7, ["x"], {"a": 1}, True])
def test_traits_of_another_type_are_ignored(value: object) -> None:
    assert discovered(name=value).name == "acme"


def test_an_edit_that_changes_nothing_is_no_new_version() -> None:
    before = account()
    assert before.edited({"name": before.name}) is before


@pytest.mark.parametrize("account_id", ["", " a", "-a", "a b", "a/b", "a\n", "x" * 129])
def test_an_account_id_fits_into_keys_and_urls(account_id: str) -> None:
    with pytest.raises(InvalidAccountId):
        account(account_id)


@pytest.mark.parametrize("segment", ["", "Mid", "a b", "1st", "x" * 41, "mid\n"])
def test_a_segment_is_a_lower_case_word(segment: str) -> None:
    with pytest.raises(InvalidSegment):
        account(segment=segment)


@pytest.mark.parametrize("zone", ["", "Europe", "europe/berlin", "../etc/passwd", "UTC+1", "\0"])
def test_a_time_zone_is_one_of_the_iana_database(zone: str) -> None:
    with pytest.raises(UnknownTimeZone):
        account(time_zone=zone)


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\0", "\ud800", "x" * 201])
def test_a_name_is_text_that_can_be_kept_and_shown(name: str) -> None:
    with pytest.raises(InvalidText):
        account(name=name)


def test_a_refusal_does_not_repeat_the_text_it_refuses() -> None:
    with pytest.raises(InvalidText) as refused:
        account(name="Kim\nSorel")
    assert "Kim" not in refused.value.detail
