from datetime import date

from services.health.domain.detector.decisions import Decision, DecisionKind, Unwatched, unwatched


def off(first: int, last: int | None, reason: str = "migration") -> Decision:
    until = None if last is None else date(2026, 3, last)
    return Decision(DecisionKind.SUSPENSION, date(2026, 3, first), until, reason)


def test_a_day_that_is_judged_has_nothing_to_say() -> None:
    assert unwatched(date(2026, 3, 20), []) is None
    assert unwatched(date(2026, 3, 20), [off(2, 19), off(21, None)]) is None
    new_normal = Decision(DecisionKind.NEW_NORMAL, date(2026, 3, 20), None, "halved")
    assert unwatched(date(2026, 3, 20), [new_normal]) is None


def test_days_without_judgement_begin_where_the_first_decision_of_their_stretch_does() -> None:
    stretch = [off(1, 2), off(9, None, "holidays"), off(4, 8, "migration.")]
    found = unwatched(date(2026, 3, 20), stretch)
    assert found == Unwatched(date(2026, 3, 4), "migration.")
    assert found.last_judged == date(2026, 3, 3)
    assert found.in_words() == "not watched since 2026-03-04 (migration)"
