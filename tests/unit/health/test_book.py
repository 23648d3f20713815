"""Which profile judges an account."""

import pytest

from services.health.domain.profile.book import ProfileBook
from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.profile.reading import ProfileInvalid
from services.health.domain.profile.selection import AppliesTo
from services.health.domain.profile.standing import LifeStage
from tests.builders.health import default_document

LANDING, ESTABLISHED = LifeStage.ONBOARDING, LifeStage.ESTABLISHED


def a_profile(name: str, **other: object) -> Profile:
    return parse_profile({**default_document(), "name": name, **other})


BOOK = ProfileBook(
    (
        a_profile("big", applies_to={"segments": ["enterprise", "strategic"]}),
        a_profile("default"),
        a_profile("landing", applies_to={"life_stages": ["onboarding"]}),
        a_profile("landing-smb", applies_to={"segments": ["smb"], "life_stages": ["onboarding"]}),
    )
)


@pytest.mark.parametrize(
    ("segment", "stage", "name"),
    [
        ("mid", ESTABLISHED, "default"),
        ("enterprise", ESTABLISHED, "big"),
        ("strategic", ESTABLISHED, "big"),
        ("enterprise", LANDING, "landing"),
        ("mid", LANDING, "landing"),
        ("smb", LANDING, "landing-smb"),
        ("smb", ESTABLISHED, "default"),
        ("nobody's", ESTABLISHED, "default"),
    ],
)
def test_the_most_specific_profile_judges_and_landing_outranks_the_segment(
    segment: str, stage: LifeStage, name: str
) -> None:
    assert BOOK.for_account(segment, stage).name == name


@pytest.mark.parametrize(
    ("one", "other", "are_rivals"),
    [
        ({"segments": ["a", "b"]}, {"segments": ["b"]}, True),
        ({"segments": ["a"]}, {"segments": ["b"]}, False),
        ({"segments": ["a"]}, {"life_stages": ["onboarding"]}, False),
        ({"life_stages": ["onboarding"]}, {"life_stages": ["onboarding"]}, True),
        ({"segments": ["a"], "life_stages": ["onboarding"]}, {"segments": ["a"]}, False),
    ],
)
def test_profiles_for_the_same_accounts_are_rivals(
    one: dict[str, list[str]], other: dict[str, list[str]], *, are_rivals: bool
) -> None:
    assert applies(one).rivals(applies(other)) is are_rivals
    assert applies(other).rivals(applies(one)) is are_rivals


def applies(document: dict[str, list[str]]) -> AppliesTo:
    return a_profile("some", applies_to=document).applies_to


@pytest.mark.parametrize(
    ("name", "applies_to", "message"),
    [
        ("default", {"segments": ["smb"]}, "applies_to: name segments or life_stages for every"),
        ("big", {}, "applies_to: name segments or life_stages for every profile but 'default'"),
        ("big", {"segments": "smb"}, "applies_to.segments: write a list of names"),
        ("big", {"life_stages": ["young"]}, "applies_to.life_stages: write some of established"),
        ("big", {"stages": []}, "applies_to.stages: unknown; remove it or use one of"),
        ("Big One", {"segments": ["smb"]}, "name: write a name of up to 60 lower-case letters"),
    ],
)
def test_whom_a_profile_is_for_is_checked(
    name: str, applies_to: dict[str, object], message: str
) -> None:
    with pytest.raises(ProfileInvalid, match="^" + message.replace("(", r"\(")):
        a_profile(name, applies_to=applies_to)


def test_a_book_names_the_sums_and_the_metrics_of_all_its_profiles() -> None:
    spent = {"kind": "sum", "events": ["order.paid", "order.refunded"], "property": "amount"}
    book = ProfileBook(
        (
            a_profile("default", metrics={"used": {"kind": "count"}}),
            a_profile(
                "big",
                applies_to={"segments": ["big"]},
                metrics={"used": {"kind": "count", "window_days": 7}, "spent": spent},
            ),
        )
    )
    assert book.sums() == {("order.paid", "amount"), ("order.refunded", "amount")}
    assert [(name, len(found)) for name, found in book.metrics().items()] == [
        ("spent", 1),
        ("used", 2),
    ]
