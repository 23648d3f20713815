"""Gaps in a log: a position does not move past a record that may still come."""

from dataclasses import dataclass, field

from aiokafka import TopicPartition

from shared.bus.batches import Batch
from shared.bus.gaps import Gaps
from shared.bus.topics import EMBEDDED
from tests.unit.shared.bus.records import Record

PLACE = TopicPartition("t", 0)


@dataclass
class Gauge:
    """A clock that stands where it is put."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Reading:
    """What a reader of one partition does with what it is shown."""

    gauge: Gauge = field(default_factory=Gauge)
    log_id: str = f"{EMBEDDED}1"

    def __post_init__(self) -> None:
        self.gaps = Gaps(self.log_id, self.gauge)

    def sees(self, expected: int, *offsets: int) -> tuple[list[int], dict[TopicPartition, int]]:
        """Return the offsets to process, and where to read again."""
        batch = Batch("t", 0, expected, [Record(offset) for offset in offsets])
        whole, again = self.gaps.before([batch])
        assert all(each.expected == expected for each in whole)
        return [record.offset for each in whole for record in each.records], again


def test_what_follows_without_a_gap_is_processed() -> None:
    assert Reading().sees(3, 3, 4, 5) == ([3, 4, 5], {})


def test_what_stands_before_a_gap_is_processed_and_the_rest_read_again() -> None:
    assert Reading().sees(3, 3, 4, 6, 7) == ([3, 4], {PLACE: 5})


def test_nothing_is_processed_where_the_first_is_missing() -> None:
    assert Reading().sees(0, 2, 3) == ([], {PLACE: 0})


def test_a_gap_that_has_closed_is_forgotten_and_a_later_one_waited_for() -> None:
    reading = Reading()
    assert reading.sees(0, 1) == ([], {PLACE: 0})
    reading.gauge.seconds = 100
    assert reading.sees(0, 0, 1, 3) == ([0, 1], {PLACE: 2})


def test_a_gap_that_stays_is_believed_in_the_end() -> None:
    reading = Reading()
    reading.sees(0, 1, 2)
    reading.gauge.seconds = 4.9
    assert reading.sees(0, 1, 2) == ([], {PLACE: 0})
    reading.gauge.seconds = 5.1
    assert reading.sees(0, 1, 2) == ([1, 2], {})


def test_other_brokers_show_nothing_before_its_time() -> None:
    """The end of a transaction takes an offset that no reader is ever shown."""
    assert Reading(log_id="MkU3OEVBNTcwNTJENDM2Qk").sees(0, 0, 2, 9) == ([0, 2, 9], {})
