"""What a replica remembers of the ids that were counted, so that it need not ask for each.

Ids are kept by the block, one for each batch that was counted, numbered in the order of their
commits. From time to time blocks are merged into a run, sorted into buckets. Here, the ids of
blocks are remembered one by one, and those of runs by a filter for each day: nearly every new id
is told from all others without a look into the database.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import repeat
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.health.domain.usage.arrivals import KEY_BYTES
from services.health.domain.usage.bloom import GrowingFilter, KeyFilter, asked

_IDS_IN_BUCKET = 96
"""A bucket is looked through as a whole; so many keys stay in one row of a Postgres page."""
_SMALLEST_ROOM = 65_536
"""Keys a filter begins with, in 192 KiB."""


class Block(NamedTuple):
    """The ids of one batch, by its number, in any order."""

    seq: int
    day: date
    keys: Sequence[bytes]


class Run(NamedTuple):
    """Blocks of a day, merged: the ids of those numbered ``first_seq`` to ``last_seq``."""

    number: int
    day: date
    first_seq: int
    last_seq: int
    buckets: int
    ids: int


class Decision(NamedTuple):
    """Which of a batch's keys are known, and up to which block that was decided."""

    known: set[bytes]
    through: int


class Probe(NamedTuple):
    """A key to be looked for in a bucket of a run, because memory cannot tell."""

    day: date
    run: int
    bucket: int
    key: bytes


