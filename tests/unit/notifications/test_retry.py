"""When a failed delivery is tried again."""

from datetime import timedelta

import pytest

from services.notifications.domain.delivery import (
    Arrived,
    DeliveryUnderWay,
    Missed,
    NobodyToTell,
    Status,
)
from services.notifications.domain.retry import WAITS, wait_after
from tests.builders.notifications import NOON, delivery


def test_twelve_retries_take_ninety_six_hours() -> None:
    assert len(WAITS) == 12
    assert sum(WAITS, timedelta()) == timedelta(hours=96)


def test_waits_only_grow() -> None:
    assert list(WAITS) == sorted(WAITS)


def test_the_thirteenth_failure_is_the_last() -> None:
    assert wait_after(12, jitter=0.5) == timedelta(hours=36)
    assert wait_after(13, jitter=0.5) is None


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 4.5), (0.5, 5.0), (1.0, 5.5)])
def test_jitter_spreads_a_wait_by_a_tenth(jitter: float, seconds: float) -> None:
    assert wait_after(1, jitter=jitter) == timedelta(seconds=seconds)


def test_a_receiver_may_ask_for_a_longer_wait_but_not_for_days() -> None:
    assert wait_after(1, jitter=0.5, asked=timedelta(minutes=5)) == timedelta(minutes=5)
    assert wait_after(1, jitter=0.5, asked=timedelta(seconds=1)) == timedelta(seconds=5)
    assert wait_after(1, jitter=0.5, asked=timedelta(days=9)) == timedelta(hours=24)


def test_an_arrived_delivery_is_delivered_at_once() -> None:
    after = delivery().after(Arrived(204), at=NOON, jitter=0.5)
    assert (after.status, after.delivered_at, after.response_code) == (Status.DELIVERED, NOON, 204)
    assert after.next_attempt_at is None


def test_a_missed_delivery_waits_for_its_next_attempt() -> None:
    after = delivery(lease_until=NOON).after(Missed("500", 500), at=NOON, jitter=0.5)
    assert (after.status, after.next_attempt_at) == (Status.PENDING, NOON + timedelta(seconds=5))
    assert (after.last_error, after.lease_until) == ("500", None)


def test_a_final_miss_is_not_tried_again() -> None:
    after = delivery().after(Missed("private", is_final=True), at=NOON, jitter=0.5)
    assert (after.status, after.next_attempt_at) == (Status.FAILED, None)


def test_a_delivery_fails_when_no_attempt_is_left() -> None:
    assert delivery(attempts=13).after(Missed("x"), at=NOON, jitter=0.5).status is Status.FAILED


def test_a_failed_delivery_can_be_replayed_from_the_start() -> None:
    again = delivery(status=Status.FAILED, attempts=13).replayed(NOON)
    assert (again.status, again.attempts, again.next_attempt_at) == (Status.PENDING, 0, NOON)


@pytest.mark.parametrize("status", [Status.PENDING, Status.SENDING])
def test_a_delivery_under_way_cannot_be_replayed(status: Status) -> None:
    with pytest.raises(DeliveryUnderWay):
        delivery(status=status).replayed(NOON)


def test_a_delivery_to_a_vacant_role_cannot_be_replayed() -> None:
    with pytest.raises(NobodyToTell):
        delivery(status=Status.SUPPRESSED, recipient="role:csm").replayed(NOON)
