"""When something was said before."""

from datetime import timedelta

import pytest

from services.notifications.domain.kinds import MessageKind
from services.notifications.domain.message import Situation
from services.notifications.domain.severity import Severity
from tests.builders.notifications import NOON, notice


def test_the_same_words_about_the_same_thing_have_the_same_key() -> None:
    assert notice().key(1) == "acme:usage_drop:r1:risk.opened"
    assert notice(title="Other words").key(1) == notice().key(1)


def test_opened_and_recovered_are_different_messages() -> None:
    assert notice(MessageKind.RISK_RECOVERED).key(1) != notice().key(1)


def test_a_risk_that_worsens_twice_is_told_twice() -> None:
    worse = notice(MessageKind.RISK_WORSENED, severity=Severity.HIGH)
    worst = notice(MessageKind.RISK_WORSENED, severity=Severity.CRITICAL)
    assert worse.key(1) != worst.key(1)


def test_an_alarm_after_the_all_clear_is_a_new_episode() -> None:
    first = Situation.opened(notice(), None)
    again = Situation.opened(notice(), first)
    assert (first.episode, again.episode) == (1, 1)
    after = Situation.opened(notice(), again.closed(NOON + timedelta(hours=1)))
    assert (after.episode, after.is_open) == (2, True)
    assert notice().key(2) != notice().key(1)


def test_a_situation_is_as_severe_as_its_worst_alarm() -> None:
    first = Situation.opened(notice(severity=Severity.CRITICAL), None)
    assert Situation.opened(notice(severity=Severity.LOW), first).severity is Severity.CRITICAL


def test_a_severity_we_do_not_know_counts_as_high() -> None:
    assert Severity.read("apocalyptic") is Severity.HIGH
    assert Severity.read("low") is Severity.LOW


@pytest.mark.parametrize(
    "kind",
    [
        MessageKind.RISK_AWOKE,
        MessageKind.RISK_MERGED,
        MessageKind.RENEWAL_AT_RISK,
        MessageKind.RENEWAL_REASSESSED,
    ],
)
def test_what_recurs_is_told_each_time_and_each_time_once(kind: MessageKind) -> None:
    once, again = notice(kind), notice(kind, happened_at=NOON + timedelta(days=7))
    assert once.key(1) == notice(kind).key(1)
    assert once.key(1) != again.key(1)


def test_a_risk_that_wakes_is_still_the_same_episode() -> None:
    opened = Situation.opened(notice(), None)
    woke = Situation.opened(notice(MessageKind.RISK_AWOKE), opened)
    assert (woke.episode, woke.opened_at) == (1, opened.opened_at)
