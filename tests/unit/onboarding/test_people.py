"""Contacts and owners."""

from dataclasses import replace

import pytest

from services.onboarding.domain.contact import ContactRole, ContactStatus, InvalidLanguage
from services.onboarding.domain.owner import Owner, OwnerRole
from services.onboarding.domain.wording import InvalidEmail, UnknownTimeZone
from tests.builders.onboarding import NOON, contact

ANA = Owner("acme", "own_1", OwnerRole.CSM, "Ana Brandt", "ana@example.com", NOON)


@pytest.mark.parametrize(
    "email", ["kim@example.com", "k.i+m@mail.example.co.uk", "kïm@exämple.de", " kim@example.com "]
)
def test_an_address_is_kept_without_space_around_it(email: str) -> None:
    assert contact(email=email).checked().email == email.strip()


@pytest.mark.parametrize(
    "email",
    [
        *("", "kim", "kim@", "@example.com", "kim@example", "a@b@c.de", "a b@c.de", "a@b..de"),
        "kim@example.com\nBcc: x@y.de",
        "Kim <kim@example.com>",
        "a\0@example.com",
        "a" * 250 + "@b.de",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(email: str) -> None:
    with pytest.raises(InvalidEmail) as refused:
        contact(email=email).checked()
    assert refused.value.detail == InvalidEmail.title()


@pytest.mark.parametrize("language", ["", "e", "EN", "en_US", "english-", "en\n"])
def test_a_language_is_a_tag(language: str) -> None:
    with pytest.raises(InvalidLanguage):
        contact(language=language).checked()


def test_a_contact_lives_in_a_time_zone_that_exists() -> None:
    with pytest.raises(UnknownTimeZone):
        contact().changed({"time_zone": "Nowhere"})


def test_an_edit_is_a_new_version_and_an_empty_one_is_not() -> None:
    before = contact()
    assert before.changed({"name": "Kim S."}).version == 2
    assert before.changed({"name": before.name}) is before


def test_a_new_role_and_a_return_are_news_and_leaving_is_not() -> None:
    here = contact()
    gone = here.changed({"status": ContactStatus.LEFT})
    assert here.changed({"role": ContactRole.BUYER}).is_news_after(here)
    assert gone.changed({"status": ContactStatus.ACTIVE}).is_news_after(gone)
    assert not gone.is_news_after(here)
    assert not here.changed({"name": "Kim S."}).is_news_after(here)


def test_an_owner_is_another_person_when_name_or_address_differs() -> None:
    assert ANA.is_same_person_as(replace(ANA, id="own_2"))
    assert not ANA.is_same_person_as(replace(ANA, email="ana@example.org"))
    assert not ANA.is_same_person_as(None)
