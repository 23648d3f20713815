"""Double buffering: one window is saved while the next is read, in order, within bounds."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from shared.bus.batches import Batch
from shared.bus.windows import Windows, cut
from tests.unit.shared.bus.records import Record

GROUP = "g"


def batch(first: int, count: int, partition: int = 0) -> Batch:
    records = [Record(first + n, partition=partition) for n in range(count)]
    return Batch("t", partition, first, records)


@dataclass
class Handler:
    """Writes down what it is given; a save lasts until it is let go."""

    saved: list[list[int]] = field(default_factory=list)
    largest: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Exception | None = None

    def begin(self) -> list[int]:
        return []

    def read(self, batch: Batch, window: list[int]) -> None:
        window += [record.offset for record in batch.records]
        self.largest = max(self.largest, len(window))

    async def save(self, window: list[int], batches: Sequence[Batch], group: str) -> None:
        assert group == GROUP
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        assert [r.offset for b in batches for r in b.records] == window
        self.saved.append(window)


async def test_what_comes_while_a_window_is_saved_goes_into_the_next_one() -> None:
    handler = Handler()
    windows = Windows(handler)
    assert await windows.take([batch(0, 3)], GROUP) == []
    await windows.take([batch(3, 2)], GROUP)
    await windows.take([batch(5, 2)], GROUP)
    assert windows.is_busy
    handler.gate.set()
    saved = await windows.settle(GROUP, wait=True)
    assert handler.saved == [[0, 1, 2], [3, 4, 5, 6]]
    assert [part.next_offset for part in saved] == [3, 5, 7]
    assert not windows.is_busy


async def test_a_full_window_waits_for_the_save_before_it() -> None:
    handler = Handler()
    windows = Windows(handler, most_bytes=10_000)
    taking = asyncio.create_task(windows.take([batch(0, 1_000)], GROUP))
    await asyncio.sleep(0.05)
    assert not taking.done()
    assert handler.largest <= 200  # a window, and the slice that filled it
    handler.gate.set()
    await taking
    await windows.settle(GROUP, wait=True)
    assert [offset for window in handler.saved for offset in window] == list(range(1_000))
    assert handler.largest <= 200


async def test_a_window_that_cannot_be_saved_takes_the_next_one_with_it() -> None:
    handler = Handler(failure=RuntimeError("fenced"))
    windows = Windows(handler)
    await windows.take([batch(0, 3)], GROUP)
    await windows.take([batch(3, 3)], GROUP)
    handler.gate.set()
    with pytest.raises(RuntimeError, match="fenced"):
        await windows.settle(GROUP, wait=True)
    await windows.discard()
    handler.failure = None
    await windows.take([batch(0, 3)], GROUP)
    await windows.settle(GROUP, wait=True)
    assert handler.saved == [[0, 1, 2]]


async def test_discarding_lets_the_save_under_way_end() -> None:
    handler = Handler()
    windows = Windows(handler)
    await windows.take([batch(0, 1)], GROUP)
    discarding = asyncio.create_task(windows.discard())
    await asyncio.sleep(0)
    assert not discarding.done()
    handler.gate.set()
    await discarding
    assert handler.saved == [[0]]
    assert not windows.is_busy


async def test_a_pause_ends_with_the_save_it_waits_for() -> None:
    handler = Handler()
    windows = Windows(handler)
    await windows.pause(60)
    await windows.take([batch(0, 1)], GROUP)
    await windows.pause(0.01)
    assert windows.is_busy
    handler.gate.set()
    async with asyncio.timeout(5):
        await windows.pause(60)


def test_a_batch_is_cut_into_pieces_that_follow_each_other() -> None:
    whole = Batch("t", 0, 7, [Record(9), Record(10), Record(14), Record(20)])
    pieces = list(cut(whole, 2_000))
    assert [(each.expected, each.next_offset) for each in pieces] == [(7, 11), (11, 21)]
    assert [r.offset for each in pieces for r in each.records] == [9, 10, 14, 20]
