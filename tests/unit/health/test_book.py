"""Which profile judges an account."""

import pytest
import yaml

from services.health.domain.profile.book import ProfileBook
from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile, Tiers
from services.health.domain.profile.reading import ProfileInvalid
from services.health.domain.profile.selection import AppliesTo
from services.health.domain.profile.standing import LifeStage
from services.health.usecases.files.files import shipped_profiles
from services.health.usecases.profile.documents import read_document
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


def test_a_metric_that_is_defined_twice_is_refused_with_its_line() -> None:
    twice = "metrics:\n  exports: {kind: count}\n  exports: {kind: breadth}\n"
    with pytest.raises(ProfileInvalid, match=r"^line 3, column 3: exports is written twice"):
        read_document(twice)


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


def test_what_extends_another_profile_says_only_what_differs() -> None:
    base = default_document()
    text = """
name: ours
version: 3
extends: default
applies_to: {segments: [ours]}
bands: {watch_below: 80}
dimensions:
  sentiment: null
  usage: {inputs: {usage_ratio: {curve: null, steps: [[0, 0], [1, 1]]}}}
"""
    document = read_document(text, {"default": base})
    assert "extends" not in document.values
    profile = document.profile
    assert (profile.label, profile.bands.watch_below, profile.bands.at_risk_below) == (
        "ours@3",
        80,
        base["bands"]["at_risk_below"],
    )
    assert "sentiment" not in {one.name for one in profile.dimensions}
    (ratio,) = (
        one
        for dimension in profile.dimensions
        for one in dimension.inputs
        if one.name == "usage_ratio"
    )
    assert ratio.tiers == Tiers((0, 1), (0, 1), is_curve=False)
    assert ratio.half_life_days == 14


@pytest.mark.parametrize("base", ["nobody", 7, None])
def test_a_base_that_is_not_there_is_refused(base: object) -> None:
    text = yaml.safe_dump({"name": "ours", "version": 1, "extends": base})
    with pytest.raises(
        ProfileInvalid,
        match=r"^line 1, column \d+: extends: write the name of an active profile \(d",
    ):
        read_document(text, {"default": default_document()})


def test_the_shipped_profiles_can_be_read_and_none_is_in_another_ones_way() -> None:
    bases = {"default": default_document()}
    shipped = [read_document(text, bases).profile for text in shipped_profiles().values()]
    assert [one.name for one in shipped] == ["default", "enterprise", "long-tail", "onboarding"]
    assert not [
        (one.name, other.name)
        for one in shipped
        for other in shipped
        if one is not other and one.applies_to.rivals(other.applies_to)
    ]
    # A sum needs raw usage of the days before, which nobody can promise of an installation.
    assert not ProfileBook(tuple(shipped)).sums()