@dataclass(slots=True)
class KnownIds:
    """The ids of blocks and runs up to ``through`` and ``run``, as far as there is memory.

    Runs take no more than ``most_bytes``; where that does not do, each id is looked up in the
    run. ``unread`` runs are not in a filter yet.
    """

    most_bytes: int = 384 * 1024 * 1024
    through: int = 0
    run: int = 0
    unread: dict[int, Run] = field(default_factory=dict)
    _blocks: dict[int, Block] = field(default_factory=dict)
    _recent: set[bytes] = field(default_factory=set)
    _read: dict[date, list[Run]] = field(default_factory=dict)
    _filters: dict[date, GrowingFilter] = field(default_factory=dict)
    _looked_up: dict[int, Run] = field(default_factory=dict)
    _ids: Counter[date] = field(default_factory=Counter)
    _first_day: date = date.min

    @property
    def bytes_used(self) -> int:
        """How much memory the filters take."""
        return sum(each.size for each in self._filters.values())

    @property
    def look_ups(self) -> int:
        """In how many runs each new id is to be looked up."""
        return len(self._looked_up)

    def learn_block(self, block: Block) -> None:
        """Remember a block that is committed; the one after the last, or one read later."""
        if block.seq not in self._blocks:
            self._blocks[block.seq] = block
            self._recent.update(block.keys)
        if block.seq == self.through + 1:
            self.through = block.seq

    def learn_run(self, run: Run) -> None:
        """Learn that blocks were merged. Those that are not remembered are looked up there."""
        if run.number <= self.run:  # learned by another batch in flight; it may be read already
            return
        self.run = run.number
        self.unread[run.number] = run
        self._ids[run.day] += run.ids
        if not (run.first_seq in self._blocks and run.last_seq in self._blocks):
            self._looked_up[run.number] = run

    def forget_before(self, day: date) -> None:
        """Forget the days that are past their window."""
        if day == self._first_day:
            return
        self._first_day = day
        for seq in [seq for seq, block in self._blocks.items() if block.day < day]:
            self._forget_block(seq)
        for runs in (self.unread, self._looked_up):
            for number in [number for number, run in runs.items() if run.day < day]:
                del runs[number]
        for past in [each for each in {*self._ids, *self._filters} if each < day]:
            self._ids.pop(past, None)
            self._filters.pop(past, None)
            self._read.pop(past, None)

    def suspects(self, keys: Sequence[bytes]) -> tuple[set[bytes], list[Probe]]:
        """Return the keys that are known for certain, and where others are to be looked for."""
        known = self._recent.intersection(keys)
        if not (self._filters or self._looked_up):
            return known, []
        left = [key for key in keys if key not in known] if known else keys
        if not left:
            return known, []
        probes = [probe for run in self._looked_up.values() for probe in _probes(run, left)]
        asking = asked(left)
        for day, runs in self._read.items():
            suspected = [left[place] for place in self._filters[day].suspects(asking).tolist()]
            if suspected:
                probes += [probe for run in runs for probe in _probes(run, suspected)]
        return known, probes

    def next_to_read(self) -> Run | None:
        """Return the newest run that is in no filter and fits; the others are looked up."""
        for number in sorted(self.unread, reverse=True):
            run = self.unread[number]
            free = self._filters[run.day].free if run.day in self._filters else 0
            if free >= run.ids or self._has_memory(run.ids):
                return run
            self._looked_up[number] = run
            self._leave(run)
        return None

    def begin_reading(self, run: Run) -> GrowingFilter:
        """Return the filter that the ids of a run are to be added to."""
        filled = self._filters.setdefault(run.day, GrowingFilter())
        if filled.free < run.ids:
            wished = max(run.ids, self._still_expected(run.day))
            filled.grow(wished if self._has_memory(wished) else run.ids)
        return filled

    def end_reading(self, run: Run) -> None:
        """Rely on the filter from now on: it has all ids of the run."""
        if run.number in self.unread:  # else its day was forgotten meanwhile
            self._read.setdefault(run.day, []).append(run)
            self._looked_up.pop(run.number, None)
            self._leave(run)

    def _has_memory(self, keys: int) -> bool:
        return self.bytes_used + KeyFilter.bytes_for(keys) <= self.most_bytes

    def _still_expected(self, day: date) -> int:
        """Return how many keys a day's filter should have room for, beside those it holds.

        A day is asked part by part, so it should have few: the ids it has by now, and the newest
        day as many as the fullest.
        """
        held = self._filters[day].held
        is_newest = day >= max(self._ids, default=day)
        ids = max(self._ids.values(), default=0) if is_newest else self._ids[day]
        return max(ids - held, held // 2, _SMALLEST_ROOM)

    def _leave(self, run: Run) -> None:
        self.unread.pop(run.number)
        for seq in range(run.first_seq, run.last_seq + 1):
            self._forget_block(seq)

    def _forget_block(self, seq: int) -> None:
        block = self._blocks.pop(seq, None)
        if block is not None:
            self._recent.difference_update(block.keys)


def buckets_for(ids: int) -> int:
    """Return how many buckets a run of so many ids has."""
    return max(1, -(-ids // _IDS_IN_BUCKET))


def sort_into_buckets(blocks: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Return the keys of blocks, each a text of keys, sorted and by bucket; no bucket is empty."""
    keys = np.sort(np.frombuffer(b"".join(blocks), dtype=f"S{KEY_BYTES}"))
    joined = keys.tobytes()
    at = _buckets_of(joined, buckets_for(len(keys)))
    numbers, starts = np.unique(at, return_index=True)
    ends = [*starts[1:].tolist(), len(keys)]
    return [
        (number, joined[start * KEY_BYTES : end * KEY_BYTES])
        for number, start, end in zip(numbers.tolist(), starts.tolist(), ends, strict=True)
    ]


def split(keys: bytes | None) -> list[bytes]:
    """Return the keys of a text of keys."""
    joined = keys or b""
    return [joined[at : at + KEY_BYTES] for at in range(0, len(joined), KEY_BYTES)]


def _probes(run: Run, keys: Sequence[bytes]) -> Iterator[Probe]:
    at = _buckets_of(b"".join(keys), run.buckets).tolist()
    return map(Probe, repeat(run.day), repeat(run.number), at, keys)


def _buckets_of(keys: bytes, buckets: int) -> npt.NDArray[np.uint64]:
    """Return the bucket of each key: its first four bytes as a share of all there can be."""
    words = np.frombuffer(keys, dtype=">u4")[:: KEY_BYTES // 4].astype(np.uint64)
    return (words * np.uint64(buckets)) >> np.uint64(32)
