"""Which open risks speak for themselves."""

import pytest

from services.renewals.domain.risk import Merge, OpenRisks, Risk
from tests.builders.renewals import a_risk

DIP, DROP, SILENCE = a_risk("dip"), a_risk("drop"), a_risk("silence")


def merge(risk_id: str, into_risk_id: str) -> Merge:
    return Merge("acme", risk_id, into_risk_id)


def test_what_is_told_with_an_open_risk_is_not_counted() -> None:
    risks = OpenRisks.of([DIP, DROP], [merge("dip", "drop")])

    assert risks.counted == (DROP,)
    assert risks.merged == ((DIP, DROP),)


@pytest.mark.parametrize("risks", [[DIP], [DIP, SILENCE]])
def test_a_merge_into_what_is_over_or_unknown_holds_nothing_back(risks: list[Risk]) -> None:
    assert OpenRisks.of(risks, [merge("dip", "drop")]).counted == tuple(risks)


def test_a_risk_told_with_several_counts_when_all_of_them_are_over() -> None:
    merges = [merge("dip", "drop"), merge("dip", "silence")]

    assert OpenRisks.of([DIP, DROP], merges).counted == (DROP,)
    assert OpenRisks.of([DIP, SILENCE], merges).counted == (SILENCE,)
    assert OpenRisks.of([DIP], merges).counted == (DIP,)


def test_a_chain_of_merges_is_one_story() -> None:
    merges = [merge("dip", "drop"), merge("drop", "silence")]

    assert OpenRisks.of([DIP, DROP, SILENCE], merges).counted == (SILENCE,)
