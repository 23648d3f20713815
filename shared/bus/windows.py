"""Double buffering: one window of records is saved while the next one is read.

A window grows for as long as the save before it takes, up to a limit in bytes: a slow database or
a long lag make windows large, a trickle is saved at once. Positions stay conditional and in
order: windows are saved one after the other, and when one cannot be, all are thrown away and read
again from the stored positions.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from shared.bus.batches import Batch

W = TypeVar("W")

_SLICE_BYTES = 64 * 1024
"""Read at a stretch, before others have their turn: a millisecond or two."""
_RECORD_OVERHEAD = 100


class WindowHandler(Protocol[W]):
    """What is done with windows. It moves positions with `shared.db.inbox.advance`."""

    def begin(self) -> W:
        """Return an empty window."""
        ...

    def read(self, batch: Batch, window: W) -> None:
        """Read a few records into a window. Takes milliseconds at most, and touches nothing."""
        ...

    async def save(self, window: W, batches: Sequence[Batch], group: str) -> None:
        """Save a window and move the positions past its batches, in one transaction.

        Raises `inbox.Fenced` when too late.
        """
        ...


@dataclass(slots=True)
class _Window(Generic[W]):
    content: W
    batches: list[Batch] = field(default_factory=list)
    size: int = 0


class Windows(Generic[W]):
    """Fills windows and saves them. At most two are in memory, of ``most_bytes`` of records each.

    A method that raises has saved nothing of what it was given; then call `discard`.
    """

    def __init__(self, handler: WindowHandler[W], *, most_bytes: int = 4 * 1024 * 1024) -> None:
        self._handler = handler
        self._most_bytes = most_bytes
        self._filling = _Window(handler.begin())
        self._saving: asyncio.Task[Sequence[Batch]] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether anything is being saved or waits to be."""
        return self._saving is not None or bool(self._filling.batches)

    async def take(self, batches: Sequence[Batch], group: str) -> Sequence[Batch]:
        """Read batches into windows; return batches that have been saved in the meantime."""
        saved: list[Batch] = []
        for batch in batches:
            for part in cut(batch, _SLICE_BYTES):
                self._handler.read(part, self._filling.content)
                self._filling.batches.append(part)
                self._filling.size += _size(part)
                if self._filling.size >= self._most_bytes:
                    saved += await self._finish()
                    self._begin_saving(group)
                await asyncio.sleep(0)
        return [*saved, *(await self.settle(group))]

    async def settle(self, group: str, *, wait: bool = False) -> Sequence[Batch]:
        """Save what waits, once nothing is being saved; return batches that have been saved.

        ``wait``: do not return before everything is saved.
        """
        saved: list[Batch] = []
        while self.is_busy and (wait or self._saving is None or self._saving.done()):
            saved += await self._finish()
            self._begin_saving(group)
            if self._saving is None or not wait:
                break
        return saved

    async def discard(self) -> None:
        """Throw everything away: what is being saved ends first, as it may."""
        task, self._saving = self._saving, None
        self._filling = _Window(self._handler.begin())
        if task is not None:
            with suppress(Exception):  # it is read again, whatever it was
                await task

    def _begin_saving(self, group: str) -> None:
        window = self._filling
        if window.batches:
            self._filling = _Window(self._handler.begin())
            self._saving = asyncio.create_task(self._save(window, group))

    async def _save(self, window: _Window[W], group: str) -> Sequence[Batch]:
        await self._handler.save(window.content, window.batches, group)
        return window.batches

    async def _finish(self) -> Sequence[Batch]:
        if self._saving is None:
            return ()
        task = self._saving
        await asyncio.wait({task})
        self._saving = None
        return task.result()


def cut(batch: Batch, most_bytes: int) -> Iterator[Batch]:
    """Cut a batch into smaller ones that follow each other; a record is never cut."""
    expected, first, size = batch.expected, 0, 0
    for place, record in enumerate(batch.records):
        size += len(record.value or b"") + _RECORD_OVERHEAD
        if size >= most_bytes or place == len(batch.records) - 1:
            part = Batch(batch.topic, batch.partition, expected, batch.records[first : place + 1])
            yield part
            expected, first, size = part.next_offset, place + 1, 0


def _size(batch: Batch) -> int:
    return sum(len(record.value or b"") + _RECORD_OVERHEAD for record in batch.records)
